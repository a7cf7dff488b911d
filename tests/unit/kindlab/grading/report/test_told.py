"""The arithmetic a student is shown adds up to the grade."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kindlab.grading.report.classroom import C, F, P, seen, student

from kindlab.batch.adjustments import Adjustment
from kindlab.batch.policy import Late, Policy, TaskPolicy
from kindlab.grading.report import told

DUE = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def value(text: str) -> float:
    return float(text.partition(" of ")[0].replace("−", "-"))


def test_lateness_and_adjustment_are_shown_as_steps():
    policy = Policy(late=Late(DUE, penalty_per_day=10.0), pass_mark=50)
    scored = seen(student(dns=F), policy, Adjustment(2, reason="a typo in task 2"))
    assert told.arithmetic(scored) == [
        ("points of the tasks", "10"),
        ("handed in 1 day late", "−1"),
        ("adjusted by hand: a typo in task 2", "+2"),
        ("grade", "11 of 13"),
    ]
    assert told.grade(scored) == "11 of 13 points (84.62%), passed"


def test_why_there_is_no_grade_is_said_of_all_tasks_that_it_is_for():
    both = student(web=C, dns=C, more=F, said="the probe")
    assert told.why_not(seen(both)) == "tasks web, dns: seen the probe"
    both.report.tasks[1].checks[1].seen = ""
    assert told.why_not(seen(both)) == "task web: seen the probe; task dns: dns works"
    assert told.why_not(seen(student(problem="No\n cluster."))) == "No cluster."


def test_what_counts_nothing_or_cannot_be_done_is_not_why_there_is_no_grade():
    graded = student(web=C, dns=C, said="the probe")
    assert told.why_not(seen(graded, Policy(tasks={"dns": TaskPolicy(weight=0)}))) == "task web: seen the probe"
    graded.report.tasks[0].not_here = "It needs more nodes."
    assert told.why_not(seen(graded)) == "task dns: seen the probe"


def test_a_grade_is_not_shown_where_a_task_is_not():
    scored = seen(student(), Policy(pass_mark=50), Adjustment(-2), web="after_published")
    assert told.grade(scored) == "not shown yet"
    assert told.arithmetic(scored) == []
    assert told.remarks(scored) == [
        "One task is not shown here, so the total is not either. More is shown when the grades are published."
    ]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-22T10:02:01+00:00", "2026-11-22 10:02 UTC"),
        ("2026-11-22T10:02:01.5+02:00", "2026-11-22 10:02 UTC+02:00"),
        ("2026-11-22T10:02", "2026-11-22 10:02"),
        ("yesterday", "yesterday"),
        ("", ""),
    ],
)
def test_a_moment_is_read_to_the_minute_and_with_its_zone(text: str, read: str):
    assert told.moment(text) == read


@given(
    st.dictionaries(st.sampled_from(["web", "dns", "more"]), st.sampled_from([P, F])),
    st.floats(-50, 50),
    st.floats(0, 100),
    st.booleans(),
    st.integers(0, 2),
)
def test_the_steps_add_up_to_the_grade(outcomes, points, per_day, extra, decimals):
    policy = Policy(
        late=Late(DUE, penalty_per_day=per_day),
        tasks={"more": TaskPolicy(extra_credit=extra)},
        decimals=decimals,
    )
    scored = seen(student(**outcomes), policy, Adjustment(points))
    steps = told.arithmetic(scored)
    if steps:
        *parts, (_, whole) = steps
        assert value(whole) == round(scored.points, 2)
        assert abs(sum(value(text) for _, text in parts) - value(whole)) < 0.03
    else:
        assert abs(scored.points - scored.earned) < 0.01
