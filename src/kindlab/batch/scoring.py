"""What makes points grades: a grading, the policy and what was adjusted by hand become what all reports are written
from. Nothing here asks a cluster or a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import NamedTuple

from kindlab.batch.adjustments import Adjustment
from kindlab.batch.graded import Graded
from kindlab.batch.policy import Late, Policy, TaskPolicy
from kindlab.grading.outcome import Outcome, TaskResult, overall
from kindlab.labs import Lab

_ROUNDED = {"half-up": ROUND_HALF_UP, "up": ROUND_CEILING, "down": ROUND_FLOOR}


@dataclass(frozen=True)
class ScoredTask:
    """A task with the points it counts, after weight and scale. `visibility`: visible, hidden, after_due_date or
    after_published; a task that cannot be done on the cluster (`result.not_here`) counts nothing, of nothing."""

    result: TaskResult
    points: float
    max_points: float
    weight: float = 1.0
    extra: bool = False
    """Its points come on top: they are not in the whole's `max_points`."""
    visibility: str = "visible"
    outcome: Outcome = Outcome.PASSED
    """COULD_NOT_GRADE also where only some of its checks could not be graded and its points hang on them."""
    checks: Mapping[str, str] = field(default_factory=dict)
    """Check -> its visibility, for every check of `result`."""


@dataclass(frozen=True)
class Scored:
    """One student's grade. Where `outcome` is COULD_NOT_GRADE there is none (`has_grade`): `points` and `percent` are
    then what could be graded so far, and no report shows them as a grade."""

    graded: Graded
    tasks: list[ScoredTask]
    points: float
    """After lateness and adjustment; never below 0, never above `max_points` and what extra credit could give."""
    max_points: float
    percent: float
    """Of `max_points`; above 100 with extra credit."""
    passed: bool | None
    """None without a pass mark, or without a grade."""
    late_days: int
    """Days begun after it was due; 0 in time or within the grace."""
    penalty: float
    """Points taken for lateness, 0 or more."""
    adjustment: float
    """Points given (or taken) by hand, as many as were applied."""
    adjustment_reason: str
    extra: float
    """Points earned in tasks of extra credit, before lateness."""
    outcome: Outcome
    remarks: tuple[str, ...] = ()
    """What made the grade other than the sum of its tasks, each a sentence for the student."""

    @property
    def has_grade(self) -> bool:
        return self.outcome is not Outcome.COULD_NOT_GRADE

    @property
    def earned(self) -> float:
        """The points of all tasks, extra credit included, before lateness and adjustment."""
        return _rounded(sum(task.points for task in self.tasks), 4)


def scored(graded: Graded, lab: Lab, policy: Policy | None = None, adjustment: Adjustment | None = None) -> Scored:
    """The grade that this makes. Tasks come as the report has them."""
    policy = policy or Policy()
    rows = _rows(graded, policy)
    tasks = _tasks(rows, lab, policy)
    whole = sum(row.max_points for row in rows if not row.rule.extra_credit)
    max_points = _rounded(whole, policy.decimals, policy.rounding)  # as points are, so that all of them are 100 percent
    most = sum(row.max_points for row in rows)
    earned = sum(row.points for row in rows)
    extra = sum(row.points for row in rows if row.rule.extra_credit)
    days = late_days(graded.submitted, policy.late)
    penalty = min(earned, earned * _late_percent(days, policy.late) / 100)
    remarks = _late_remarks(graded, policy.late, days)
    by_hand = adjustment.points + adjustment.percent * whole / 100 if adjustment else 0.0
    points = _rounded(max(0.0, min(most, earned - penalty + by_hand)), policy.decimals, policy.rounding)
    outcome = _outcome(graded, tasks)
    percent = _rounded(100 * points / max_points, 2) if max_points else 0.0
    has_grade = outcome is not Outcome.COULD_NOT_GRADE
    return Scored(
        graded=graded,
        tasks=tasks,
        points=points,
        max_points=max_points,
        percent=percent,
        passed=percent >= policy.pass_mark if has_grade and policy.pass_mark is not None else None,
        late_days=days,
        penalty=_rounded(penalty, policy.decimals),
        adjustment=_rounded(by_hand, policy.decimals),
        adjustment_reason=adjustment.reason if adjustment else "",
        extra=_rounded(extra, 4),
        outcome=outcome,
        remarks=tuple(remarks),
    )


