"""What a learner has done so far: `work/progress.toml`, readable and theirs.

One table a lab: when it was started, how often it was checked, the best points a task, the hints taken.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock

from kindlab import paths
from kindlab.errors import Problem, UsageProblem
from kindlab.grading.outcome import Report

HEADER = (
    "# What you have done so far. kindlab writes this file; you may read it, copy it, or delete it to begin again.\n\n"
)


def file() -> Path:
    return paths.work() / "progress.toml"


def load() -> dict[str, Any]:
    """The whole table; empty when there is none yet. Raises Problem when the file is damaged, leaving it alone."""
    try:
        table = tomllib.loads(file().read_text(encoding="utf-8"))
        for slug, lab in table.items():
            _refuse_damage(slug, lab)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        what = "valid TOML" if isinstance(error, tomllib.TOMLDecodeError | UnicodeError) else "what kindlab wrote"
        raise Problem(
            f"{file()} cannot be read.",
            f"It is not {what}: {error}.",
            "Mend it, or move it away: kindlab then begins a new one. Your labs are not touched.",
        ) from error
    return table


def _refuse_damage(slug: str, lab: Any) -> None:
    """Raises ValueError when a lab's table does not have the types it was written with."""
    if not isinstance(lab, dict):
        raise ValueError(f"{slug} is not a table")
    for kind, names in (
        (str, ("started", "last_start", "last_check")),
        (dict, ("best", "hints", "exam")),
        (list, ("passed",)),
        (int, ("attempts", "points")),
    ):
        for name in names:
            if not isinstance(lab.get(name, kind()), kind):
                raise ValueError(f"{name} of {slug} is {lab[name]!r}")
    for name in ("best", "hints"):
        for task, count in lab.get(name, {}).items():
            if not isinstance(count, int):
                raise ValueError(f"{name} of {slug}, {task}, is {count!r}")
    exam = lab.get("exam", {"minutes": 0, "started": _now()})
    if not isinstance(exam.get("minutes"), int) or datetime.fromisoformat(str(exam.get("started"))).tzinfo is None:
        raise ValueError(f"exam of {slug} is {exam!r}")


def started(slug: str) -> None:
    with changing() as table:
        lab = table.setdefault(slug, {})
        lab.setdefault("started", _now())
        lab["last_start"] = _now("microseconds")  # which lab came later is asked within a second, too


@dataclass(frozen=True)
class News:
    """What a check of a whole lab brought, beside its report. `attempt`: which one it was; `best`: the points of the
    best results of each task together; `passed` and `lost`: the tasks that pass now and did not last time, and those
    the other way round."""

    attempt: int
    best: int
    passed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        parts = [f"Check number {self.attempt}"]
        if self.attempt > 1:
            parts += [f"newly passed: {', '.join(self.passed)}"] if self.passed else []
            parts += [f"no longer passed: {', '.join(self.lost)}"] if self.lost else []
        return "; ".join((*parts, f"best so far: {self.best} points"))


def checked(report: Report, *, counts: bool = True) -> News | None:
    """Count an attempt (if it `counts` as one) and keep the best points of each task; a report that could not grade
    changes nothing (None)."""
    if report.outcome.name == "COULD_NOT_GRADE":
        return None
    with changing() as table:
        lab = table.setdefault(report.lab, {})
        lab["attempts"] = lab.get("attempts", 0) + (1 if counts else 0)
        lab["last_check"] = _now("microseconds")
        best = lab.setdefault("best", {})
        for task in (t for t in report.tasks if not t.not_here):
            best[task.id] = max(best.get(task.id, 0), task.points)
        before = [task for task in lab.get("passed", []) if isinstance(task, str)]
        outcomes = {task.id: task.outcome.name for task in report.tasks}
        unsure = [task for task in before if outcomes.get(task) == "COULD_NOT_GRADE"]
        lab["passed"] = [task for task, outcome in outcomes.items() if outcome == "PASSED" or task in unsure]
        lab["points"] = sum(best.values())
        lab["max_points"] = report.max_points + report.points_not_here
        lab.pop("not_here", None)
        if away := [task.id for task in report.tasks if task.not_here]:
            lab["not_here"] = away  # on the cluster of the last check
        elif report.points == report.max_points:
            lab.setdefault("finished", _now())
        return News(
            lab["attempts"],
            lab["points"],
            tuple(task for task in lab["passed"] if task not in before),
            tuple(task for task in before if task not in lab["passed"]),
        )


def latest() -> str:
    """The slug of the lab last started or checked. Raises UsageProblem when there is none."""
    found = latest_of(load())
    if not found:
        raise UsageProblem(
            "Which lab?", "You have not started one yet.", "kindlab list shows them; kindlab start 01 begins one."
        )
    return found


def latest_of(table: Mapping[str, Any]) -> str:
    """The same out of what was loaded; "" when there is none."""
    marks = ("started", "last_start", "last_check")
    stamps = {slug: max(str(lab.get(mark, "")) for mark in marks) for slug, lab in table.items()}
    return max(stamps, key=lambda slug: stamps[slug], default="")


def hints_taken(slug: str, task: str) -> int:
    return int(load().get(slug, {}).get("hints", {}).get(task, 0))


def hint_taken(slug: str, task: str) -> None:
    with changing() as table:
        hints = table.setdefault(slug, {}).setdefault("hints", {})
        hints[task] = hints.get(task, 0) + 1


class changing:
    """The table, to be changed in the block, and written back atomically, under a lock: a notebook and a terminal may
    both write."""

    def __enter__(self) -> dict[str, Any]:
        file().parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(file().with_name(".progress.lock"), timeout=10)
        self._lock.acquire()
        try:
            self._table = load()
        except BaseException:
            self._lock.release()
            raise
        return self._table

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                paths.write_atomically(file(), HEADER + tomli_w.dumps(self._table))
        finally:
            self._lock.release()


def _now(exact: str = "seconds") -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec=exact)
