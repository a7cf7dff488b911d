"""The report a learner reads in the terminal. Plain text in, markup only where a terminal shows it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from kindlab.grading.outcome import Outcome, Report, TaskResult
from kindlab.grading.report.told import MARKS

STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.COULD_NOT_GRADE: "yellow"}
WIDTH = 100


def lines(report: Report) -> Iterator[tuple[str, str]]:
    """(line, style) for the whole report; style is a rich style or empty."""
    on = f" on {report.cluster}" if report.cluster else ""
    if report.problem:  # nothing was graded: no list of tasks that looks like zeros
        yield f"{report.lab}{on}: could not be graded", "bold"
        yield "", ""
        yield from ((line, "yellow") for line in report.problem.splitlines())
        return
    yield f"{report.lab}{on}: {report.score}", "bold"
    yield "", ""
    width = max((len(t.id) for t in report.tasks), default=0)
    for task in report.tasks:
        if task.not_here:
            yield f"  – {task.id:<{width}}     –  {task.title}", "yellow"
            yield from _wrapped("not here", task.not_here)
            yield from _wrapped("to get it", task.how_to_get)
            continue
        yield (
            f"  {MARKS[task.outcome]} {task.id:<{width}}  {points(task):>2}/{task.max_points}  {task.title}",
            STYLES[task.outcome],
        )
        yield from evidence(task)
    yield "", ""
    yield from _ending(report)


def evidence(task: TaskResult) -> Iterator[tuple[str, str]]:
    """What was found of a task that did not pass; nothing of one that did."""
    failure = task.first_failure
    if failure is None:
        return
    labels = (
        ("checked", failure.sentence),
        ("expected", failure.expected),
        ("seen", failure.seen),
        ("broken hop", failure.broken_hop),
        ("next", failure.next),
        ("so far", task.shares),
    )
    for label, text in labels:
        if text:
            yield from _wrapped(label, text)


def _wrapped(label: str, text: str) -> Iterator[tuple[str, str]]:
    head = f"      {label:<11}"
    body = textwrap.wrap(text, WIDTH - len(head), break_long_words=False, break_on_hyphens=False) or [""]
    yield head + body[0], "" if label != "next" else "cyan"
    for more in body[1:]:
        yield " " * len(head) + more, "" if label != "next" else "cyan"


def _ending(report: Report) -> Iterator[tuple[str, str]]:
    away = sum(bool(t.not_here) for t in report.tasks)
    if away:
        yield f"{not_here(away)} The embedded cluster has everything: kindlab up --cluster pocket", "yellow"
    if report.outcome is Outcome.PASSED and away:
        yield "All others are done.", "bold green"
        return
    if report.outcome is Outcome.PASSED:
        yield "All tasks are done." if len(report.tasks) > 1 else "This task is done.", "bold green"
        return
    if report.points_not_graded:
        yield "Some checks could not be carried out (?): that costs no points. Check again.", "yellow"
    if failed := next((t for t in report.tasks if t.outcome is Outcome.FAILED), None):
        yield f"Stuck? kindlab hint {report.lab} {failed.id}", ""


def points(task: TaskResult) -> str:
    """What a task has brought; a question mark where that is not known, for a zero would look like a verdict."""
    return "?" if task.outcome is Outcome.COULD_NOT_GRADE and not task.points else str(task.points)


def not_here(tasks: int) -> str:
    """A sentence about so many tasks."""
    said = "One task cannot be done here and counts" if tasks == 1 else f"{tasks} tasks cannot be done here and count"
    return f"{said} for nothing (–)."


def render(report: Report) -> str:
    """The report without any markup."""
    return "\n".join(line for line, _ in lines(report))