def late_days(submitted: str, late: Late | None) -> int:
    """Days begun after it was due: 0 in time, within the grace, or when nobody knows when it was handed in. A day ends
    at the hour it was due, by the clock on the wall of that zone, however long the night between is."""
    moment = when(submitted)
    if late is None or moment is None or moment <= _utc(late.due) + timedelta(minutes=late.grace_minutes):
        return 0
    days = max(0, (moment - _utc(late.due)).days - 1)
    while _utc(late.due + timedelta(days=days)) < moment:
        days += 1
    return days


def when(submitted: str) -> datetime | None:
    """The moment, in UTC; None where the text says none, or not in which time zone."""
    try:
        moment = datetime.fromisoformat(submitted)
        return moment.astimezone(UTC) if moment.tzinfo and 1970 < moment.year < 9000 else None
    except ValueError:
        return None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _closed(days: int, late: Late) -> bool:
    return late.closes_after_days is not None and days > late.closes_after_days


def _late_percent(days: int, late: Late | None) -> float:
    if late is None or days == 0:
        return 0.0
    return 100.0 if _closed(days, late) else min(late.cap, late.penalty_per_day * days)


def _late_remarks(graded: Graded, late: Late | None, days: int) -> list[str]:
    if late is None:
        return []
    if when(graded.submitted) is None:
        return ["Nothing says when it was handed in, so it counts as in time."] if graded.report.points else []
    if days == 0:
        return []
    spoken = "1 day" if days == 1 else f"{days} days"
    if _closed(days, late):
        return [f"Handed in {spoken} late, after it had closed: it gets no points."]
    return [f"Handed in {spoken} late: {_late_percent(days, late):g}% of the points are taken."]


class _Row(NamedTuple):
    """A task with what it counts, not rounded: three thirds are a whole."""

    result: TaskResult
    rule: TaskPolicy
    points: float
    max_points: float


def _rows(graded: Graded, policy: Policy) -> list[_Row]:
    rules = [(result, policy.tasks.get(result.id, TaskPolicy())) for result in graded.report.tasks]
    whole = sum(r.max_points * p.weight for r, p in rules if not p.extra_credit and not r.not_here)
    factor = policy.scale / whole if policy.scale is not None and whole else 1.0
    each = ((result, rule, 0.0 if result.not_here else rule.weight * factor) for result, rule in rules)
    return [_Row(result, rule, result.points * worth, result.max_points * worth) for result, rule, worth in each]


def _tasks(rows: list[_Row], lab: Lab, policy: Policy) -> list[ScoredTask]:
    partial = {task.id: task.partial for task in lab.tasks}
    return [
        ScoredTask(
            result=result,
            points=_rounded(points, 4),
            max_points=_rounded(max_points, 4),
            weight=rule.weight,
            extra=rule.extra_credit,
            visibility=rule.visibility,
            outcome=_task_outcome(result, partial.get(result.id, False)),
            checks={c.name: policy.checks.get(c.name.partition("[")[0], rule.visibility) for c in result.checks},
        )
        for result, rule, points, max_points in rows
    ]


def _task_outcome(result: TaskResult, partial: bool) -> Outcome:
    """One failed check decides a task of all or nothing; of a partial one every check counts its share."""
    if partial and any(check.outcome is Outcome.COULD_NOT_GRADE for check in result.checks):
        return Outcome.COULD_NOT_GRADE
    return result.outcome


def _outcome(graded: Graded, tasks: list[ScoredTask]) -> Outcome:
    """COULD_NOT_GRADE as soon as a task that counts could not be graded: what is missing may be the student's. Of one
    that counts nothing nothing is missing, whatever the others came to."""
    counted = [task.outcome for task in tasks if not task.result.not_here and task.weight]
    if Outcome.COULD_NOT_GRADE in counted:
        return Outcome.COULD_NOT_GRADE
    return overall(counted) if counted else graded.report.outcome


def _rounded(number: float, decimals: int, how: str = "half-up") -> float:
    """By the number as it is written (2.675 is no 2.67499...)."""
    step = Decimal(1).scaleb(-decimals)
    return float(Decimal(repr(round(number, 9))).quantize(step, rounding=_ROUNDED[how]))
