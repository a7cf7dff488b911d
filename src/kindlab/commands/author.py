"""Commands for those who write labs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import cluster_option, json_option
from kindlab.errors import FAILED, PASSED, Problem

if TYPE_CHECKING:
    from kindlab.labs import Lab
    from kindlab.verify.results import Verified


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
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Clusters started at a time.")
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
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the table to this Markdown file, and the results to a JSON file beside it.",
)
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped; what is done is not done again.")
@click.option(
    "--join",
    multiple=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="Run nothing: make one table of these JSON files (may be repeated).",
)
@click.option("--prefix", default="", help="Use namespaces whose names begin so, beside those of learners.")
@click.option("--yes", "-y", is_flag=True, help="Work there, and remove the labs' namespaces, without asking.")
@cluster_option
@json_option
def verify(
    lab: tuple[str, ...],
    jobs: int,
    out: Path | None,
    resume: bool,
    join: tuple[Path, ...],
    prefix: str,
    yes: bool,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Grade every answer of the labs on a cluster and on pocket, and compare the verdicts.

    It takes the labs' namespaces on that cluster for itself and removes them. A lab takes some minutes there, the
    course hours: Ctrl-C keeps what is done, --resume goes on. With --cluster kind the cluster and what the labs need
    are brought up first.
    """
    from kindlab import labs, paths
    from kindlab import verify as verifier
    from kindlab.verify import results, run, table

    # while progress is shown, whatever goes to standard output ends up beside it, also where that is a file
    where = None if sys.stdout.isatty() else sys.stdout
    say = partial(click.echo, err=True) if as_json else partial(click.echo, file=where)
    if join:
        found = results.join(map(results.load, join))
        return _verified(found, out, as_json, say)
    chosen = [labs.find(name) for name in lab] or labs.all_labs()
    if cluster == "kind":
        _up_for(chosen, as_json, yes=yes)
    status = base.ready(cluster, yes=yes)
    api, prefix = status.api(), prefix or status.prefix
    if (taken := verifier.taken(chosen, api, prefix)) and not (yes or resume):
        click.confirm(
            f"Delete everything in {', '.join(taken)} on cluster {status.name}? (--yes does not ask; --prefix NAME "
            "takes other namespaces)",
            abort=True,
            err=True,
        )
    file = out.with_suffix(".json") if out else paths.home() / "verify" / f"{status.kind}-{status.name}.json"
    found = verifier.begun(chosen, status, file, resume=resume)

    def keep(found: results.Verified) -> None:
        found.date = run.today()
        results.save(found, file)
        if out:
            paths.write_atomically(out, table.table(found))

    try:
        with terminal.steps(quiet=as_json) as step:
            run.run(chosen, api, found, jobs=jobs, prefix=prefix, say=say, step=step, keep=keep)
    except (KeyboardInterrupt, Problem):
        if found.answers:
            say(f"Kept: {len(found.answers)} answers in {terminal.path(file.resolve())}. --resume goes on from there.")
        raise
    return _verified(found, out, as_json, say)


def _up_for(chosen: list[Lab], as_json: bool, *, yes: bool) -> None:
    """A kind cluster with everything that these labs need, as `kindlab up` brings it up; with their images, too, for
    graders do not wait for those to be pulled."""
    from kindlab.commands.cluster import up

    words = ["--cluster", "kind", "--preload", "--labs", ",".join(lab.number for lab in chosen), *(["--yes"] * yes)]
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        up.main(words, standalone_mode=False)


def _verified(found: Verified, out: Path | None, as_json: bool, say: Callable[[str], Any]) -> int:
    from kindlab import paths
    from kindlab.verify import results, table

    if out:
        paths.write_atomically(out, table.table(found))
        results.save(found, out.with_suffix(".json"))
        say(f"wrote {terminal.path(out.resolve())}")
    if as_json:
        click.echo(json.dumps(found.to_json()))
    else:
        terminal.styled(table.summary(found))
    return PASSED if found.agrees else FAILED
