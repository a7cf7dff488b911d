"""A run in figures: summary.json, and what a terminal is told at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean, median
from typing import Any

from kindlab.batch.scoring import Scored
from kindlab.errors import in_a_line
from kindlab.grading.outcome import Outcome
from kindlab.grading.report import told

FORMAT = 1


def of(all_scored: Sequence[Scored], lab: str) -> dict[str, Any]:
    """The content of summary.json. `percent` is over those that have a grade, None without any."""
    has = [one for one in all_scored if one.has_grade]
    percents = [one.percent for one in has]
    return {
        "format": FORMAT,
        "lab": lab,
        "submissions": len(all_scored),
        "graded": len(has),
        "max_points": max((one.max_points for one in all_scored), default=0),
        "percent": {
            "mean": round(fmean(percents), 2),
            "median": round(median(percents), 2),
            "lowest": min(percents),
            "highest": max(percents),
        }
        if has
        else None,
        "passed": sum(one.passed is True for one in has) if any(one.passed is not None for one in has) else None,
        "late": [one.graded.id for one in all_scored if one.late_days],
        "could_not_grade": {one.graded.id: told.why_not(one) for one in all_scored if not one.has_grade},
        "nothing_to_grade": {one.graded.id: in_a_line(one.graded.report.problem) for one in has if _is_unreadable(one)},
        "refused": {one.graded.id: len(one.graded.refused) for one in all_scored if one.graded.refused},
        "notes": {one.graded.id: list(one.graded.notes) for one in all_scored if one.graded.notes},
        "tasks": list(_tasks(all_scored)),
        "seconds": round(sum(one.graded.seconds for one in all_scored), 1),
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """What to read of it at the end of a run."""
    yield f"{found['graded']} of {counted(found['submissions'])} graded."
    if percent := found["percent"]:
        yield (
            f"  Mean {percent['mean']:g}%, median {percent['median']:g}%, from {percent['lowest']:g}% to "
            f"{percent['highest']:g}%" + (f"; {found['passed']} passed" if found["passed"] is not None else "")
        )
    if found["could_not_grade"]:
        yield "  Could not be graded; that is no zero, they have no grade until they are graded again:"
        yield from (f"    {who}: {why}" for who, why in found["could_not_grade"].items())
        yield "    Once more: the same command with --resume (with more time: --limit-seconds N)."
    if found["nothing_to_grade"]:
        yield "  Nothing in it could be graded, so they have no points:"
        yield from (f"    {who}: {why}" for who, why in found["nothing_to_grade"].items())
    if found["refused"]:
        yield f"  Something was left out of {counted(len(found['refused']))}; the students' reports say what and why."
    if found["notes"]:
        yield f"  There are notes for you on {counted(len(found['notes']))}: the column notes of grades.csv."


def _is_unreadable(one: Scored) -> bool:
    return bool(one.graded.report.problem) and one.outcome is Outcome.FAILED


def _tasks(all_scored: Sequence[Scored]) -> Iterator[dict[str, Any]]:
    """Of each task how many passed, failed, could not be graded; in the order of the lab."""
    counts: dict[str, Counter[Outcome]] = {}
    for task in (task for one in all_scored for task in one.tasks if not task.result.not_here):
        counts.setdefault(task.result.id, Counter())[task.outcome] += 1
    for name, count in counts.items():
        yield {"id": name, **{outcome.value: count[outcome] for outcome in Outcome}}


def counted(number: int) -> str:
    return "1 submission" if number == 1 else f"{number} submissions"
