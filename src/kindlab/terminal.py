"""What commands print: progress, problems, reports, paths. Results go to standard output, the rest to standard
error."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from kindlab.clusters.base import Step
from kindlab.errors import Problem

if TYPE_CHECKING:
    from kindlab.grading.outcome import Report
    from kindlab.workspace import Started


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Text of a cluster or an engine as a terminal may have it: what would move its cursor, rename its window or turn
    the direction of writing is shown as a question mark. Lines and tabs stay."""
    return _CONTROL.sub("\ufffd", text)


def problem(error: Problem) -> None:
    """What happened, why, what to do next."""
    click.secho(harmless(error.what), fg="red", err=True)
    for line in (error.why, error.then):
        if line:
            click.echo(harmless(line), err=True)


@contextlib.contextmanager
def steps(*, quiet: bool = False, slow: bool = False) -> Iterator[Step]:
    """Shows what is being done on a terminal's last line; silent elsewhere, and under `quiet`.

    `slow` is for work of minutes: the terminal shows the time, too, and elsewhere (CI) each step is a line of its own.
    """
    if quiet or not sys.stderr.isatty() or os.environ.get("CI"):
        yield _lines() if slow and not quiet else lambda text: None
        return
    from rich.console import Console
    from rich.text import Text

    if not slow:
        with Console(stderr=True).status("...") as line:
            yield lambda text: line.update(Text(harmless(text)))  # [/etc] of a message is no markup
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("...", total=None)
        yield lambda text: shown.update(task, description=harmless(text))


def _lines() -> Step:
    """Each new step on standard error, with the seconds since the first."""
    began, last = monotonic(), ""

    def say(text: str) -> None:
        nonlocal last
        if text != last:
            last = text
            click.echo(f"[{monotonic() - began:3.0f} s] {harmless(text)}", err=True)

    return say


def report(found: Report) -> None:
    """A grading, in colour where the terminal has it."""
    from kindlab.grading.report import text

    marked(text.lines(found))


def marked(lines: Iterable[tuple[str, str]]) -> None:
    """(line, style), in colour where the terminal has it."""
    colours: dict[str, dict[str, Any]] = {"bold": {"bold": True}, "bold green": {"bold": True, "fg": "green"}}
    for line, style in lines:
        look: dict[str, Any] = colours.get(style, {"fg": style} if style else {})
        styled(line, **look)


def started(title: str, done: Started) -> None:
    """What `kindlab start` or `reset` did."""
    click.echo(title)
    click.echo(f"Your files: {path(done.folder)}")
    for label, names in (("copied", done.copied), ("kept as you left them", done.kept)):
        if names:
            click.echo(f"  {label}: {', '.join(names)}")
    if done.misnamed:
        click.echo(f"  made for another prefix: {', '.join(done.misnamed)}; kindlab reset gives you new ones")
    for label, names in (("created on the cluster", done.created), ("already on the cluster", done.already)):
        if names:
            click.echo(f"  {label}: {', '.join(names)}")
    if done.refused:
        click.echo(f"  not put on this cluster: {', '.join(done.refused)}")
    not_here(done)


def coloured(text: str, **look: Any) -> str:
    """In colour, unless somebody wants none; what is not printed on a terminal loses it again (click)."""
    text = harmless(text)
    return text if "NO_COLOR" in os.environ else click.style(text, **look)


def styled(line: str, **look: Any) -> None:
    """A line in colour, where the terminal has it."""
    click.echo(coloured(line, **look))


def table(*rows: Sequence[str]) -> None:
    """Columns as wide as their widest cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("   ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def not_here(done: Started) -> None:
    """Which tasks cannot be done on the cluster, and why."""
    from kindlab.needs import grouped

    for tasks, lacking in grouped(done.lacking):
        styled(f"Cannot be done on this cluster: {', '.join(tasks)}", fg="yellow")
        for line in (lacking.why, lacking.how_to_get):
            click.echo(f"  {harmless(line)}")
    if done.lacking:
        click.echo("They count for nothing here. The embedded cluster has everything: kindlab up --cluster pocket")


def path(absolute: Path) -> str:
    """A path as short as it can be said from here; "." alone would not say which folder that is."""
    here = Path.cwd()
    inside = absolute.is_relative_to(here) and absolute != here
    return str(absolute.relative_to(here) if inside else absolute)
