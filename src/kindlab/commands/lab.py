"""A learner's commands on a lab."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.listing import list_ as list_
from kindlab.commands.options import cluster_option, json_option
from kindlab.errors import COULD_NOT_GRADE, FAILED, Problem, UsageProblem

if TYPE_CHECKING:
    from kindlab.api import Api
    from kindlab.grading.outcome import Report
    from kindlab.labs import Lab, Task


@click.command()
@click.argument("lab")
@click.option("--exam", is_flag=True, help="Without help: no verdict, hint or reason before kindlab finish.")
@click.option("--minutes", type=click.IntRange(1, 24 * 60), help="How long the exam may take (default: no limit).")
@click.option("--from", "handout", type=click.Path(path_type=Path), metavar="ZIP", help="Your hand-out of the class.")
@cluster_option
def start(lab: str, exam: bool, minutes: int | None, handout: Path | None, cluster: str | None) -> None:
    """Begin LAB: your files, its namespace, what it starts from."""
    from kindlab import labs

    if minutes and not exam:
        raise UsageProblem("--minutes is for an exam.", "A lab may take as long as you like.", "Add --exam.")
    _start(_with(labs.mine(lab), handout), cluster, minutes=(minutes or 0) if exam else None)


@click.command()
@cluster_option
def resume(cluster: str | None) -> None:
    """Go on with the lab you started or checked last: what is missing comes back, what is there stays."""
    from kindlab import labs, progress

    _start(labs.mine(progress.latest()), cluster, minutes=None)


def _with(lab: Lab, handout: Path | None) -> Lab:
    """The lab with the values of a hand-out, if there is one."""
    if handout is None:
        return lab
    from kindlab import handouts, workspace

    begun = workspace.folder(lab).is_dir()
    given = handouts.take(lab, handout)
    if who := handouts.student(lab):
        click.echo(f"This is the hand-out of {terminal.harmless(who)}.")
    if begun and given.variant != lab.variant:
        terminal.styled(
            f"Your files of lab {lab.slug} are there already, with the values they had. "
            f"kindlab reset {lab.number} puts them aside and gives you new ones.",
            fg="yellow",
        )
    return given


def _start(lab: Lab, cluster: str | None, *, minutes: int | None) -> None:
    """`minutes`: of an exam, 0 for one without a limit; None: no exam."""
    from kindlab import addons, going, labs, progress, workspace
    from kindlab import exam as exams
    from kindlab.needs import shared

    if minutes is not None:
        exams.refuse_another(lab.slug)
    status = base.ready(cluster)
    found = lab.under(status.prefix)
    with terminal.steps() as step:
        failed = addons.for_lab(status, found, step)
        step(f"starting {found.slug}")
        done = workspace.start(found, status.api())
    progress.started(found.slug)
    for problem in failed:
        terminal.problem(problem)
    terminal.started(found.title, done)
    if note := shared.said(found):
        click.echo(note)
    if said := exams.started(found.slug, minutes):
        click.echo("\n".join(said))
        return
    click.echo(f"Next: {going.next_step(labs.all_labs(), progress.load())}")


@click.command()
@click.argument("lab", required=False)
@click.option("--task", help="Check only this task (its id or number).")
@click.option("--watch", is_flag=True, help="Go on: check again what you change, as soon as you have changed it.")
@click.option("--apply", "applying", is_flag=True, help="With --watch: apply each file that you save.")
@click.option("--all-tasks", is_flag=True, help="End with exit code 3 if a task cannot be done on this cluster.")
@cluster_option
@json_option
def check(
    lab: str | None,
    task: str | None,
    watch: bool,
    applying: bool,
    all_tasks: bool,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Grade LAB by what the live cluster does (default: the lab you checked or started last)."""
    from kindlab import labs, progress

    if applying and not watch:
        raise UsageProblem("--apply goes with --watch.", "It applies what you save.", "kindlab check --watch --apply")
    if watch and (task or as_json or all_tasks):
        raise UsageProblem(
            "--watch follows a whole lab, in words.", "It takes --apply and --cluster.", "kindlab check LAB --watch"
        )
    found = labs.mine(lab or progress.latest()).under(base.prefix(cluster))
    if watch:
        return _watch(found, cluster, applying=applying)
    report = _grade(found, cluster, found.task(task).id if task else None, as_json=as_json)
    code = _told(found, report, whole=task is None, as_json=as_json)
    if all_tasks and (away := [t.id for t in report.tasks if t.not_here]):
        click.echo(f"Not all tasks were graded: {', '.join(away)} cannot be done on this cluster.", err=True)
        return COULD_NOT_GRADE
    return code


