"""Commands for those who write labs."""

from __future__ import annotations

import json

import click

from kindlab import terminal
from kindlab.commands.options import json_option
from kindlab.errors import FAILED, PASSED


@click.command()
@click.argument("slug")
def new(slug: str) -> None:
    """Begin a new lab: its folder, solution, grader and notebook."""
    from kindlab import scaffold

    for path in scaffold.create(slug):
        click.echo(f"made {terminal.path(path)}")
    click.echo(f"Next: write it (CONTRIBUTING.md says in which order), then kindlab lint {slug}")


@click.command()
@click.argument("lab", nargs=-1)
@click.option("--static", is_flag=True, help="Only what needs no cluster.")
@click.option("--only", default="", metavar="TEXT", help="Only answers with this in their name (solution, wrong/x).")
@click.option("--jobs", type=click.IntRange(1), default=4, show_default=True, help="Graded at the same time.")
@json_option
def lint(lab: tuple[str, ...], static: bool, only: str, jobs: int, as_json: bool) -> int:
    """Check labs as their author should: start 0%, solution 100%, every wrong answer caught."""
    from kindlab import labs
    from kindlab import lint as linter

    chosen = [labs.find(name) for name in lab] or labs.all_labs()
    say = (lambda _: None) if as_json else click.echo
    findings = linter.run(chosen, live=not static, jobs=jobs, only=only, say=say)
    if as_json:
        click.echo(json.dumps(findings.to_json()))
    return FAILED if findings.problems else PASSED
