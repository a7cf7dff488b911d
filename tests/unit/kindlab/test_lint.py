"""The judge of `kindlab lint`, and what its static half finds."""

import pytest

from kindlab import labs, lint
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult
from kindlab.states import State

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE


def report(a: Outcome, b: Outcome) -> Report:
    tasks = [
        TaskResult("one", "", 1 if a is P else 0, 1, a, [CheckResult("test_a", "one", "", a)]),
        TaskResult("two", "", 1 if b is P else 0, 1, b, [CheckResult("test_b", "two", "", b, "x", "y")]),
    ]
    return Report("lab", F, 0, 2, tasks)


def state(*fails: str) -> State:
    return State("lab", "s", (), frozenset(fails))


@pytest.mark.parametrize(
    ("tried", "graded", "says"),
    [
        (state(), report(P, P), ""),
        (state(), report(P, F), "fails test_b (expected x; seen y)"),
        (
            State("lab", "alternatives/x", (), frozenset()),
            report(P, F),
            "fails test_b (expected x; seen y); an alternative is a whole answer: nothing is added to its files",
        ),
        (state("test_a"), report(F, P), ""),
        (state("test_a"), report(P, P), "not caught by test_a"),
        (state("test_a"), report(F, F), "fails test_b (expected x; seen y)"),
        (state("test_a"), report(F, C), "could not be graded: test_b: y"),
        (State("lab", "start", (), None), report(F, F), ""),
        (State("lab", "start", (), None), report(P, F), "scores on one: a lab starts at 0"),
    ],
)
def test_judge(tried: State, graded: Report, says: str) -> None:
    assert lint.judge(tried, graded) == says


def test_every_lab_of_the_course_is_in_order_statically() -> None:
    found = labs.all_labs()
    assert found
    assert {lab.slug: list(lint.static_problems(lab)) for lab in found} == {lab.slug: [] for lab in found}
