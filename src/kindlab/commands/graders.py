"""Commands for those who write graders: tests of the graders themselves."""

from __future__ import annotations

import json

import click

from kindlab.commands.options import json_option
from kindlab.errors import FAILED, PASSED


@click.command()
@click.argument("lab")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Clusters started at the same time.")
@click.option("--only", default="", metavar="TEXT", help="Only mutants with this in their id (an operator, a file).")
@click.option("--sample", type=click.IntRange(0), default=0, metavar="N", help="So many of them, of every operator.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which sample: the same for the same number.")
@json_option
def mutate(lab: str, jobs: int, only: str, sample: int, seed: int, as_json: bool) -> int:
    """Test a lab's grader against wrong answers that nobody wrote.

    Each mutant is the solution with one change. What it does is compared with what the solution and all alternatives
    do, by traffic and bytes: a harmful one must fail a check, a harmless one must pass them all. What was tried before
    is kept, until the lab, its grader or kindlab changes: Ctrl-C loses nothing.
    """
    from kindlab import labs
    from kindlab.mutate import run, verdict

    say = (lambda text: None) if as_json else (lambda text: click.echo(text, err=True))
    outcome = run.run(labs.find(lab), jobs=jobs, only=only, sample=sample, seed=seed, say=say)
    click.echo(json.dumps(outcome.to_json()) if as_json else "\n".join(verdict.lines(outcome)))
    return PASSED if outcome.ok else FAILED
