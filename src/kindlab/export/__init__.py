"""What makes a lab run inside others' machinery. One file each, with a click command named `command`; this folder is
scanned for them (commands/export.py). Each imports what it needs when it runs."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import click

TEMPLATES = Path(__file__).parent / "templates"


def scan() -> Iterator[click.Command]:
    """The commands of the files beside this one, by name."""
    for module in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"kindlab.export.{module.name}").command


def filled(template: str, **values: object) -> str:
    """A text of templates/ with these values: scripts, workflows, settings; nothing in it is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.get_template(template).render(values)


def refuse_to_overwrite(paths: list[Path], *, force: bool) -> None:
    """Raises UsageProblem where one of the files is there."""
    from kindlab.errors import UsageProblem

    there = [path for path in paths if path.exists()]
    if there and not force:
        raise UsageProblem(
            f"{there[0]} is there already.", "Nothing of yours is overwritten.", "Name another place, or use --force."
        )
