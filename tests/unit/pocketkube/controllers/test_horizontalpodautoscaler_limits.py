"""Windows, rates and bounds of an autoscaler, against models that look at every second."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.controllers.horizontalpodautoscaler_limits import (
    Bounds,
    Decision,
    History,
    Moment,
    bounded,
    decide,
    least_after,
    most_after,
)
from pocketkube.resources.autoscaler_spec.defaults import SCALE_DOWN, SCALE_UP

FOREVER = 3600.0


def policy(type_: str, value: int, period: int = 15) -> dict[str, Any]:
    return {"type": type_, "value": value, "periodSeconds": period}


def behavior(up: dict[str, Any] | None = None, down: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"scaleUp": {**SCALE_UP, **(up or {})}, "scaleDown": {**SCALE_DOWN, **(down or {})}}


@pytest.mark.parametrize(
    ("current", "desired", "replicas", "reason"),
    [
        (1, 10, 4, "ScaleUpLimit"),
        (3, 10, 6, "ScaleUpLimit"),
        (3, 5, 5, "DesiredWithinRange"),
        (6, 13, 12, "ScaleUpLimit"),
        (10, 40, 20, "TooManyReplicas"),
        (5, 1, 2, "TooFewReplicas"),
        (5, 2, 2, "DesiredWithinRange"),
    ],
)
def test_without_a_behavior_replicas_double_at_most_or_become_four(
    current: int, desired: int, replicas: int, reason: str
) -> None:
    found, told = bounded(Bounds(2, 20, FOREVER), current, desired)
    assert (found, told[0]) == (replicas, reason)


def test_the_highest_recommendation_of_the_window_holds() -> None:
    history, bounds = History(), Bounds(1, 10, 300.0)
    history.start(3, 0.0)
    first = decide(history, bounds, 3, 1, 10.0)
    assert first == Decision(
        3,
        (
            "ScaleDownStabilized",
            "recent recommendations were higher than current one, applying the highest recent recommendation",
        ),
        False,
        ("DesiredWithinRange", "the desired count is within the acceptable range"),
    )
    assert decide(history, bounds, 3, 1, 300.0).replicas == 3
    last = decide(history, bounds, 3, 1, 300.5)
    assert (last.replicas, last.able[0]) == (1, "ReadyForNewScale")


def test_a_window_upwards_waits_for_the_lowest() -> None:
    history = History()
    bounds = Bounds(1, 10, 300.0, behavior(up={"stabilizationWindowSeconds": 60}))
    history.start(1, 0.0)
    waiting = decide(history, bounds, 1, 5, 30.0)
    assert (waiting.replicas, waiting.able[0]) == (1, "ScaleUpStabilized")
    assert decide(history, bounds, 1, 4, 59.0).replicas == 1
    assert decide(history, bounds, 1, 5, 60.5).replicas == 4


def test_the_window_down_is_the_settings_where_no_behavior_gives_one() -> None:
    history = History()
    history.start(4, 0.0)
    assert decide(history, Bounds(1, 10, 100.0, behavior()), 4, 1, 99.0).replicas == 4
    assert decide(history, Bounds(1, 10, 100.0, behavior()), 4, 1, 100.0).replicas == 1


def test_disabled_goes_nowhere() -> None:
    rules = behavior({"selectPolicy": "Disabled"}, {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0})
    for desired, reason in ((9, "ScaleUpLimit"), (1, "ScaleDownLimit")):
        found = decide(History(), Bounds(1, 10, 0.0, rules), 4, desired, 0.0)
        assert (found.replicas, found.limited, found.limit[0]) == (4, True, reason)


def test_at_the_maximum_the_maximum_is_the_reason() -> None:
    found = decide(History(), Bounds(1, 3, 0.0, behavior()), 3, 8, 0.0)
    assert (found.replicas, found.limited, found.limit[0]) == (3, True, "TooManyReplicas")


def test_a_period_that_is_used_up_allows_no_more() -> None:
    rules = behavior({"policies": [policy("Pods", 2, 60)]}, {"stabilizationWindowSeconds": 0})
    history, bounds = History(), Bounds(1, 100, 0.0, rules)
    first = decide(history, bounds, 4, 20, 0.0)
    assert first.replicas == 6
    history.rescaled(4, 6, rules, 0.0)
    assert decide(history, bounds, 6, 20, 59.0).replicas == 6
    assert decide(history, bounds, 6, 20, 60.0).replicas == 8


POLICIES = st.lists(
    st.builds(policy, st.sampled_from(["Pods", "Percent"]), st.integers(1, 150), st.integers(1, 60)),
    min_size=1,
    max_size=3,
)
RULES = st.builds(
    lambda policies, select, window: {
        "policies": policies,
        "selectPolicy": select,
        **({} if window is None else {"stabilizationWindowSeconds": window}),
    },
    POLICIES,
    st.sampled_from(["Max", "Min", "Disabled"]),
    st.none() | st.integers(0, 40),
)
MOMENTS = st.lists(st.builds(Moment, st.integers(1, 9), st.integers(-90, -1).map(float)), max_size=5)


def _model(current: int, ups: list[Moment], downs: list[Moment], rules: Any, sign: int) -> int:
    """Where the policies allow to go to, by replaying what happened in each period, a second at a time."""
    if rules["selectPolicy"] == "Disabled":
        return current
    reached = []
    for one in rules["policies"]:
        start = current
        for second in range(1, one["periodSeconds"]):
            start += sum(moment.replicas for moment in downs if moment.at == -second)
            start -= sum(moment.replicas for moment in ups if moment.at == -second)
        if one["type"] == "Pods":
            reached.append(start + sign * one["value"])
        else:
            exact = start * (1 + sign * one["value"] / 100)
            reached.append(math.ceil(exact) if sign > 0 else math.trunc(exact))
    furthest = max(reached) if sign > 0 else min(reached)
    nearest = min(reached) if sign > 0 else max(reached)
    return nearest if rules["selectPolicy"] == "Min" else furthest


@given(st.integers(1, 40), MOMENTS, MOMENTS, RULES)
def test_policies_allow_what_a_period_has_left(
    current: int, ups: list[Moment], downs: list[Moment], rules: Any
) -> None:
    history = History(ups=ups, downs=downs)
    assert most_after(history, rules, current, 0.0) == _model(current, ups, downs, rules, 1)
    assert least_after(history, rules, current, 0.0) == _model(current, ups, downs, rules, -1)


STEPS = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 12)), min_size=1, max_size=25)
"""(seconds until the next look, what metrics ask for then)."""


@given(STEPS, st.none() | st.tuples(RULES, RULES), st.integers(1, 12), st.integers(1, 5), st.integers(0, 60))
def test_a_life_of_an_autoscaler(steps: Any, rules: Any, current: int, least: int, window: int) -> None:
    """Each decision is within what every recommendation of the windows, the bounds and the rates allow, and it is
    what metrics ask for if those do; told by a memory that forgets nothing."""
    most = least + 8
    current = min(max(current, least), most)
    held = None if rules is None else {"scaleUp": rules[0], "scaleDown": rules[1]}
    history, bounds, now = History(), Bounds(least, most, float(window), held), 0.0
    asked, ups, downs = [(now, current)], list[Moment](), list[Moment]()
    history.start(current, now)
    for wait, desired in steps:
        now += wait
        found = decide(history, bounds, current, desired, now)
        if held is None:
            stable = max([desired, *(n for at, n in asked if at >= now - window)])
            fastest, slowest = max(2 * current, 4), 0
        else:
            up = held["scaleUp"].get("stabilizationWindowSeconds", 0)
            down = held["scaleDown"].get("stabilizationWindowSeconds", window)
            lowest = min([desired, *(n for at, n in asked if at > now - up)])
            highest = max([desired, *(n for at, n in asked if at > now - down)])
            stable = sorted((lowest, current, highest))[1]
            since = [[Moment(m.replicas, m.at - now) for m in moments] for moments in (ups, downs)]
            fastest = max(current, _model(current, *since, held["scaleUp"], 1))
            slowest = min(current, _model(current, *since, held["scaleDown"], -1))
        expected = stable
        if held is None or stable > current:
            expected = min(expected, fastest, most)
        if held is None or stable < current:
            expected = max(expected, slowest, least)
        assert found.replicas == expected
        assert found.limited == (expected != stable)
        assert (found.able[0] == "ReadyForNewScale") == (stable == desired)
        asked.append((now, desired))
        if expected != current:
            (ups if expected > current else downs).append(Moment(abs(expected - current), now))
            history.rescaled(current, expected, held, now)
            current = expected


def test_what_no_policy_asks_for_is_forgotten() -> None:
    history, rules = History(), behavior({"policies": [policy("Pods", 1, 10)]}, {"policies": [policy("Pods", 1, 30)]})
    for second in range(200):
        history.recommend(1, float(second), 20.0)
        history.rescaled(1, 2, rules, float(second))
    assert len(history.recommended) == 21
    assert len(history.ups) == 30
