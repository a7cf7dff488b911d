"""A class without clusters: submissions in a folder, and a farm that says what it is told to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kindlab import labs
from kindlab.batch import one
from kindlab.batch.graded import Graded
from kindlab.batch.run import Farm, Grading
from kindlab.batch.submission import Submission
from kindlab.farm import Finished
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult, overall
from kindlab.labs import Lab

LAB = labs.find("02")
Verdict = str | dict[str, Outcome]
"""What a grading comes to: a problem of the farm's ("OVER ...": its own Pods took too much), or the outcomes of tasks
(those that are not named passed)."""


def submission(folder: Path, who: str, text: str = "kind: Service", **more: Any) -> Submission:
    files = folder / who
    files.mkdir(parents=True)
    (files / "a.yaml").write_text(text)
    return Submission(who, who.capitalize(), files, **more)


def graded(of: Submission, outcomes: dict[str, Outcome], tasks: Iterable[str] | None = None, lab: Lab = LAB) -> Graded:
    results = []
    for task in lab.tasks:
        if tasks is not None and task.id not in tasks:
            continue
        outcome = outcomes.get(task.id, Outcome.PASSED)
        seen = "" if outcome is Outcome.PASSED else "nothing answers"
        check = CheckResult(f"test_{task.id}", task.id, "it works", outcome, seen=seen)
        points = task.points if outcome is Outcome.PASSED else 0
        results.append(TaskResult(task.id, task.title, points, task.points, outcome, [check]))
    points, most = sum(r.points for r in results), sum(r.max_points for r in results)
    report = Report(lab.slug, overall([r.outcome for r in results]), points, most, results, "pocket")
    versions = {"lab": one.lab_digest(lab), "submission": one.digest(of)}
    return Graded(of.id, of.student, report, of.submitted, versions=versions, seconds=1.0)


class FakeFarm:
    """Each student's verdicts, one a try; who has none left passes. `asked`: whom it was given, in order."""

    def __init__(self, **verdicts: list[Verdict]) -> None:
        self.verdicts, self.asked = verdicts, list[str]()
        self.tasks: list[Any] = []

    def __call__(self, work: Callable[[Any, Submission], Graded], items: Iterable[Submission]) -> Grading:
        tasks = work.keywords["tasks"]  # type: ignore[attr-defined]
        for item in items:
            self.asked.append(item.id)
            left = self.verdicts.get(item.id) or [{}]
            verdict = left.pop(0) if len(left) > 1 else left[0]
            if verdict == "Ctrl-C":
                raise KeyboardInterrupt
            if isinstance(verdict, str):
                yield Finished(item, None, verdict.removeprefix("OVER "), 1.0, overran=verdict.startswith("OVER "))
            else:
                yield Finished(item, graded(item, verdict, tasks))


_: Farm = FakeFarm()


class Told:
    """A watch that remembers what it was told."""

    def __init__(self) -> None:
        self.known, self.has_grade, self.once_more = 0, dict[str, bool](), 0

    def before(self) -> None:
        self.known += 1

    def done(self, graded: Graded, has_grade: bool) -> None:
        assert graded.id not in self.has_grade, "each is told once"
        self.has_grade[graded.id] = has_grade

    def again(self, count: int) -> None:
        self.once_more += count