@click.command()
@click.argument("lab", required=False)
@cluster_option
@json_option
def finish(lab: str | None, cluster: str | None, as_json: bool) -> int:
    """End the exam of LAB (default: the one that is going on) and show what came of it."""
    from kindlab import exam as exams
    from kindlab import labs

    running = exams.to_finish(labs.find(lab).slug if lab else "")
    found = labs.mine(running.slug).under(base.prefix(cluster))
    report = _grade(found, cluster, as_json=as_json)
    if report.exit_code == COULD_NOT_GRADE:
        click.echo(f"It could not be graded, so the exam is not over ({running.clock}).", err=True)
    else:
        exams.end(found.slug)
    return _told(found, report, whole=True, as_json=as_json)


def _told(lab: Lab, report: Report, *, whole: bool, as_json: bool) -> int:
    """Say what may be said of a grading, write progress down, and return the exit code."""
    from kindlab import going
    from kindlab.needs import shared

    told = going.told(lab, report, whole=whole)
    if as_json:
        click.echo(json.dumps(told.to_json()))
    else:
        terminal.marked(told.lines())
        if report.exit_code == FAILED and not told.exam and (note := shared.said(lab)):
            click.echo(note)
    if told.unkept is not None:
        click.echo("\nThis result could not be written to your progress:", err=True)
        terminal.problem(told.unkept)
    return told.exit_code


@click.command()
@click.argument("lab")
@click.argument("task")
def hint(lab: str, task: str) -> None:
    """The next hint for a TASK of LAB (its id or number); never the answer."""
    from kindlab import exam, labs, progress

    exam.refuse("There are no hints")
    found = labs.mine(lab).under(base.prefix())
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


@click.command()
@click.argument("lab")
@cluster_option
def solve(lab: str, cluster: str | None) -> None:
    """Apply LAB's reference solution to the cluster (your files stay as they are)."""
    from kindlab import exam, labs, workspace

    exam.refuse("There is no solution")
    found = labs.mine(lab)
    status = base.ready(cluster)
    with terminal.steps() as step:
        step(f"solving {found.slug}")
        applied = workspace.solve(found.under(status.prefix), status.api())
    click.echo(f"Applied the reference solution: {', '.join(applied)}")
    click.echo(f"Its files: {terminal.path(found.solution_folder)}")
    click.echo(f"Next: kindlab check {found.number}")


@click.command()
@click.argument("lab")
@click.option("--task", help="Put back only this task (its id or number): its files, and what they are about.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cluster_option
def reset(lab: str, task: str | None, yes: bool, cluster: str | None) -> None:
    """Put LAB back to its start, namespace included (your old files are kept aside)."""
    from kindlab import labs, workspace

    found, status = labs.mine(lab), base.ready(cluster)
    found = found.under(status.prefix)
    if task is not None:
        _reset_task(found, found.task(task), status.api(), yes=yes)
        return
    if not yes and sys.stdin.isatty():
        beside = f" and your {', '.join(found.cluster_kinds)} named {found.prefix}..." if found.cluster_kinds else ""
        click.confirm(f"Delete everything in namespace {found.namespace}{beside} and begin again?", abort=True)
    with terminal.steps() as step:
        step(f"resetting {found.slug}")
        done, aside = workspace.reset(found, status.api())
    terminal.started(found.title, done)
    if aside is not None:
        click.echo(f"Your old files: {terminal.path(aside)}")


def _reset_task(lab: Lab, task: Task, api: Api, *, yes: bool) -> None:
    from kindlab import resetting

    planned = resetting.plan(lab, api, task)
    if not yes and not sys.stdin.isatty():
        resetting.refuse_shared(planned)
    elif not yes:
        for name, tasks in planned.shared.items():
            click.echo(f"{name} is also the file of {', '.join(tasks)}: what you did for that goes back too.", err=True)
        click.confirm(f"Put {', '.join(task.files)} and what they are about back to the start?", abort=True, err=True)
    with terminal.steps() as step:
        step(f"resetting {task.id}")
        done = resetting.carry_out(planned, api)
    for line in done.lines():
        click.echo(terminal.harmless(line))


def _watch(lab: Lab, cluster: str | None, *, applying: bool) -> int:
    from kindlab import exam
    from kindlab.watching import screen

    exam.refuse("Nothing can be watched")
    return screen.follow(lab, cluster, applying=applying)


def _grade(lab: Lab, cluster: str | None, only: str | None = None, *, as_json: bool = False) -> Report:
    """Grade on the cluster in use. Without one: Problem, or under `as_json` a report that says so."""
    from kindlab.grading import runner

    try:
        status = base.ready(cluster)
        with terminal.steps(quiet=as_json) as step:
            step(f"checking {lab.slug}")
            return runner.grade(lab, status.api(), cluster=status.name, only=only)
    except Problem as problem:
        if not as_json or isinstance(problem, UsageProblem):
            raise
        return runner.not_graded(lab, problem, only=only)
