"""What grading finds: three outcomes, and for each check what was expected, what was seen, which hop is broken
first and what to try next. These are plain data: every report format is written from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any, TypeVar

from kindlab.errors import COULD_NOT_GRADE, FAILED, PASSED

T = TypeVar("T")


class Outcome(Enum):
    """COULD_NOT_GRADE is ours or the cluster's fault: never a zero for the learner."""

    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_GRADE = "could-not-grade"


@dataclass
class CheckResult:
    """One check of a task. `sentence` is what it verifies; the others are empty when it passed."""

    name: str
    task: str
    sentence: str
    outcome: Outcome
    expected: str = ""
    seen: str = ""
    broken_hop: str = ""
    next: str = ""
    seconds: float = 0.0
    hidden: bool = False
    """A learner is shown its sentence and nothing of what was found (`shown`); an instructor may be shown the rest."""

    @property
    def shown(self) -> CheckResult:
        """What a learner may see of it. Why it could not be graded is no secret."""
        if not self.hidden or self.outcome is Outcome.COULD_NOT_GRADE:
            return self
        return replace(self, expected="", seen="", broken_hop="", next="")


@dataclass
class TaskResult:
    """A task's points are all or nothing, every check of it passed or 0; in a `partial` task of lab.toml each check
    that passed counts its share."""

    id: str
    title: str
    points: int
    max_points: int
    outcome: Outcome
    checks: list[CheckResult] = field(default_factory=list)
    not_here: str = ""
    """Why it cannot be done on this cluster: then nothing was checked, and its points do not count for the whole."""
    how_to_get: str = ""
    """What would bring what it needs."""

    @property
    def first_failure(self) -> CheckResult | None:
        """The check to show first, as a learner may see it: of those that failed, else of those that could not be
        graded, the first."""
        undone = [c for c in self.checks if c.outcome is not Outcome.PASSED]
        undone.sort(key=lambda c: c.outcome is not Outcome.FAILED)
        return undone[0].shown if undone else None

    @property
    def shares(self) -> str:
        """How many checks counted, where each counts its share; "" where it is all or nothing, or nothing counted."""
        if not self.points or self.outcome is Outcome.PASSED:
            return ""
        passed = sum(c.outcome is Outcome.PASSED for c in self.checks)
        return f"{passed} of {len(self.checks)} checks passed; each counts its share, rounded down to whole points"


@dataclass
class Report:
    """One grading of one lab. Tasks that cannot be done on the cluster (`not_here`) count neither in `outcome` nor in
    `max_points`."""

    lab: str
    outcome: Outcome
    points: int
    max_points: int
    tasks: list[TaskResult]
    cluster: str = ""
    seconds: float = 0.0
    problem: str = ""
    """Why it could not grade, when the whole grading failed."""

    @property
    def points_not_here(self) -> int:
        """The points of the tasks that cannot be done on the cluster."""
        return sum(task.max_points for task in self.tasks if task.not_here)

    @property
    def score(self) -> str:
        """In words: never a plain full score where a part of the lab was left out, never a plain zero for what was
        not graded."""
        away, unsure = self.points_not_here, self.points_not_graded
        more = f"; {unsure} could not be graded" if unsure else ""
        more += f"; {away} more cannot be had on this cluster" if away else ""
        return f"{self.points} of {self.max_points} points{more}"

    @property
    def points_not_graded(self) -> int:
        """The points of the tasks about which nothing is known: neither given nor refused."""
        unsure = (t for t in self.tasks if t.outcome is Outcome.COULD_NOT_GRADE and not t.not_here)
        return sum(task.max_points - task.points for task in unsure)

    @property
    def exit_code(self) -> int:
        """What `kindlab check` exits with."""
        return {Outcome.PASSED: PASSED, Outcome.FAILED: FAILED}.get(self.outcome, COULD_NOT_GRADE)

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        """The stable, documented shape of `kindlab check --json` (docs/cli.md). `whole`: with what hidden checks found,
        which is for an instructor's files only."""
        data = asdict(self)
        data["outcome"] = self.outcome.value
        data["points_not_here"] = self.points_not_here
        for task, row in zip(self.tasks, data["tasks"], strict=True):
            failure = task.first_failure
            row["outcome"] = task.outcome.value
            for key in ("expected", "seen", "broken_hop", "next"):
                row[key] = getattr(failure, key) if failure else ""
            row["next"] = row.pop("how_to_get") or row["next"]
            for check, entry in zip(task.checks, row["checks"], strict=True):
                if not whole:
                    entry.update(asdict(check.shown))
                entry["outcome"] = check.outcome.value
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Report:
        """What to_json made. Raises ValueError, KeyError, TypeError for anything else."""
        return _made(cls, {**data, "tasks": [_task(task) for task in data["tasks"]]})


def _task(row: dict[str, Any]) -> TaskResult:
    how = row["next"] if row["not_here"] else ""
    return _made(
        TaskResult, {**row, "checks": [_made(CheckResult, check) for check in row["checks"]], "how_to_get": how}
    )


def _made(kind: type[T], row: dict[str, Any]) -> T:
    """Of those fields of a row that the dataclass has; its `outcome` is there as a word."""
    fields = {key: row[key] for key in kind.__dataclass_fields__ if key in row}  # type: ignore[attr-defined]
    return kind(**{**fields, "outcome": Outcome(row["outcome"])})


def total(tasks: Iterable[TaskResult]) -> int:
    """The points that could be had."""
    return sum(task.max_points for task in tasks if not task.not_here)


def combined(old: Report, new: Report) -> Report:
    """The new report with those tasks of the old one that it says nothing of; in the old one's order."""
    again = {task.id: task for task in new.tasks}
    tasks = [again.pop(task.id, task) for task in old.tasks] + list(again.values())
    outcome = overall([task.outcome for task in tasks if not task.not_here])
    return replace(new, outcome=outcome, points=sum(t.points for t in tasks), max_points=total(tasks), tasks=tasks)


def overall(outcomes: list[Outcome]) -> Outcome:
    """Failed if anything failed; else could-not-grade if anything could not be graded; else passed."""
    if Outcome.FAILED in outcomes:
        return Outcome.FAILED
    if Outcome.COULD_NOT_GRADE in outcomes or not outcomes:
        return Outcome.COULD_NOT_GRADE
    return Outcome.PASSED
