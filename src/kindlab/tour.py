"""`kindlab tour`: the whole idea in a minute, on lab 02, without a question asked."""

from __future__ import annotations

import click

from kindlab import labs, terminal, topology, workspace
from kindlab.clusters.base import Status
from kindlab.errors import FAILED, PASSED
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome

LAB = "02"


def run(status: Status) -> int:
    """Start the lab, check it (it fails, and says why), solve it, check again, show the topology."""
    lab = labs.find(LAB)
    api = status.api()

    _say(f"1. Begin: kindlab start {lab.number}")
    with terminal.steps() as step:
        step(f"starting {lab.slug}")
        workspace.remove_namespace(api, lab.slug)
        done = workspace.start(lab, api)
    terminal.started(lab.title, done)

    _say(f"2. Check what is there: kindlab check {lab.number}")
    with terminal.steps() as step:
        step(f"checking {lab.slug}")
        before = runner.grade(lab, api, cluster=status.name)
    terminal.report(before)

    _say(f"3. Apply the reference solution: kindlab solve {lab.number}")
    with terminal.steps() as step:
        step(f"solving {lab.slug}")
        workspace.solve(lab, api)

    _say(f"4. Check again: kindlab check {lab.number}")
    with terminal.steps() as step:
        step(f"checking {lab.slug}")
        after = runner.grade(lab, api, cluster=status.name)
    terminal.report(after)

    _say("5. What runs now")
    for line in topology.lines(api, lab.slug):
        click.echo(line)

    _say("Your turn")
    click.echo(f"  kindlab reset {lab.number}      back to the start of this lab: now it is yours")
    click.echo("  kindlab notebook      read and work in JupyterLab")
    click.echo("  kindlab list          the labs")
    click.echo("  kindlab down          stop the cluster")
    if before.outcome is not Outcome.FAILED or after.outcome is not Outcome.PASSED:
        click.echo("This tour did not go as it should: the first check must fail and the second pass.", err=True)
        return after.exit_code or FAILED
    return PASSED


def _say(title: str) -> None:
    click.echo()
    click.secho(title, bold=True)
