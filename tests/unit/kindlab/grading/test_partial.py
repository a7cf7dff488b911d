"""A task whose checks count one by one, and one that is all or nothing."""

import pytest

from kindlab.grading import runner
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult
from kindlab.grading.report import html, text
from kindlab.labs import Task

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE


def graded(points: int, partial: bool, *outcomes: Outcome) -> TaskResult:
    task = Task("one", "One", points, ("a", "b"), partial=partial)
    return runner._task(task, [CheckResult(f"test_{n}", "one", "it works", o) for n, o in enumerate(outcomes)])


@pytest.mark.parametrize(
    ("points", "partial", "outcomes", "scored"),
    [
        (10, True, (P, P, P), 10),
        (10, True, (P, F, P), 6),
        (10, True, (F, F), 0),
        (10, True, (P, C), 5),
        (10, True, (), 0),
        (10, False, (P, F, P), 0),
        (10, False, (P, P), 10),
    ],
)
def test_points(points: int, partial: bool, outcomes: tuple[Outcome, ...], scored: int) -> None:
    assert graded(points, partial, *outcomes).points == scored


def test_the_report_says_how_much_of_a_task_counts() -> None:
    task = graded(10, True, P, F, P)
    assert task.outcome is F
    shown = text.render(Report("16-shop", F, 6, 10, [task]))
    assert task.shares in html.fragment(Report("16-shop", F, 6, 10, [task]))
    assert "6/10" in shown
    assert "2 of 3 checks passed; each counts its share, rounded down to whole points" in shown
    assert "share" not in text.render(Report("16-shop", F, 0, 10, [graded(10, False, P, F)]))
    assert "share" not in text.render(Report("16-shop", P, 10, 10, [graded(10, True, P, P)]))
