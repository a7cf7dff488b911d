"""A policy.toml to begin with: every key there is, as a comment, with the tasks of the lab."""

from __future__ import annotations

from pathlib import Path

import jinja2

from kindlab import paths
from kindlab.batch.policy import checks_of
from kindlab.errors import UsageProblem
from kindlab.labs import Lab

TEMPLATE = Path(__file__).parents[1] / "templates" / "grading" / "policy.toml.j2"


def text(lab: Lab) -> str:
    """The file's text; it changes nothing until a line's # is taken away."""
    template = jinja2.Template(
        TEMPLATE.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    return str(template.render(lab=lab, checks=checks_of(lab)))


def write(lab: Lab, file: Path) -> None:
    """Raises UsageProblem where a file is there already; OSError."""
    if file.exists():
        raise UsageProblem(
            f"{file} is there already.", "What you have written into it would be lost.", "Name another file."
        )
    paths.write_atomically(file, text(lab))
