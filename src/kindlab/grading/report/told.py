"""What a student is told of their grading: the one place that applies visibility, for every report a student reads.

A task has one of Gradescope's four visibilities. `visible` is shown; `hidden` never is; `after_due_date` and
`after_published` are shown when the caller says that this has come. Where a task is not shown the total is not either:
it would give away what the task brought. Of a check that is not shown, in a task that is, the sentence stays: what was
checked, and neither how it went nor why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kindlab.errors import in_a_line
from kindlab.grading.outcome import CheckResult, Outcome

if TYPE_CHECKING:
    from kindlab.batch.scoring import Scored, ScoredTask

VISIBLE, AFTER_DUE_DATE, AFTER_PUBLISHED = "visible", "after_due_date", "after_published"
LATER = {AFTER_DUE_DATE: "after the due date", AFTER_PUBLISHED: "when the grades are published"}
NOT_SHOWN = "what it found is not shown"
MARKS: dict[Outcome | None, str] = {
    Outcome.PASSED: "✔",
    Outcome.FAILED: "✘",
    Outcome.COULD_NOT_GRADE: "?",
    None: "·",
}
"""One letter for each outcome; None is one that is not shown."""


@dataclass(frozen=True)
class ToldCheck:
    """A check as it may be shown. `outcome` is None and the texts are empty where that is not shown; the texts are
    empty where it passed, too."""

    sentence: str
    outcome: Outcome | None
    expected: str = ""
    seen: str = ""
    broken_hop: str = ""
    next: str = ""
    seconds: float = 0.0

    @property
    def rows(self) -> list[tuple[str, str]]:
        """(label, text) of what is known beside the sentence, in the order it is read."""
        labels = (
            ("expected", self.expected),
            ("seen", self.seen),
            ("broken hop", self.broken_hop),
            ("next", self.next),
        )
        return [(label, text) for label, text in labels if text]


@dataclass(frozen=True)
class ToldTask:
    """A task that is shown. `points` is None where it could not be graded, or cannot be done: that is not 0."""

    id: str
    title: str
    points: float | None
    max_points: float
    outcome: Outcome
    extra: bool
    visibility: str
    checks: tuple[ToldCheck, ...]
    shares: str = ""
    not_here: str = ""
    how_to_get: str = ""

    @property
    def score(self) -> str:
        return number(None) if self.not_here else f"{number(self.points)} / {number(self.max_points)}"


def tasks(scored: Scored, released: Collection[str] = ()) -> list[ToldTask]:
    """The tasks a student may see. `released`: which of `after_due_date` and `after_published` have come."""
    return [task(one, released) for one in scored.tasks if is_shown(one.visibility, released)]


def task(one: ScoredTask, released: Collection[str] = ()) -> ToldTask:
    """One task, whatever its own visibility is, with what may be shown of its checks."""
    result = one.result
    return ToldTask(
        id=result.id,
        title=result.title,
        points=None if one.outcome is Outcome.COULD_NOT_GRADE else one.points,
        max_points=one.max_points,
        outcome=one.outcome,
        extra=one.extra,
        visibility=one.visibility,
        checks=tuple(check(found, of_check(one, found), released) for found in result.checks),
        shares=result.shares,
        not_here=result.not_here,
        how_to_get=result.how_to_get,
    )


def of_check(one: ScoredTask, found: CheckResult) -> str:
    """The visibility of a check beside its task's: one that is as hidden as its task is shown with it."""
    visibility = one.checks.get(found.name, one.visibility)
    return VISIBLE if visibility == one.visibility else visibility


def check(found: CheckResult, visibility: str, released: Collection[str] = ()) -> ToldCheck:
    if not is_shown(visibility, released):
        return ToldCheck(found.sentence, None)
    found = found.shown  # a check that the lab's author hides tells whether it passed, whatever the policy says
    return ToldCheck(
        sentence=found.sentence,
        outcome=found.outcome,
        expected=found.expected,
        seen=found.seen,
        broken_hop=found.broken_hop,
        next=found.next,
        seconds=found.seconds,
    )


def is_shown(visibility: str, released: Collection[str] = ()) -> bool:
    return visibility == VISIBLE or (visibility in LATER and visibility in released)


def whole(scored: Scored, released: Collection[str] = ()) -> bool:
    """Whether all tasks are shown, and with them the total."""
    return all(is_shown(one.visibility, released) for one in scored.tasks)


