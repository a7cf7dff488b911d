"""A bundle's verdicts once more, without a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from kindlab import labs
from kindlab.batch.graded import Graded
from kindlab.errors import Problem, in_a_line
from kindlab.evidence import telling
from kindlab.evidence.bundle import grader
from kindlab.evidence.opening import Opened, opened
from kindlab.evidence.replaying import UNKNOWN, Reel, Replayed
from kindlab.grading.outcome import CheckResult, Outcome, Report
from kindlab.labs import Lab


@dataclass(frozen=True)
class Repeated:
    """`then` is the grading as it was recorded, `report` what today's grader says of the same evidence. `cannot`: check
    -> why its verdict cannot be repeated. `differs`: the checks whose verdict is another one now, and tasks whose
    points are, each in a sentence."""

    then: Graded
    report: Report
    cannot: dict[str, str] = field(default_factory=dict)
    differs: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    """What an instructor should know: that the grader or the lab has changed since, who signed it."""

    @property
    def verdicts(self) -> int:
        """How many there were."""
        return sum(len(task.checks) for task in self.then.report.tasks)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.then.id,
            "student": self.then.student,
            "lab": self.then.report.lab,
            "verdicts": self.verdicts,
            "then": self.then.report.to_json(),
            "now": self.report.to_json(),
            "cannot": self.cannot,
            "differs": self.differs,
            "notes": list(self.notes),
        }


def regrade(path: Path, *, key: bytes | None = None, lab: Lab | None = None) -> Repeated:
    """Repeat the verdicts of a bundle with the installed course's grader (or `lab`'s). Raises Problem for a file that
    is no bundle, was changed since it was written, or bears no signature of `key`."""
    from kindlab.grading import runner

    found = opened(path, key)
    try:
        then = Graded.from_json(json.loads(found.files["report.json"]))
        reel = _reel(found)
        slug, owner = str(found.manifest["lab"]["slug"]), str(found.manifest["lab"]["owner"])
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}."
        then_do = "The kindlab that wrote it may be newer: its version is in manifest.json."
        raise Problem(f"{path.name} cannot be understood.", why, then_do) from error
    lab = lab or labs.find(slug)
    if then.variant:
        lab = lab.given_to(then.variant)  # what was the student's own is asked for again
    lab = lab.under(owner)
    if not any(task.checks for task in then.report.tasks):
        nothing = "nothing was checked then: " + (in_a_line(then.report.problem) or "no verdict was given")
        return Repeated(then, then.report, {task.id: nothing for task in then.report.tasks if not task.not_here})
    tasks = [task.id for task in then.report.tasks]
    report = runner.grade(lab, Replayed(reel), cluster=then.report.cluster, only=tasks)
    cannot = dict(_cannot(then.report, report, reel))
    return Repeated(then, report, cannot, list(_differs(then.report, report, cannot)), tuple(_notes(found, lab)))


def _reel(found: Opened) -> Reel:
    prefix, suffix = "transcripts/", ".jsonl"
    lines = {
        name.removeprefix(prefix).removesuffix(suffix): content.decode("utf-8", "surrogatepass").split("\n")
        for name, content in found.files.items()
        if name.startswith(prefix)
    }
    version = json.dumps({"gitVersion": found.manifest["versions"].get("kubernetes", "")}).encode()
    return Reel(telling.items(dict(lines)), datetime.fromisoformat(found.manifest["clock"]), version)


def _checks(report: Report) -> dict[str, CheckResult]:
    return {check.name: check for task in report.tasks for check in task.checks}


def _cannot(then: Report, now: Report, reel: Reel) -> Iterator[tuple[str, str]]:
    """(check, why its verdict cannot be repeated)."""
    before, after = _checks(then), _checks(now)
    if now.problem:
        yield from ((name, in_a_line(now.problem)) for name in before)
        return
    for name, check in after.items():
        if missed := reel.missing.get(name):
            yield name, missed[0]
        elif UNKNOWN in check.seen:  # what is made for several checks was wanting
            yield name, check.seen.partition(f"{UNKNOWN}: ")[2]
        elif check.outcome is Outcome.COULD_NOT_GRADE and name not in before:
            yield name, check.seen


def _differs(then: Report, now: Report, cannot: dict[str, str]) -> Iterator[str]:
    before, after = _checks(then), _checks(now)
    for name, check in before.items():
        new = after.get(name)
        if new is None and name not in cannot:
            yield f"{name}: {check.outcome.value} then; today's grader has no such check"
        elif new is not None and new.outcome is not check.outcome and name not in cannot:
            seen = f": {new.seen}" if new.seen else ""
            yield f"{name}: {check.outcome.value} then, {new.outcome.value} now{seen}"
    for name, check in after.items():
        if name not in before and name not in cannot:
            yield f"{name}: a new check, {check.outcome.value} now"
    points = {task.id: task for task in now.tasks}
    for task in then.tasks:
        today = points.get(task.id)
        sure = today is not None and not any(check.name in cannot for check in (*task.checks, *today.checks))
        if today is None or not sure or (task.points, task.max_points) == (today.points, today.max_points):
            continue
        was, now_is = (f"{one.points} of {one.max_points} points" for one in (task, today))
        yield f"task {task.id}: {was} then, {now_is} now"


def _notes(found: Opened, lab: Lab) -> Iterator[str]:
    if found.manifest.get("grader") != grader(lab):
        yield "The grader has changed since."
    if found.signed:
        yield "Its signature is good."
    yield from (f"It lacks {one}." for one in found.manifest.get("left_out") or ())
