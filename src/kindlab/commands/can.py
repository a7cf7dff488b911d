"""What the cluster in use can do."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import cluster_option, json_option

if TYPE_CHECKING:
    from kindlab.needs.overview import Row

WIDTH = 79
"""Of what stands beside a word."""


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--again", is_flag=True, help="Try everything again, also what was found out a while ago.")
@cluster_option
@json_option
def can(words: tuple[str, ...], again: bool, cluster: str | None, as_json: bool) -> int:
    """Show what the cluster can do, and which labs and tasks cannot be done there.

    What only a trial shows is tried with objects of kindlab's own, which are removed again; the answer is kept for a
    while. WORD: only this (metrics, ingress, ...).
    """
    from kindlab.errors import FAILED, PASSED
    from kindlab.needs import overview

    asked = overview.checked(words)
    status = base.ready(cluster)
    with terminal.steps(quiet=as_json) as step:
        step("finding out what the cluster can do")
        rows = overview.of(status.api(), asked, status.prefix, again=again)
    if as_json:
        click.echo(json.dumps({"cluster": status.to_json(), "needs": [row.to_json() for row in rows]}))
    else:
        for row in rows:
            _show(row)
        _conclude(rows, whole=not words)
    return PASSED if all(row.found.has for row in rows) else FAILED


def _show(row: Row) -> None:
    mark, colour = ("✔", "green") if row.found.has else ("✘", "red") if row.found.sure else ("?", "yellow")
    terminal.styled(f"{mark} {row.need.word:<18} {row.need.title}", fg=colour)
    decides = f"decides about {row.decides}" if row.decides else ""
    for line in (row.found.why, *(() if row.found.has else (decides, row.found.how_to_get))):
        for part in textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False):
            terminal.styled(f"{'':<21}{part}")


def _conclude(rows: list[Row], *, whole: bool) -> None:
    lacking = [row for row in rows if not row.found.has]
    click.echo()
    if not lacking:
        click.echo("Everything that the course needs is there." if whole else "It is there.")
        return
    click.echo(f"{len(lacking)} of {len(rows)} are not there. Tasks that need none of them can be done and are graded.")
