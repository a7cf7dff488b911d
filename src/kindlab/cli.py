"""The `kindlab` command. It only parses words and prints: the work is in the modules it imports when needed, so that
`kindlab --help` starts fast. Exit codes: 0 all passed, 1 some checks failed, 2 usage, 3 could not grade."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from kindlab import __version__
from kindlab.errors import COULD_NOT_GRADE, FAILED, PASSED, USAGE, Problem

if TYPE_CHECKING:
    from kindlab.clusters.base import Provider, Status, Step
    from kindlab.grading.outcome import Report

CLUSTERS = click.Choice(["auto", "pocket", "kind", "current"])


class Commands(click.Group):
    """Lists commands in the order of a learner's day and turns Problems into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], list(self.commands), n=1)
            hint = f" Did you mean {near[0]}?" if near else " kindlab --help lists the commands."
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx) from error


def main() -> None:
    """The entry point: runs the command, prints what went wrong as what / why / next, and exits."""
    logging.basicConfig(level=os.environ.get("KINDLAB_LOG", "CRITICAL").upper(), stream=sys.stderr)
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else PASSED)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nStopped. Nothing was lost; run the command again to go on.", err=True)
        sys.exit(130)
    except Problem as problem:
        report_problem(problem)
        sys.exit(problem.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PASSED)
    except OSError as error:
        import errno

        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        then = "Free some disk space and try again." if full else "Check that the file or folder is yours to use."
        report_problem(Problem(f"{error.filename or 'A file'} cannot be used.", f"{error.strerror or error}.", then))
        sys.exit(COULD_NOT_GRADE)


def report_problem(problem: Problem) -> None:
    click.secho(problem.what, fg="red", err=True)
    for line in (problem.why, problem.then):
        if line:
            click.echo(line, err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="kindlab")
def cli() -> None:
    """Learn Kubernetes networking and storage on a live cluster that grades you.

    \b
    First steps:
      kindlab up               start a cluster (embedded, or kind when Docker is there)
      kindlab start 02         begin lab 02-services
      kindlab check 02         see what works, what does not, and why
    """


def cluster_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--cluster", type=CLUSTERS, help="Which cluster to use (default: the one kindlab up started).")(
        command
    )


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


# -- the cluster


@cli.command()
@click.option("--cluster", type=CLUSTERS, default="auto", show_default=True, help="Which kind of cluster.")
@click.option("--name", default="", help="Tell several clusters of one kind apart.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the embedded API server (0: any free).")
@json_option
def up(cluster: str, name: str, port: int, as_json: bool) -> None:
    """Start a cluster, or find it running."""
    from kindlab.clusters import base

    with steps(quiet=as_json) as step:
        provider, why = base.choose(cluster, name=name, port=port)
        step(f"starting {provider.kind}")
        status = provider.up(step)
    base.remember(status)
    if as_json:
        click.echo(json.dumps({"cluster": status.to_json()}))
        return
    click.echo(f"Cluster {status.name} ({status.kind}) is ready: {status.detail}.")
    if cluster == "auto":
        click.echo(f"kindlab took {status.kind} because {why}.")
    if status.kubeconfig:
        click.echo(f"For kubectl: export KUBECONFIG={status.kubeconfig}")
    click.echo("Next: kindlab start 02")


@cli.command()
@cluster_option
@json_option
def status(cluster: str | None, as_json: bool) -> int:
    """Show the cluster in use."""
    from kindlab.clusters import base

    found = base.active(cluster).status()
    if as_json:
        click.echo(json.dumps({"cluster": found.to_json()}))
    else:
        state = "ready" if found.ready else "not ready"
        click.echo(f"Cluster {found.name} ({found.kind}) is {state}: {found.detail}.")
        if found.kubeconfig and found.ready:
            click.echo(f"Kubeconfig: {found.kubeconfig}")
        if not found.ready:
            click.echo("Start it with: kindlab up")
    return PASSED if found.ready else COULD_NOT_GRADE


@cli.command()
@cluster_option
@click.option("--name", default="", help="Which cluster of that kind.")
def down(cluster: str | None, name: str) -> None:
    """Stop the cluster and remove what it kept (your files in work/ stay)."""
    from kindlab.clusters import base

    provider = base.active(cluster, name)
    with steps() as step:
        removed = provider.down(step)
    base.forget()
    if provider.kind == "current":
        click.echo("The cluster of your kubeconfig is not kindlab's: it was left as it is.")
    else:
        click.echo(
            "The cluster is gone. Your files in work/ are still there." if removed else "There was no cluster to stop."
        )


# -- a lab


