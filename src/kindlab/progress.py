"""What a learner has done so far: `work/progress.toml`, readable and theirs.

One table a lab: when it was started, how often it was checked, the best points a task, the hints taken.
"""

import tomllib
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
        (dict, ("best", "hints")),
        (int, ("attempts", "points")),
    ):
        for name in names:
            if not isinstance(lab.get(name, kind()), kind):
                raise ValueError(f"{name} of {slug} is {lab[name]!r}")
    for name in ("best", "hints"):
        for task, count in lab.get(name, {}).items():
            if not isinstance(count, int):
                raise ValueError(f"{name} of {slug}, {task}, is {count!r}")


def started(slug: str) -> None:
    with _changing() as table:
        lab = table.setdefault(slug, {})
        lab.setdefault("started", _now())
        lab["last_start"] = _now("microseconds")  # which lab came later is asked within a second, too


def checked(report: Report) -> None:
    """Count an attempt and keep the best points of each task; a report that could not grade changes nothing."""
    if report.outcome.name == "COULD_NOT_GRADE":
        return
    with _changing() as table:
        lab = table.setdefault(report.lab, {})
        lab["attempts"] = lab.get("attempts", 0) + 1
        lab["last_check"] = _now("microseconds")
        best = lab.setdefault("best", {})
        for task in (t for t in report.tasks if not t.not_here):
            best[task.id] = max(best.get(task.id, 0), task.points)
        lab["points"] = sum(best.values())
        lab["max_points"] = report.max_points + report.points_not_here
        lab.pop("not_here", None)
        if away := [task.id for task in report.tasks if task.not_here]:
            lab["not_here"] = away  # on the cluster of the last check
        elif report.points == report.max_points:
            lab.setdefault("finished", _now())


def latest() -> str:
    """The slug of the lab last started or checked. Raises UsageProblem when there is none."""
    marks = ("started", "last_start", "last_check")
    stamps = {slug: max(str(lab.get(mark, "")) for mark in marks) for slug, lab in load().items()}
    if not stamps:
        raise UsageProblem(
            "Which lab?", "You have not started one yet.", "kindlab list shows them; kindlab start 01 begins one."
        )
    return max(stamps, key=lambda slug: stamps[slug])


def hints_taken(slug: str, task: str) -> int:
    return int(load().get(slug, {}).get("hints", {}).get(task, 0))


def hint_taken(slug: str, task: str) -> None:
    with _changing() as table:
        hints = table.setdefault(slug, {}).setdefault("hints", {})
        hints[task] = hints.get(task, 0) + 1


class _changing:
    """Read, change, write back atomically, under a lock: a notebook and a terminal may both write."""

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
