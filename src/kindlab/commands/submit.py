"""Handing in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import cluster_option
from kindlab.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from kindlab.submit import Packed


@click.command()
@click.argument("lab", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The zip to write (default: LAB.zip in the working directory).",
)
@click.option("--student", envvar="KINDLAB_STUDENT", default="", help="Who you are, as your class calls you.")
@cluster_option
def submit(lab: str | None, output: Path | None, student: str, cluster: str | None) -> None:
    """Make a zip of LAB to hand in: your files, and what the cluster has that is in none of them."""
    from kindlab import handouts, labs, progress
    from kindlab import submit as submitting

    found = labs.mine(lab or progress.latest())
    without: Problem | None = None
    try:
        status = base.ready(cluster)
        found = found.under(status.prefix)
    except UsageProblem:
        raise
    except Problem as problem:
        status, without = None, problem
    with terminal.steps() as step:
        step(f"packing {found.slug}")
        who = student or handouts.student(found)
        packed = submitting.pack(found, status, (output or Path(f"{found.slug}.zip")).absolute(), who)
    _say(packed, without)


def _say(packed: Packed, without: Problem | None) -> None:
    found = packed.beside
    rows = [
        ("your files", ", ".join(packed.files) or "none"),
        ("in no file", ", ".join(found.made)),
        (
            "changed",
            f"{', '.join(found.changed)} (on the cluster otherwise than in the files)" if found.changed else "",
        ),
        ("not there", f"{', '.join(found.gone)} (not on your cluster; grading puts it there)" if found.gone else ""),
    ]
    click.echo(f"{terminal.path(packed.path)} is ready to be handed in. It holds:")
    for label, value in rows:
        if value:
            click.echo(f"  {label + ':':<12}{terminal.harmless(value)}")
    for file, why in packed.unread.items():
        terminal.styled(f"{terminal.harmless(f'{file} will not be graded as it is: {why}')}", fg="yellow")
    if without is not None:
        terminal.styled("It holds your files only, for there is no cluster to look at:", fg="yellow")
        click.echo(f"{without}")
        click.echo("What you made or changed with kubectl alone is not in it.")
    elif found.gone or packed.unread:
        click.echo("Grading will not see all that your cluster shows now: look at the lines above.")
    else:
        click.echo("Grading will see what your cluster shows now.")
    if packed.volumes:
        click.echo("What you wrote into volumes by hand (kubectl exec) is not handed in: only objects are.")