@cli.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show the labs and how far you are."""
    from kindlab import labs, progress

    done = progress.load()
    rows = [
        {
            "slug": lab.slug,
            "title": lab.title,
            "minutes": lab.minutes,
            "kcna": list(lab.kcna),
            "points": done.get(lab.slug, {}).get("points", 0),
            "max_points": lab.max_points,
            "started": bool(done.get(lab.slug)),
        }
        for lab in labs.all_labs()
    ]
    if as_json:
        click.echo(json.dumps({"labs": rows}))
        return
    if not rows:
        click.echo("There are no labs here yet. kindlab new SLUG begins one.")
    for row in rows:
        points = f"{row['points']}/{row['max_points']} points" if row["started"] else "not started"
        click.echo(f"{row['slug']:<24} {row['minutes']:>3} min  {points:<14} {row['title']}")
        click.echo(f"{'':<24}          KCNA: {', '.join(row['kcna'])}")


@cli.command()
@click.argument("lab")
@cluster_option
def start(lab: str, cluster: str | None) -> None:
    """Begin LAB: your files, its namespace, what it starts from."""
    from kindlab import labs, progress, workspace

    found = labs.find(lab)
    with steps() as step:
        step(f"starting {found.slug}")
        done = workspace.start(found, ready(cluster).api())
    progress.started(found.slug)
    say_started(found.title, done)
    click.echo(f"When you have changed something: kindlab check {found.number}")


def say_started(title: str, done: Any) -> None:
    click.echo(title)
    click.echo(f"Your files: {_shown(done.folder)}")
    for label, names in (("copied", done.copied), ("kept as you left them", done.kept)):
        if names:
            click.echo(f"  {label}: {', '.join(names)}")
    for label, names in (("created on the cluster", done.created), ("already on the cluster", done.already)):
        if names:
            click.echo(f"  {label}: {', '.join(names)}")


@cli.command()
@click.argument("lab", required=False)
@click.option("--task", help="Check only this task (its id or number).")
@cluster_option
@json_option
def check(lab: str | None, task: str | None, cluster: str | None, as_json: bool) -> int:
    """Grade LAB by what the live cluster does (default: the lab you checked or started last)."""
    from kindlab import labs, progress

    found = labs.find(lab) if lab else labs.find(progress.latest())
    only = found.task(task).id if task else None
    with steps(quiet=as_json) as step:
        step(f"checking {found.slug}")
        report = grade(found, cluster, only, as_json=as_json)
    if only is None:
        progress.checked(report)
    if as_json:
        click.echo(json.dumps(report.to_json()))
    else:
        show(report)
        if report.points == report.max_points and only is None and found.debrief:
            click.echo()
            click.echo(found.debrief.strip())
    return exit_code(report)


def grade(lab: Any, cluster: str | None, only: str | None = None, *, as_json: bool = False) -> Report:
    """Grade on the cluster in use. Without one: Problem, or under `as_json` a report that says so."""
    from kindlab.grading import runner

    try:
        status = ready(cluster)
        return runner.grade(lab, status.api(), cluster=status.name, only=only)
    except Problem as problem:
        if not as_json:
            raise
        return runner.not_graded(lab, problem, only=only)


def show(report: Report) -> None:
    from kindlab.grading.report import text

    colours: dict[str, dict[str, Any]] = {"bold": {"bold": True}, "bold green": {"bold": True, "fg": "green"}}
    for line, style in text.lines(report):
        look: dict[str, Any] = colours.get(style, {"fg": style} if style else {})
        click.secho(line, **look) if "NO_COLOR" not in os.environ else click.echo(line)


def exit_code(report: Report) -> int:
    return {"passed": PASSED, "failed": FAILED}.get(report.outcome.value, COULD_NOT_GRADE)


@cli.command()
@click.argument("lab")
@click.argument("task")
def hint(lab: str, task: str) -> None:
    """The next hint for a TASK of LAB (its id or number); never the answer."""
    from kindlab import labs, progress

    found = labs.find(lab)
    wanted = found.task(task)
    taken = progress.hints_taken(found.slug, wanted.id)
    shown = min(taken + 1, len(wanted.hints))
    click.echo(f"{wanted.title}")
    for number, text in enumerate(wanted.hints[:shown], 1):
        click.echo(f"  {number}. {text}")
    left = len(wanted.hints) - shown
    click.echo(
        f"{left} more." if left else "That was the last one. kindlab solve shows the reference solution at work."
    )
    progress.hint_taken(found.slug, wanted.id)


@cli.command()
@click.argument("lab")
@cluster_option
def solve(lab: str, cluster: str | None) -> None:
    """Apply LAB's reference solution to the cluster (your files stay as they are)."""
    from kindlab import labs, workspace

    found = labs.find(lab)
    with steps() as step:
        step(f"solving {found.slug}")
        applied = workspace.solve(found, ready(cluster).api())
    click.echo(f"Applied the reference solution: {', '.join(applied)}")
    click.echo(f"Its files: {_shown(found.solution_folder)}")
    click.echo(f"Next: kindlab check {found.number}")


