"""`results.json` as Gradescope reads it (format: gradescope-autograders.readthedocs.io, "Autograder Specifications").

One test a task: its points are all or nothing, or a share, as the lab says, and its output what its checks found. The
whole's score is the grade, with lateness and adjustments; it overrides the sum of the tests there. Tests carry their
visibility and Gradescope applies it, so this file holds what hidden tasks found: it is for Gradescope, not for handing
round. It shows students no total as long as a test is hidden.

What could not be graded has no score anywhere: neither the whole, nor any test. Gradescope documents one state without
a score only, "the autograder failed to execute correctly", which it is in when no results.json was written: so the
autograder that `kindlab export gradescope` makes writes none in that case (export/gradescope.py). What Gradescope
would make of this file then was never tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kindlab.grading.outcome import Outcome
from kindlab.grading.report import told
from kindlab.grading.report.told import LATER, ToldCheck, ToldTask

if TYPE_CHECKING:
    from kindlab.batch.scoring import Scored, ScoredTask


def render(scored: Scored) -> str:
    """The file."""
    return json.dumps(results(scored), indent=2, ensure_ascii=False) + "\n"


def results(scored: Scored) -> dict[str, Any]:
    """The file's content."""
    graded, report = scored.graded, scored.graded.report
    found: dict[str, Any] = {
        "output": "\n".join(_whole(scored)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "execution_time": round(graded.seconds or report.seconds),
        "extra_data": {
            "lab": report.lab,
            "outcome": scored.outcome.value,
            "max_points": scored.max_points,
            "versions": graded.versions,
        },
    }
    if scored.has_grade:
        tests = [entry for number, one in enumerate(scored.tasks, 1) for entry in _tests(one, number)]
        return {"score": scored.points, **found, "tests": tests}
    return found


def _whole(scored: Scored) -> Iterator[str]:
    """What is said above the tests: never a point of a task, which may be hidden."""
    report = scored.graded.report
    yield from told.remarks(scored)
    if report.problem:
        yield from report.problem.splitlines()
    for one in scored.graded.refused:
        yield " ".join(filter(None, (f"Left out: {one.what}.", one.why, one.then)))
    yield from (f"{what}: {points}" for what, points in told.arithmetic(scored))


def _tests(one: ScoredTask, number: int) -> Iterator[dict[str, Any]]:
    task = told.task(one)
    entry: dict[str, Any] = {"name": f"{task.title} ({task.id})", "number": str(number)}
    if not task.not_here:
        entry["score"] = task.points
        entry["max_score"] = 0.0 if task.extra else task.max_points
        entry["status"] = "passed" if task.outcome is Outcome.PASSED else "failed"
    tags = ["extra credit"] if task.extra else []
    yield {**entry, "output": _output(task), "tags": tags, "visibility": one.visibility}
    # a check that comes to be shown later than its task: a test without points beside it
    for found in one.result.checks:
        visibility = told.of_check(one, found)
        if visibility in LATER:
            late = told.check(found, told.VISIBLE)
            yield {
                "name": f"{late.sentence} ({task.id})",
                "number": str(number),
                "status": "passed" if late.outcome is Outcome.PASSED else "failed",
                "output": "\n".join(_check(late)),
                "tags": [],
                "visibility": visibility,
            }


def _output(task: ToldTask) -> str:
    if task.not_here:
        return "\n".join(filter(None, ("Not graded, and counted for nothing: " + task.not_here, task.how_to_get)))
    lines = [line for check in task.checks for line in _check(check)]
    return "\n".join([*lines, *([task.shares] if task.shares else [])])


def _check(check: ToldCheck) -> Iterator[str]:
    yield f"{told.MARKS[check.outcome]} {check.sentence}" + ("" if check.outcome else f" ({told.NOT_SHOWN})")
    for label, said in check.rows:
        yield f"    {label + ':':<12}{said}"
