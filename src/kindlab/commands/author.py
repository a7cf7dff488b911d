"""Commands for those who write labs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import cluster_option, json_option
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


@click.command()
@click.argument("lab", nargs=-1)
@click.option(
    "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Embedded clusters at the same time."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to this Markdown file.")
@click.option("--yes", "-y", is_flag=True, help="Remove the labs' namespaces from that cluster without asking.")
@cluster_option
@json_option
def verify(lab: tuple[str, ...], jobs: int, out: Path | None, yes: bool, cluster: str | None, as_json: bool) -> int:
    """Grade every answer of the labs on a cluster and on pocket, and compare the verdicts.

    It takes the labs' namespaces on that cluster for itself and removes them. A lab takes some minutes there.
    """
    from datetime import date

    from kindlab import labs, paths
    from kindlab import verify as verifier

    chosen = [labs.find(name) for name in lab] or labs.all_labs()
    status = base.ready(cluster)
    api = status.api()
    taken = verifier.taken(chosen, api)
    if taken and not yes:
        click.confirm(
            f"Delete everything in {', '.join(taken)} on cluster {status.name}? (--yes does not ask)",
            abort=True,
            err=True,
        )
    say = (lambda _: None) if as_json else click.echo
    found = verifier.run(chosen, api, f"{status.name} ({status.detail})", jobs=jobs, say=say)
    if out:
        paths.write_atomically(out, verifier.table(found, date.today().isoformat()))
        say(f"wrote {terminal.path(out.resolve())}")
    if as_json:
        click.echo(json.dumps(found.to_json()))
    else:
        same, of = sum(row.same for row in found.rows), sum(row.verdicts for row in found.rows)
        click.echo(f"{same} of {of} verdicts are the same; {len(found.problems)} problems")
    return PASSED if found.agrees else FAILED
