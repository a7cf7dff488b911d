"""Two runs of one lab side by side: after a grader was mended, or a policy was changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kindlab import labs
from kindlab.batch import store as stores
from kindlab.batch import summary, writing
from kindlab.batch.scoring import Scored
from kindlab.errors import UsageProblem

NO_GRADE = "no grade"
MISSING = "not there"


@dataclass(frozen=True)
class Flip:
    """A check with another verdict. `before` and `after` are outcomes, or "not there"."""

    task: str
    check: str
    before: str
    after: str
    seen: str = ""
    """What it saw, in the run in which it did not pass."""


@dataclass(frozen=True)
class Changed:
    """A submission about which the runs differ. None: it has no grade there; `points` of the tasks that differ."""

    id: str
    student: str
    before: float | None
    after: float | None
    tasks: dict[str, tuple[float | None, float | None]]
    flips: list[Flip]
    files: bool = False
    """Whether what was handed in is not the same."""

    @property
    def only_weighed(self) -> bool:
        """Whether verdicts and grade are the same, and only what the tasks count is not."""
        return self.before == self.after and not self.flips and not self.files

    def __str__(self) -> str:
        return f"{_who(self)}: {_number(self.before)} → {_number(self.after)}"


@dataclass(frozen=True)
class Compared:
    lab: str
    changed: list[Changed]
    only_before: list[str]
    only_after: list[str]
    submissions: int
    """In both."""

    @property
    def same(self) -> bool:
        return not (self.changed or self.only_before or self.only_after)

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, "same": self.same, **asdict(self)}

    def lines(self) -> Iterator[str]:
        weighed = [one for one in self.changed if one.only_weighed]
        for one in self.changed:
            if one.only_weighed:
                continue
            yield str(one) + ("  (other files were handed in)" if one.files else "")
            for task, (before, after) in one.tasks.items():
                yield f"  {task}: {_number(before)} → {_number(after)}"
            for flip in one.flips:
                yield f"  {flip.task}, {flip.check}: {flip.before} → {flip.after}"
                if flip.seen:
                    yield f"    {' '.join(flip.seen.split())}"
        for which, ids in (("first", self.only_before), ("second", self.only_after)):
            if ids:
                yield f"Only in the {which} run: {', '.join(ids)}"
        if weighed:
            yield f"Other points for tasks by another policy, and the same grade: {', '.join(map(_who, weighed))}"
        more, less = (sum(_sign(one) == sign for one in self.changed) for sign in (1, -1))
        once = sum((one.before is None) != (one.after is None) for one in self.changed)
        equal = self.submissions - more - less - once
        said = f"{more} got more, {less} less, {equal} the same" + (f", {once} a grade in one only" if once else "")
        yield f"{summary.counted(self.submissions)} in both: {said}."


def compared(before: Path, after: Path) -> Compared:
    """What differs between the runs in two folders. Raises UsageProblem for runs of two labs."""
    runs = [_loaded(folder) for folder in (before, after)]
    (lab, first), (other, second) = runs
    if lab != other:
        raise UsageProblem(
            f"The runs are of two labs: {lab} and {other}.", "Their tasks are not the same.", "Name runs of one lab."
        )
    both = sorted(first.keys() & second.keys())
    changed = [one for one in (_changed(first[who], second[who]) for who in both) if one is not None]
    return Compared(lab, changed, sorted(first.keys() - second.keys()), sorted(second.keys() - first.keys()), len(both))


def _loaded(folder: Path) -> tuple[str, dict[str, Scored]]:
    run = stores.looked_at(folder)
    lab = labs.find(run.run.lab)
    return lab.slug, {one.graded.id: one for one in writing.all_scored(run, lab)}


def _changed(before: Scored, after: Scored) -> Changed | None:
    tasks = {name: pair for name, pair in _pairs(_points(before), _points(after)) if pair[0] != pair[1]}
    flips = [
        Flip(task, check, old, new, _seen(after if new != "passed" else before, check))
        for (task, check), (old, new) in _pairs(_verdicts(before), _verdicts(after), MISSING)
        if old != new
    ]
    grades = (before.points if before.has_grade else None, after.points if after.has_grade else None)
    if not tasks and not flips and grades[0] == grades[1]:
        return None
    files = before.graded.versions.get("submission") != after.graded.versions.get("submission")
    return Changed(after.graded.id, after.graded.student, *grades, tasks, flips, files)


def _pairs(before: dict[Any, Any], after: dict[Any, Any], missing: Any = None) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    for key in dict.fromkeys((*before, *after)):
        yield key, (before.get(key, missing), after.get(key, missing))


def _points(one: Scored) -> dict[str, float | None]:
    return {t.result.id: None if t.outcome.value == "could-not-grade" else t.points for t in one.tasks}


def _verdicts(one: Scored) -> dict[tuple[str, str], str]:
    return {(t.result.id, check.name): check.outcome.value for t in one.tasks for check in t.result.checks}


def _seen(one: Scored, name: str) -> str:
    return next((c.seen for t in one.tasks for c in t.result.checks if c.name == name), "")


def _who(one: Changed) -> str:
    return f"{one.student} ({one.id})"


def _sign(one: Changed) -> int:
    before, after = one.before, one.after
    if before is None or after is None:
        return 0
    return (after > before) - (after < before)


def _number(points: float | None) -> str:
    return NO_GRADE if points is None else f"{points:g}"
