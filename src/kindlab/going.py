"""How a learner gets on: what is told of a check, and the next thing to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kindlab import debrief, exam, progress
from kindlab.errors import COULD_NOT_GRADE, PASSED, Problem
from kindlab.exam import Exam
from kindlab.grading.outcome import Outcome, Report
from kindlab.labs import Lab


@dataclass(frozen=True)
class Told:
    """A grading as far as a learner is told of it. `exam`: one is going on, so that is next to nothing; `news`: how it
    compares with the last one; `unkept`: why it could not be written to their progress."""

    lab: Lab
    report: Report
    whole: bool
    exam: Exam | None = None
    note: str = ""
    news: progress.News | None = None
    unkept: Problem | None = None

    @property
    def exit_code(self) -> int:
        if self.exam is None:
            return self.report.exit_code
        seen = [exam.is_looked_at(task) for task in self.report.tasks if not task.not_here]
        return PASSED if seen and all(seen) else COULD_NOT_GRADE

    @property
    def after(self) -> list[str]:
        """The lines that follow the report: how it compares, and when all is done what the lab taught."""
        said = [self.news.said] if self.news is not None else []
        if self.exam is None and debrief.is_due(self.report, whole=self.whole):
            said += ["", *debrief.lines(self.lab)]
        return said

    def lines(self) -> Iterator[tuple[str, str]]:
        """(line, style) for a terminal."""
        from kindlab.grading.report import text

        if self.exam is not None:
            yield from exam.lines(self.exam, self.report)
            return
        if self.note:
            yield self.note, "bold"
        yield from text.lines(self.report)
        yield from ((line, "") for line in self.after)

    def to_json(self) -> dict[str, Any]:
        return self.report.to_json() if self.exam is None else exam.to_json(self.exam, self.report)


def told(lab: Lab, report: Report, *, whole: bool, counts: bool = True) -> Told:
    """What is told of a grading, and written to the learner's progress. What was graded stands even where that cannot
    be written. `counts`: it is an attempt."""
    note = ""
    try:
        running = exam.of(lab.slug)
        if running is not None and not running.is_over:
            return Told(lab, report, whole, running)
        if running is not None and report.outcome is not Outcome.COULD_NOT_GRADE:
            exam.end(lab.slug)
            note = "The time of the exam is up. This is how it is now:"
        return Told(lab, report, whole, None, note, progress.checked(report, counts=counts) if whole else None)
    except (Problem, OSError) as error:
        from kindlab.cli import explain

        return Told(lab, report, whole, None, note, None, error if isinstance(error, Problem) else explain(error))


def next_step(every: Sequence[Lab], done: Mapping[str, Any]) -> str:
    """The next thing to do, as a command with a word on what for."""
    latest = progress.latest_of(done)
    lab = next((one for one in every if one.slug == latest), None)
    if lab is None:
        return f"kindlab start {every[0].number if every else '01'}"
    if "finished" in done[latest]:
        after = debrief.following(lab)
        return f"kindlab start {after.number} ({after.title})" if after else "nothing: all labs are done"
    passed, away = done[latest].get("passed", ()), done[latest].get("not_here", ())
    undone = [task for task in lab.tasks if task.id not in passed and task.id not in away]
    if not undone:
        return f"kindlab check {lab.number}"
    return f"kindlab check {lab.number} --task {undone[0].id} ({undone[0].title})"
