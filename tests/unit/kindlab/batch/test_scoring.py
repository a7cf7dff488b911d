"""Points become grades: never below nothing, never above what can be had, and never less for who was earlier."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindlab.batch.adjustments import Adjustment
from kindlab.batch.graded import Graded
from kindlab.batch.policy import Late, Policy, TaskPolicy
from kindlab.batch.scoring import late_days, scored
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult, overall
from kindlab.labs import Lab, Task

BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2026, 11, 20, 23, 59, tzinfo=BERLIN)
POINTS = {"web": 6, "dns": 3, "more": 4}
LAB = Lab(
    "02-services", Path("labs/02-services"), "Services", "", 30, (), tuple(Task(i, i, p, ()) for i, p in POINTS.items())
)


def graded(submitted: datetime | str = DUE, **outcomes: Outcome) -> Graded:
    tasks = []
    for task, points in POINTS.items():
        outcome = outcomes.get(task, Outcome.PASSED)
        checks = [CheckResult(f"test_{task}", task, "it works", outcome)]
        tasks.append(TaskResult(task, task, points if outcome is Outcome.PASSED else 0, points, outcome, checks))
    report = Report(LAB.slug, overall([t.outcome for t in tasks]), sum(t.points for t in tasks), 13, tasks)
    return Graded("ann", "Ann", report, submitted if isinstance(submitted, str) else submitted.isoformat())


def late(**options: object) -> Late:
    return Late(**{"due": DUE, "penalty_per_day": 10.0, **options})  # type: ignore[arg-type]


def test_without_a_policy_points_are_the_labs():
    found = scored(graded(dns=Outcome.FAILED), LAB)
    assert (found.points, found.max_points, found.percent) == (10, 13, 76.92)
    assert (found.passed, found.late_days, found.penalty, found.adjustment, found.extra) == (None, 0, 0, 0, 0)
    assert [(t.points, t.max_points, t.visibility) for t in found.tasks] == [
        (6, 6, "visible"),
        (0, 3, "visible"),
        (4, 4, "visible"),
    ]
    assert found.has_grade
    assert found.remarks == ()


def test_a_task_that_could_not_be_graded_leaves_no_grade():
    found = scored(graded(dns=Outcome.COULD_NOT_GRADE, web=Outcome.FAILED), LAB, Policy(pass_mark=10))
    assert not found.has_grade
    assert found.passed is None


@pytest.mark.parametrize("web", [Outcome.FAILED, Outcome.PASSED])
def test_what_counts_nothing_may_have_failed_us(web: Outcome):
    some = graded(dns=Outcome.COULD_NOT_GRADE, web=web)
    found = scored(some, LAB, Policy(tasks={"dns": TaskPolicy(0)}))
    assert found.has_grade, "of who passed all that counts, too"
    assert found.outcome is web


@pytest.mark.parametrize("rounding", ["half-up", "up", "down"])
@pytest.mark.parametrize("decimals", [0, 2, 4])
def test_three_thirds_of_a_scale_are_the_whole_however_they_are_rounded(rounding: str, decimals: int):
    tasks = [TaskResult(i, i, 1, 1, Outcome.PASSED) for i in POINTS]
    some = Graded("ann", "Ann", Report(LAB.slug, Outcome.PASSED, 3, 3, tasks))
    found = scored(some, LAB, Policy(scale=100, rounding=rounding, decimals=decimals))
    assert (found.points, found.max_points, found.percent) == (100, 100, 100)


def test_a_check_of_a_partial_task_that_could_not_be_graded_leaves_no_grade():
    some = graded(web=Outcome.FAILED)
    some.report.tasks[0].checks.append(CheckResult("test_b", "web", "", Outcome.COULD_NOT_GRADE))
    partial = replace(LAB, tasks=(replace(LAB.tasks[0], partial=True), *LAB.tasks[1:]))
    assert scored(some, LAB).has_grade, "all or nothing: one failed check decides it"
    assert not scored(some, partial).has_grade


def test_a_task_that_cannot_be_done_there_counts_neither_way():
    some = graded(dns=Outcome.COULD_NOT_GRADE)
    some.report.tasks[1].not_here = "there is no load balancer"
    some.report.outcome = Outcome.PASSED
    found = scored(some, LAB)
    assert (found.points, found.max_points, found.percent, found.has_grade) == (10, 10, 100, True)


def test_weights_extra_credit_and_scale():
    policy = Policy(tasks={"web": TaskPolicy(2), "more": TaskPolicy(extra_credit=True)}, scale=100, pass_mark=50)
    found = scored(graded(), LAB, policy)
    assert (found.max_points, found.points, found.extra) == (100, 126.67, 26.6667)
    assert found.percent == 126.67
    found = scored(graded(web=Outcome.FAILED), LAB, policy)
    assert (found.points, found.passed) == (46.67, False)


def test_visibility_of_a_check_is_its_tasks_unless_it_has_one():
    policy = Policy(tasks={"web": TaskPolicy(visibility="hidden")}, checks={"test_dns": "after_published"})
    found = scored(graded(), LAB, policy)
    assert [t.visibility for t in found.tasks] == ["hidden", "visible", "visible"]
    assert [dict(t.checks) for t in found.tasks] == [
        {"test_web": "hidden"},
        {"test_dns": "after_published"},
        {"test_more": "visible"},
    ]


@pytest.mark.parametrize(
    ("after", "days"),
    [
        (timedelta(0), 0),
        (timedelta(seconds=1), 1),
        (timedelta(hours=24), 1),
        (timedelta(hours=24, seconds=1), 2),
        (timedelta(days=-3), 0),
    ],
)
def test_lateness_counts_in_days_begun(after: timedelta, days: int):
    assert late_days((DUE + after).isoformat(), late()) == days


def test_within_the_grace_it_is_in_time_and_after_it_days_count_from_due():
    rule = late(grace_minutes=30.0)
    assert late_days((DUE + timedelta(minutes=30)).isoformat(), rule) == 0
    assert late_days((DUE + timedelta(minutes=30, microseconds=1)).isoformat(), rule) == 1
    assert late_days((DUE + timedelta(hours=24, minutes=15)).isoformat(), rule) == 2


@pytest.mark.parametrize(
    "due", [datetime(2026, 10, 24, 23, 59, tzinfo=BERLIN), datetime(2026, 3, 28, 23, 59, tzinfo=BERLIN)]
)
def test_a_day_is_a_day_of_the_clock_on_the_wall_also_when_the_clocks_are_changed(due: datetime):
    the_next_evening = due.replace(day=due.day + 1)
    assert late_days(the_next_evening.isoformat(), late(due=due)) == 1
    assert late_days(the_next_evening.astimezone(UTC).isoformat(), late(due=due)) == 1
    assert late_days((the_next_evening.astimezone(UTC) + timedelta(seconds=1)).isoformat(), late(due=due)) == 2


@pytest.mark.parametrize("submitted", ["", "yesterday", "2026-11-30T10:00:00", "0001-01-01T00:00:00+14:00"])
def test_nobody_is_late_of_whom_nobody_knows_when(submitted: str):
    found = scored(graded(submitted), LAB, Policy(late=late()))
    assert (found.late_days, found.penalty, found.points) == (0, 0, 13)
    assert "Nothing says when" in found.remarks[0]


def test_where_there_are_no_points_nobody_asks_when_it_was_handed_in():
    nothing = graded("", web=Outcome.FAILED, dns=Outcome.FAILED, more=Outcome.FAILED)
    assert scored(nothing, LAB, Policy(late=late())).remarks == ()


def test_penalty_cap_and_closing():
    policy = Policy(late=late(penalty_per_day=20.0, cap=50.0, closes_after_days=7))
    by_days = {days: scored(graded(DUE + timedelta(days=days)), LAB, policy).points for days in (0, 1, 2, 3, 7, 8)}
    assert by_days == {0: 13, 1: 10.4, 2: 7.8, 3: 6.5, 7: 6.5, 8: 0}


def test_an_adjustment_is_applied_after_lateness_and_stays_within_the_bounds():
    policy = Policy(late=late(penalty_per_day=50.0))
    some = graded(DUE + timedelta(hours=1))
    found = scored(some, LAB, policy, Adjustment(points=2, reason="the lab was down"))
    assert (found.points, found.penalty, found.adjustment, found.adjustment_reason) == (8.5, 6.5, 2, "the lab was down")
    assert scored(some, LAB, policy, Adjustment(percent=-200)).points == 0
    assert scored(some, LAB, policy, Adjustment(percent=300)).points == 13


@pytest.mark.parametrize(("how", "points"), [("half-up", 6.5), ("up", 6.5), ("down", 6.4)])
def test_rounding_is_of_the_number_as_it_is_written(how: str, points: float):
    rule = Policy(decimals=1, rounding=how, late=late(penalty_per_day=50.38461538))
    assert scored(graded(DUE + timedelta(hours=1)), LAB, rule).points == points


OUTCOMES = st.sampled_from([Outcome.PASSED, Outcome.FAILED])
RULES = st.builds(
    TaskPolicy, weight=st.just(0.0) | st.floats(0.001, 1000), visibility=st.just("visible"), extra_credit=st.booleans()
)
LATE = st.builds(
    Late,
    due=st.just(DUE),
    grace_minutes=st.floats(0, 10_000),
    penalty_per_day=st.floats(0, 100),
    cap=st.floats(0, 100),
    closes_after_days=st.none() | st.integers(0, 30),
)
POLICIES = st.builds(
    Policy,
    pass_mark=st.none() | st.floats(0, 100),
    late=st.none() | LATE,
    tasks=st.dictionaries(st.sampled_from(list(POINTS)), RULES),
    scale=st.none() | st.floats(1, 1000),
    decimals=st.integers(0, 4),
    rounding=st.sampled_from(["half-up", "up", "down"]),
)
BY_HAND = st.none() | st.builds(Adjustment, points=st.floats(-1000, 1000), percent=st.floats(-1000, 1000))
HOURS = st.floats(-100, 2000)


@given(policy=POLICIES, by_hand=BY_HAND, outcomes=st.tuples(OUTCOMES, OUTCOMES, OUTCOMES), hours=HOURS)
def test_a_grade_is_never_below_nothing_nor_above_what_can_be_had(policy, by_hand, outcomes, hours):
    some = graded(DUE + timedelta(hours=hours), **dict(zip(POINTS, outcomes, strict=True)))
    found = scored(some, LAB, policy, by_hand)
    most = sum(t.max_points for t in found.tasks)
    rounded = 10**-policy.decimals + 1e-9  # each of the tasks, and what floats make of it
    assert 0 <= found.points <= most + rounded
    assert found.penalty >= 0
    assert found.extra >= 0


@given(policy=POLICIES)
def test_all_of_it_is_100_percent_however_it_is_rounded(policy):
    plain = replace(policy, late=None, tasks={k: replace(v, extra_credit=False) for k, v in policy.tasks.items()})
    found = scored(graded(), LAB, plain)
    assert found.percent == (100 if found.max_points else 0)
    assert found.points == found.max_points


@given(policy=POLICIES, by_hand=BY_HAND, hours=HOURS, later=st.floats(0, 2000))
def test_who_is_later_never_gets_more(policy, by_hand, hours, later):
    first, second = (scored(graded(DUE + timedelta(hours=h)), LAB, policy, by_hand) for h in (hours, hours + later))
    assert second.late_days >= first.late_days
    assert second.points <= first.points


@given(policy=POLICIES, hours=HOURS, outcomes=st.tuples(OUTCOMES, OUTCOMES, OUTCOMES))
def test_who_does_a_task_more_never_gets_less(policy, hours, outcomes):
    some = dict(zip(POINTS, outcomes, strict=True))
    points = [
        scored(graded(DUE + timedelta(hours=hours), **{**some, "web": outcome}), LAB, policy).points
        for outcome in (Outcome.FAILED, Outcome.PASSED)
    ]
    assert points[0] <= points[1]
