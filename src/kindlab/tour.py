"""`kindlab tour`: the whole idea in a minute, on lab 02, without a question asked.

It plays in a namespace of its own, so it can be taken again at any time and never touches what a learner has begun.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from kindlab import labs, naming, terminal, topology, workspace
from kindlab.clusters.base import Status
from kindlab.errors import FAILED, PASSED
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome

LAB = "02"
NAMESPACE = "kindlab-tour"


def run(status: Status) -> int:
    """Start the lab, check it (it fails, and says why), solve it, check again, show the topology."""
    lab = labs.find(LAB)
    api, space = status.api(), naming.under(status.prefix, NAMESPACE)

    _say(f"1. A lab begins with something broken (kindlab start {lab.number})")
    with terminal.steps() as step:
        step(f"starting {lab.slug}")
        workspace.remove_namespace(api, space)
        workspace.make_namespace(api, space)
        files = [lab.folder / "start" / name for name in lab.apply_at_start]
        created = workspace.apply(api, space, files)
    click.echo(f"{lab.title}: {', '.join(created)} in namespace {space}")

    _say(f"2. The grader looks at what the cluster does (kindlab check {lab.number})")
    with terminal.steps() as step:
        step(f"checking {lab.slug}")
        before = runner.grade(lab, api, namespace=space, cluster=status.name)
    terminal.report(before)

    _say(f"3. The reference solution is applied (kindlab solve {lab.number})")
    with terminal.steps() as step:
        step(f"solving {lab.slug}")
        applied = workspace.apply(api, space, labs.manifests(lab.solution_folder))
    click.echo(", ".join(applied))

    _say(f"4. The grader looks again (kindlab check {lab.number})")
    with terminal.steps() as step:
        step(f"checking {lab.slug}")
        after = runner.grade(lab, api, namespace=space, cluster=status.name)
    terminal.report(after)

    _say("5. What runs now")
    for line in topology.lines(api, space):
        click.echo(line)

    _say("Your turn")
    activate = Path(sys.prefix) / "bin" / "activate"
    if shutil.which("kindlab") is None and activate.is_file():  # `make start` leaves the shell as it was
        shown = activate.relative_to(Path.cwd()) if activate.is_relative_to(Path.cwd()) else activate
        click.echo(f"  source {shown}      first, once in each terminal: then kindlab is found")
    click.echo(f"  kindlab start {lab.number}      begin this lab yourself: your files, your namespace")
    click.echo("  kindlab notebook      read and work in JupyterLab")
    click.echo("  kindlab list          the labs and how far you are")
    click.echo("  kindlab down          stop the cluster")
    if before.outcome is not Outcome.FAILED or after.outcome is not Outcome.PASSED:
        click.echo("This tour did not go as it should: the first check must fail and the second pass.", err=True)
        return after.exit_code or FAILED
    return PASSED


def _say(title: str) -> None:
    click.echo()
    click.secho(title, bold=True)
