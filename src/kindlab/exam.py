"""Exam mode: a lab without help. Until its end `check` says only which tasks it looked at; no verdict, no reason, no
hint, no solution, as in the real exams. It is for practice: the state is in progress.toml, which is yours to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kindlab import progress
from kindlab.errors import UsageProblem
from kindlab.grading.outcome import Outcome, Report, TaskResult


@dataclass(frozen=True)
class Exam:
    """One that has begun and was not ended. `minutes`: how long it may take, 0 for as long as one likes."""

    slug: str
    started: datetime
    minutes: int

    @property
    def left(self) -> timedelta | None:
        """None without a limit; never less than nothing."""
        if not self.minutes:
            return None
        return max(timedelta(0), self.started + timedelta(minutes=self.minutes) - datetime.now(UTC))

    @property
    def is_over(self) -> bool:
        return self.left == timedelta(0)

    @property
    def clock(self) -> str:
        """How much time is left, in words."""
        if self.left is None:
            return "no limit of time"
        return "the time is up" if self.is_over else f"{_spoken(self.left)} left"


def begin(slug: str, minutes: int) -> Exam:
    """Begin one, or go on with the one of this lab; one whose time was up is begun anew. Raises UsageProblem while
    another lab's goes on."""
    refuse_another(slug)
    running = going_on()
    if running is not None:
        return running
    with progress.changing() as table:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        table.setdefault(slug, {})["exam"] = {"started": started, "minutes": minutes}
    return Exam(slug, datetime.fromisoformat(started), minutes)


def refuse_another(slug: str) -> None:
    """Raises UsageProblem while the exam of another lab goes on."""
    running = going_on()
    if running is not None and running.slug != slug:
        raise UsageProblem(
            f"The exam of {running.slug} is not over ({running.clock}).",
            "One at a time.",
            f"kindlab finish {running.slug.partition('-')[0]} ends it and shows its report.",
        )


def started(slug: str, minutes: int | None) -> list[str]:
    """What to say to who has started the lab, nothing where there is no exam of it. `minutes` begins one, or goes on
    with it: how long it may take, 0 for as long as one likes. Raises UsageProblem while another lab's goes on."""
    before = of(slug)
    running = begin(slug, minutes) if minutes is not None else before
    if running is None or running.is_over:
        return []
    if running == before:
        return [f"The exam of {slug} goes on: {running.clock}.", *_rules(slug)]
    allowed = f"you have {_spoken(timedelta(minutes=running.minutes))}" if running.minutes else running.clock
    return [f"The exam of {slug} begins now: {allowed}.", *_rules(slug)]


def _rules(slug: str) -> Iterator[str]:
    """What is different now."""
    number = slug.partition("-")[0]
    yield f"kindlab check {number} says which tasks it could look at, and no verdict; hint, why and solve say nothing."
    yield f"kindlab finish {number} ends it and shows the whole report. What was on the cluster before is still there:"
    yield f"kindlab reset {number} begins on a clean one."


def to_finish(slug: str = "") -> Exam:
    """The exam to end: of that lab, or the one there is; its time may be up. Raises UsageProblem when there is none."""
    for name in [slug] if slug else progress.load():
        if (found := of(name)) is not None:
            return found
    raise UsageProblem(
        f"There is no exam of {slug} to finish." if slug else "There is no exam to finish.",
        "None was begun, or it was finished before.",
        f"kindlab start {slug.partition('-')[0] or '01'} --exam begins one; kindlab check shows how you are doing.",
    )


def of(slug: str) -> Exam | None:
    """The lab's, also when its time is up; None where there is none that was not ended."""
    return _read(slug, progress.load().get(slug, {}))


def going_on() -> Exam | None:
    """The one that keeps help away now."""
    every = (_read(slug, lab) for slug, lab in progress.load().items())
    return next((exam for exam in every if exam is not None and not exam.is_over), None)


def end(slug: str) -> None:
    """Whoever ended it may look at everything again."""
    with progress.changing() as table:
        if "exam" in table.get(slug, {}):
            table[slug]["exam"]["ended"] = datetime.now(UTC).isoformat(timespec="seconds")


def refuse(what: str) -> None:
    """Raises UsageProblem while an exam goes on. `what` is the help that was asked for, as the beginning of a
    sentence."""
    running = going_on()
    if running is not None:
        raise UsageProblem(
            f"{what} in an exam.",
            f"You began the exam of {running.slug} at {running.started.astimezone():%H:%M} ({running.clock}).",
            f"kindlab finish {running.slug.partition('-')[0]} ends it and shows the whole report.",
        )


def lines(exam: Exam, report: Report) -> Iterator[tuple[str, str]]:
    """(line, style): what may be said of a grading before the end."""
    seen = sum(map(is_looked_at, report.tasks))
    yield f"{report.lab}, exam: {seen} of {len(report.tasks)} tasks looked at; {exam.clock}", "bold"
    if report.problem:
        yield from ((line, "yellow") for line in report.problem.splitlines())
    width = max((len(task.id) for task in report.tasks), default=0)
    for task in report.tasks if not report.problem else ():
        why = _why_not(task)
        yield f"  {'?' if why else '·'} {task.id:<{width}}  {why or 'looked at'}", "yellow" if why else ""
    yield f"What came of it is told at the end: kindlab finish {report.lab.partition('-')[0]}", ""


def to_json(exam: Exam, report: Report) -> dict[str, Any]:
    """What `kindlab check --json` says in an exam."""
    left = exam.left
    return {
        "lab": report.lab,
        "exam": {
            "started": exam.started.isoformat(),
            "minutes": exam.minutes,
            "seconds_left": None if left is None else int(left.total_seconds()),
        },
        "problem": report.problem,
        "tasks": [{"id": t.id, "looked_at": is_looked_at(t), "why_not": _why_not(t)} for t in report.tasks],
    }


def is_looked_at(task: TaskResult) -> bool:
    return bool(task.checks) and task.outcome is not Outcome.COULD_NOT_GRADE


def _why_not(task: TaskResult) -> str:
    """Why a task was not looked at: our fault or the cluster's, so no secret."""
    if is_looked_at(task):
        return ""
    unsure = next((c for c in task.checks if c.outcome is Outcome.COULD_NOT_GRADE), None)
    return task.not_here or (unsure.seen if unsure else "") or "it could not be graded"


def _read(slug: str, lab: dict[str, Any]) -> Exam | None:
    found = lab.get("exam", {})
    if not found or "ended" in found:
        return None
    return Exam(slug, datetime.fromisoformat(found["started"]), found["minutes"])


def _spoken(left: timedelta) -> str:
    seconds = int(left.total_seconds())
    if seconds < 120:
        return f"{seconds} seconds"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} minutes"
