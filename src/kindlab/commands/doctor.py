"""Looking for what stands in the way of a cluster here."""

from __future__ import annotations

import json
import shutil
import textwrap

import click

from kindlab import terminal
from kindlab.commands.options import json_option
from kindlab.errors import PASSED

FOUND_PROBLEMS = 1
LABELS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "problem": ("problem", "red")}


@click.command()
@click.option(
    "--cluster",
    type=click.Choice(("kind", "pocket", "current")),
    help="Only what matters to this kind of cluster (default: kind, pocket, and current when it is in use).",
)
@json_option
def doctor(cluster: str | None, as_json: bool) -> int:
    """Look for what stands in the way of a cluster on this machine, and how to put it right.

    It changes nothing. For everything that is amiss it says what that breaks and what to type. Exit code 0: one of the
    clusters asked about works here (with --cluster, that one); 1: none does.
    """
    from kindlab.clusters import base
    from kindlab.doctor import MADE, examine
    from kindlab.doctor.facts import of_this_machine

    # nobody's cluster is contacted unasked, but for the one that is in use
    every = (*MADE, "current") if base.active().kind == "current" else MADE
    with terminal.steps(quiet=as_json) as step:
        step("asking the container engines")
        facts = of_this_machine()
        step("looking at this machine")
        report = examine(facts, (cluster,) if cluster else every)
    if as_json:
        click.echo(json.dumps(report.to_json() | {"engines": [engine.to_json() for engine in facts.engines]}))
        return PASSED if report.works else FOUND_PROBLEMS
    for finding in report.findings:
        label, colour = LABELS[finding.level.value]
        about = f" ({', '.join(finding.clusters)})" if finding.level.value != "ok" and not cluster else ""
        _line(label, colour, finding.says + about)
        if finding.breaks:
            _line("", "", f"Breaks: {finding.breaks}")
        if finding.fix:
            # never broken into lines: it is there to be copied
            click.echo(f"{'':10}Fix: {terminal.harmless(finding.fix)}")
    click.echo()
    for name in report.clusters:
        why = report.why_not(name)
        if why is None:
            terminal.styled(f"{name} works here: kindlab up --cluster {name}", fg="green")
        else:
            terminal.styled(f"{name} does not work here: {why.says}.", fg="red")
    return PASSED if report.works else FOUND_PROBLEMS


def _line(label: str, colour: str, text: str) -> None:
    width = max(60, min(shutil.get_terminal_size().columns, 120)) - 10
    first, *rest = textwrap.wrap(terminal.harmless(text), width, break_long_words=False, break_on_hyphens=False) or [""]
    begin = terminal.coloured(f"{label:8}", fg=colour) if label else f"{'':8}"
    click.echo(f"{begin}  {first}")
    for line in rest:
        click.echo(f"{'':10}{line}")