@cli.command()
@click.argument("lab")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cluster_option
def reset(lab: str, yes: bool, cluster: str | None) -> None:
    """Put LAB back to its start, namespace included (your old files are kept aside)."""
    from kindlab import labs, workspace

    found = labs.find(lab)
    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete everything in namespace {found.slug} and begin again?", abort=True)
    with steps() as step:
        step(f"resetting {found.slug}")
        done, aside = workspace.reset(found, ready(cluster).api())
    say_started(found.title, done)
    if aside is not None:
        click.echo(f"Your old files: {_shown(aside)}")


# -- looking


@cli.command()
@click.argument("target")
@click.option("-n", "--namespace", help="The namespace (default: the lab you started last).")
@cluster_option
@json_option
def why(target: str, namespace: str | None, cluster: str | None, as_json: bool) -> int:
    """Follow svc/NAME or an in-cluster URL hop by hop to the first broken hop."""
    from kindlab import progress
    from kindlab.trace import trace

    space = namespace or progress.latest()
    with steps(quiet=as_json) as step:
        step(f"following {target}")
        path = trace(ready(cluster).api(), space, target)
    if as_json:
        click.echo(json.dumps(path.to_json()))
    else:
        click.echo(f"{path.target} in namespace {path.namespace}")
        for hop in path.hops:
            click.secho(f"  {'✔' if hop.ok else '✘'} {hop.name}: {hop.evidence}", fg=None if hop.ok else "red")
        broken = path.broken
        click.echo(f"Next: {broken.next}" if broken else "Every hop is in order.")
    return FAILED if path.broken else PASSED


@cli.command()
@click.argument("target")
@click.option("-n", "--namespace", help="The namespace (default: the lab you started last).")
@cluster_option
@json_option
def url(target: str, namespace: str | None, cluster: str | None, as_json: bool) -> None:
    """The address a browser on this machine can open for svc/NAME."""
    from kindlab import progress, urls

    found = urls.for_target(ready(cluster), namespace or progress.latest(), target)
    click.echo(json.dumps({"urls": found}) if as_json else "\n".join(found))


@cli.command()
@cluster_option
def tour(cluster: str | None) -> int:
    """A minute that shows it all on lab 02: wrong, told why, right, graded."""
    from kindlab import tour as guide

    return guide.run(ready(cluster))


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="JupyterLab's port (default: it chooses).")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@cluster_option
def notebook(port: int, no_browser: bool, cluster: str | None) -> int:
    """Open JupyterLab on your labs."""
    from kindlab import jupyter

    return jupyter.launch(ready(cluster), port=port, browser=not no_browser)


# -- for authors


@cli.command()
@click.argument("slug")
def new(slug: str) -> None:
    """Begin a new lab: its folder, solution, grader and notebook."""
    from kindlab import scaffold

    for path in scaffold.create(slug):
        click.echo(f"made {_shown(path)}")
    click.echo(f"Next: edit labs/{slug}/lab.toml, then kindlab lint {slug}")


@cli.command()
@click.argument("lab", nargs=-1)
@click.option("--static", is_flag=True, help="Only what needs no cluster.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Graded at the same time.")
@json_option
def lint(lab: tuple[str, ...], static: bool, jobs: int, as_json: bool) -> int:
    """Check labs as their author should: start 0%, solution 100%, every wrong answer caught."""
    from kindlab import labs
    from kindlab import lint as linter

    chosen = [labs.find(name) for name in lab] or labs.all_labs()
    findings = linter.run(chosen, live=not static, jobs=jobs, say=(lambda _: None) if as_json else click.echo)
    if as_json:
        click.echo(json.dumps(findings.to_json()))
    return FAILED if findings.problems else PASSED


# -- shared


def ready(cluster: str | None) -> Status:
    """The cluster to use. Raises Problem when it is not ready."""
    from kindlab.clusters import base

    provider: Provider = base.active(cluster)
    found = provider.status()
    if not found.ready:
        raise Problem(
            f"The cluster {found.name} ({found.kind}) is not ready.", f"{found.detail}.", "Start it with: kindlab up"
        )
    return found


@contextlib.contextmanager
def steps(*, quiet: bool = False) -> Iterator[Step]:
    """Shows what is being done on a terminal's last line; silent elsewhere, and under `quiet`."""
    if quiet or not sys.stderr.isatty() or os.environ.get("CI"):
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("...") as line:
        yield lambda text: line.update(text)


def _shown(path: Any) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.relative_to(os.getcwd()))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    main()
