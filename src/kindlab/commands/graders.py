"""Commands for those who write graders: tests of the graders themselves."""

from __future__ import annotations

import json
from functools import partial

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


@click.command()
@click.argument("lab", nargs=-1)
@click.option("--times", type=click.IntRange(2), default=100, show_default=True, help="Gradings of each state.")
@click.option("--only", default="", metavar="TEXT", help="Only answers with this in their name (solution, wrong/x).")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Clusters started at the same time.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped; what is done is not done again.")
@json_option
def flake(lab: tuple[str, ...], times: int, only: str, jobs: int, resume: bool, as_json: bool) -> int:
    """Grade the same answers again and again: no verdict may ever change.

    Each answer is brought about and graded ten times as the gradings leave it, then on a fresh cluster, and so on. All
    answers of all labs a hundred times take many hours: Ctrl-C keeps what is done, --resume goes on.
    """
    from kindlab import flake as flaking
    from kindlab import labs, paths, states

    chosen = [labs.find(name) for name in lab] or labs.all_labs()
    tried = [state for one in chosen for state in states.states(one) if only in state.name]
    say = partial(click.echo, err=True)
    found = flaking.run(
        tried,
        times,
        jobs=jobs,
        file=paths.home() / "flake.jsonl",
        resume=resume,
        say=(lambda _: None) if as_json else say,
    )
    if as_json:
        click.echo(json.dumps(found.to_json()))
    else:
        for text in (*map(str, found.flips), *found.problems):
            click.echo(text)
        flips = sum(not flip.by_chance for flip in found.flips)
        click.echo(f"{found.states} states, {found.gradings} gradings: {flips} checks changed their mind")
    return PASSED if found.ok else FAILED