def withheld(scored: Scored, released: Collection[str] = ()) -> str:
    """A sentence about the tasks that are not shown; "" where all are."""
    missing = [one.visibility for one in scored.tasks if not is_shown(one.visibility, released)]
    if not missing:
        return ""
    count = "One task is" if len(missing) == 1 else f"{len(missing)} tasks are"
    when = dict.fromkeys(LATER[visibility] for visibility in missing if visibility in LATER)
    later = f" More is shown {' and '.join(when)}." if when else ""
    return f"{count} not shown here, so the total is not either.{later}"


def grade(scored: Scored, released: Collection[str] = ()) -> str:
    """The grade in words, or why there is none to be said."""
    if not scored.has_grade:
        return "could not be graded"
    if not whole(scored, released):
        return "not shown yet"
    passed = {True: ", passed", False: ", not passed", None: ""}[scored.passed]
    return f"{number(scored.points)} of {number(scored.max_points)} points ({number(scored.percent)}%){passed}"


def arithmetic(scored: Scored, released: Collection[str] = ()) -> list[tuple[str, str]]:
    """(what, points) from the tasks' points to the grade; empty where there is no grade to show, or nothing happened
    on the way."""
    if not scored.has_grade or not whole(scored, released):
        return []
    steps: list[tuple[str, float]] = []
    if scored.penalty:
        days = "1 day" if scored.late_days == 1 else f"{scored.late_days} days"
        steps.append((f"handed in {days} late", -scored.penalty))
    if scored.adjustment:
        because = f": {scored.adjustment_reason}" if scored.adjustment_reason else ""
        steps.append((f"adjusted by hand{because}", scored.adjustment))
    rest = scored.points - scored.earned - sum(points for _, points in steps)
    if abs(rest) >= 0.005:
        steps.append(("rounded, and kept between 0 and what can be had", rest))
    if not steps and not scored.extra:
        return []
    extra = f", {number(scored.extra)} of them extra credit" if scored.extra else ""
    lines = [(f"points of the tasks{extra}", number(scored.earned))]
    lines += [(what, f"{'+' if points > 0 else '−'}{number(abs(points))}") for what, points in steps]
    return [*lines, ("grade", f"{number(scored.points)} of {number(scored.max_points)}")]


def remarks(scored: Scored, released: Collection[str] = ()) -> list[str]:
    """Sentences to the student about the whole: what could not be graded and is no zero, lateness, what is withheld."""
    said = list(scored.remarks)
    if not scored.has_grade:
        said.insert(0, "This could not be graded. That is no zero: there is no grade until it is graded again.")
    return [*said, *filter(None, [withheld(scored, released)])]


def why_not(scored: Scored) -> str:
    """Why there is no grade, in a line; no secret of any task."""
    if scored.graded.report.problem:
        return in_a_line(scored.graded.report.problem)
    tasks: dict[str, list[str]] = {}
    for one in scored.tasks:
        if one.outcome is Outcome.COULD_NOT_GRADE and one.weight and not one.result.not_here:
            why = in_a_line(stuck(one.result.checks)) or "nothing was checked"
            tasks.setdefault(why, []).append(one.result.id)
    said = (f"task{'s' * (len(ids) > 1)} {', '.join(ids)}: {why}" for why, ids in tasks.items())
    return "; ".join(said) or "nothing says why"


def stuck(checks: Iterable[CheckResult | ToldCheck]) -> str:
    """What stood in the way of the first that could not be graded; "" where that is none of these."""
    found = [check for check in checks if check.outcome is Outcome.COULD_NOT_GRADE]
    return next((check.seen for check in found if check.seen), found[0].sentence if found else "")


def problem_heading(scored: Scored) -> str:
    """Above what the report's problem is. One with a grade is of a submission that cannot be used at all, which is the
    student's to answer for."""
    return "Why there are no points" if scored.has_grade else "Why it could not be graded"


def moment(text: str) -> str:
    """A time as people read it, to the minute and with its zone; as it is where it is none."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".rstrip()


def number(value: float | None) -> str:
    """Points as people write them: two places at most, and none where there are none; a dash for no value."""
    if value is None:
        return "–"
    return f"{value:.2f}".rstrip("0").rstrip(".")
