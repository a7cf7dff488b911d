"""A learner's commands on a lab."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import cluster_option, json_option
from kindlab.errors import FAILED, Problem, UsageProblem

if TYPE_CHECKING:
    from kindlab.api import Api
    from kindlab.grading.outcome import Report
    from kindlab.labs import Lab, Task
    from kindlab.needs import Wanting

SOON = 8.0
"""Seconds that a list of labs waits for its cluster."""


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show the labs and how far you are."""
    from kindlab import labs, progress
    from kindlab.soon import within

    done, every = progress.load(), labs.all_labs()
    away = within(SOON, partial(_not_here, base.active(), every)) or {}
    rows: list[dict[str, Any]] = [
        {
            "slug": lab.slug,
            "title": lab.title,
            "minutes": lab.minutes,
            "kcna": list(lab.kcna),
            "points": done.get(lab.slug, {}).get("points", 0),
            "max_points": lab.max_points,
            "started": bool(done.get(lab.slug)),
            "not_here": {task: one.why for task, one in away.get(lab.slug, {}).items()},
        }
        for lab in every
    ]
    if as_json:
        click.echo(json.dumps({"labs": rows}))
        return
    if not rows:
        click.echo("There are no labs here yet. kindlab new SLUG begins one.")
    for row in rows:
        points = f"{row['points']}/{row['max_points']} points" if row["started"] else "not started"
        click.echo(f"{row['slug']:<24} {row['minutes']:>3} min  {points:<14} {row['title']}")
        click.echo(f"{'':<24}          KCNA: {_by_domain(row['kcna'])}")
        if lacking := away.get(row["slug"]):
            terminal.styled(f"{'':<24}          {_away(row['slug'], lacking)}", fg="yellow")
    if away:
        click.echo("\nkindlab can shows what this cluster can do, and how to get what it lacks.")


def _not_here(cluster: base.Provider, every: list[Lab]) -> dict[str, dict[str, Wanting]]:
    """Lab -> its tasks that cannot be done on that cluster; empty when it is not up, or goes away meanwhile."""
    from kindlab.api import ApiError

    try:
        status = cluster.status()
        if not status.ready:
            return {}
        from kindlab.needs import overview  # only now: without a cluster nobody waits for these modules

        return overview.away(status, every)
    except (Problem, ApiError):
        return {}


def _away(slug: str, lacking: dict[str, Wanting]) -> str:
    """What cannot be done on the cluster in use, in a line."""
    from kindlab import labs
    from kindlab.needs import grouped

    if len(lacking) == len(labs.find(slug).tasks):
        return f"Not on this cluster: it needs {', '.join(dict.fromkeys(w for one in lacking.values() for w in one))}"
    parts = (f"{', '.join(tasks)} (needs {', '.join(one)})" for tasks, one in grouped(lacking))
    return f"Not on this cluster: {'; '.join(parts)}"


def _by_domain(tags: list[str]) -> str:
    """`domain: competency` tags with each domain once: `Container Orchestration (Networking, Storage)`."""
    domains: dict[str, list[str]] = {}
    for tag in tags:
        domain, _, competency = tag.partition(": ")
        domains.setdefault(domain, []).append(competency)
    return ", ".join(f"{domain} ({', '.join(found)})" if any(found) else domain for domain, found in domains.items())


@click.command()
@click.argument("lab")
@cluster_option
def start(lab: str, cluster: str | None) -> None:
    """Begin LAB: your files, its namespace, what it starts from."""
    from kindlab import addons, labs, progress, workspace
    from kindlab.needs import shared

    found, status = labs.find(lab), base.ready(cluster)
    found = found.under(status.prefix)
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
    click.echo(f"When you have changed something: kindlab check {found.number}")


@click.command()
@click.argument("lab", required=False)
@click.option("--task", help="Check only this task (its id or number).")
@cluster_option
@json_option
def check(lab: str | None, task: str | None, cluster: str | None, as_json: bool) -> int:
    """Grade LAB by what the live cluster does (default: the lab you checked or started last)."""
    from kindlab import labs, progress
    from kindlab.needs import shared

    found = labs.find(lab or progress.latest()).under(base.prefix(cluster))
    only = found.task(task).id if task else None
    report = _grade(found, cluster, only, as_json=as_json)
    if as_json:
        click.echo(json.dumps(report.to_json()))
    else:
        terminal.report(report)
        if report.exit_code == FAILED and (note := shared.said(found)):
            click.echo(note)
        if report.exit_code == 0 and report.points == report.max_points and only is None and found.debrief:
            click.echo()
            click.echo(found.debrief.strip())
    if only is None:
        _keep(report)
    return report.exit_code


@click.command()
@click.argument("lab")
@click.argument("task")
def hint(lab: str, task: str) -> None:
    """The next hint for a TASK of LAB (its id or number); never the answer."""
    from kindlab import labs, progress

    found = labs.find(lab).under(base.prefix())
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
    from kindlab import labs, workspace

    found = labs.find(lab)
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

    found, status = labs.find(lab), base.ready(cluster)
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
    if not yes and (planned.shared or sys.stdin.isatty()):
        for name, tasks in planned.shared.items():
            click.echo(f"{name} is also the file of {', '.join(tasks)}: what you did for that goes back too.", err=True)
        if not sys.stdin.isatty():
            raise UsageProblem(
                "Nothing was put back.", "Other tasks are done in the same file.", "If that is what you want: --yes"
            )
        click.confirm(f"Put {', '.join(task.files)} and what they are about back to the start?", abort=True, err=True)
    with terminal.steps() as step:
        step(f"resetting {task.id}")
        done = resetting.carry_out(planned, api)
    click.echo(f"{task.title}\n  back to the start: {', '.join(done.files)}")
    for label, names in (
        ("removed from the cluster", done.removed),
        ("put there as the lab starts", done.put),
        ("could not be read, so only the lab's own names are gone", done.unread),
        ("still there, under names of your own", done.others),
    ):
        if names:
            click.echo(f"  {label}: {terminal.harmless(', '.join(names))}")
    if done.aside is not None:
        click.echo(f"Your old files: {terminal.path(done.aside)}")


def _keep(report: Report) -> None:
    """Write progress down; what was graded stands even when that fails."""
    from kindlab import progress
    from kindlab.cli import explain

    try:
        progress.checked(report)
    except (Problem, OSError) as error:
        click.echo("\nThis result could not be written to your progress:", err=True)
        terminal.problem(error if isinstance(error, Problem) else explain(error))


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
