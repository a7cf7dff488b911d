"""How many replicas a resource's use asks for. The cases are those of upstream's documentation and its rules for pods
that are unready or not measured; the property is told by a model that tries every assumption."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.controllers.horizontalpodautoscaler_replicas import (
    Patience,
    Sample,
    Seen,
    Tolerance,
    Unknown,
    by_average,
    by_utilization,
    look,
    requests_of,
)
from pocketkube.duration import format_time
from pocketkube.objects import Obj

NOW = 1_800_000_000.0
TENTH = Tolerance(0.1, 0.1)
PATIENCE = Patience(300.0, 30.0)


def pod(
    name: str,
    *,
    phase: str = "Running",
    ready: bool | None = True,
    started: float = 1000,
    turned: float = 900,
    **meta: Any,
) -> Obj:
    """`started` and `turned`: seconds ago."""
    status: Obj = {"phase": phase, "startTime": format_time(NOW - started)}
    if ready is not None:
        since = format_time(NOW - turned)
        status["conditions"] = [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}]
    containers = [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}]
    return {"metadata": {"name": name, **meta}, "spec": {"containers": containers}, "status": status}


def sample(value: int, *, ago: float = 1.0, window: float = 15.0) -> Sample:
    return Sample(value, NOW - ago, window)


def wanted(pods: list[Obj], used: dict[str, int], current: int, target: int = 50) -> int:
    seen = look(pods, {name: sample(value) for name, value in used.items()}, "cpu", PATIENCE, NOW)
    return by_utilization(seen, requests_of(pods, "cpu"), current, target, TENTH).replicas


def pods(*names: str, **more: Any) -> list[Obj]:
    return [pod(name, **more) for name in names]


@pytest.mark.parametrize(
    ("used", "replicas"),
    [
        ({"a": 100}, 2),
        ({"a": 55}, 1),
        ({"a": 56}, 2),
        ({"a": 45}, 1),
        ({"a": 45, "b": 45}, 2),
        ({"a": 44, "b": 44}, 2),
        ({"a": 20, "b": 20}, 1),
        ({"a": 0, "b": 0}, 0),
        ({"a": 200, "b": 10, "c": 10}, 5),
    ],
)
def test_all_ready_and_measured(used: dict[str, int], replicas: int) -> None:
    assert wanted(pods(*used), used, len(used)) == replicas


def test_a_share_and_an_amount_are_told() -> None:
    both = pods("a", "b")
    seen = look(both, {"a": sample(30), "b": sample(41)}, "cpu", PATIENCE, NOW)
    found = by_utilization(seen, requests_of(both, "cpu"), 2, 50, TENTH)
    assert (found.current, found.average) == (35, 35)
    found = by_average(seen, 2, 10, TENTH)
    assert (found.replicas, found.current, found.average) == (7, 35, 35)


def test_unready_pods_use_nothing_when_there_should_be_more() -> None:
    held = [*pods("a"), pod("b", ready=False, turned=990)]
    assert wanted(held, {"a": 100, "b": 100}, 2) == 2
    assert wanted(held, {"a": 300, "b": 300}, 2) == 6


def test_pods_without_metrics_use_nothing_when_there_should_be_more_and_all_when_fewer() -> None:
    held = pods("a", "b")
    assert wanted(held, {"a": 100}, 2) == 2
    assert wanted(held, {"a": 10}, 2) == 2
    assert wanted(pods("a", "b", "c", "d", "e"), {"a": 1, "b": 1, "c": 1, "d": 1}, 5) == 2


def test_a_target_above_all_is_what_pods_without_metrics_use() -> None:
    assert wanted(pods("a", "b", "c"), {"a": 100, "b": 100}, 3, 200) == 2


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"ready": False}, True),
        ({"ready": None}, False),
        ({"phase": "Pending"}, False),
        ({"phase": "Failed"}, False),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, False),
        ({"started": 100, "turned": 50}, True),
        ({"started": 100, "turned": 10}, False),  # a window has not passed since it turned ready
        ({"started": 100, "turned": 50, "ready": False}, False),
        ({"started": 1000, "turned": 969, "ready": False}, True),  # it has been ready once
        ({"started": 1000, "turned": 971, "ready": False}, False),
    ],
)
def test_whose_cpu_counts(more: dict[str, Any], counts: bool) -> None:
    held = [pod("other"), pod("a", **more)]
    seen = look(held, {"a": sample(5), "other": sample(5)}, "cpu", PATIENCE, NOW)
    assert ("a" in seen.used) == counts


def test_memory_counts_while_a_pod_is_not_ready() -> None:
    held = [pod("a", ready=False, started=10, turned=10)]
    assert look(held, {"a": sample(5)}, "memory", PATIENCE, NOW).ready == 1


def test_a_pod_without_a_start_is_not_ready() -> None:
    held = [pod("a"), pod("b")]
    del held[1]["status"]["startTime"]
    assert look(held, {"a": sample(5), "b": sample(5)}, "cpu", PATIENCE, NOW).unready == {"b"}


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ([], "no pods returned by selector while calculating replica count"),
        (pods("a", phase="Pending"), "did not receive metrics for targeted pods (pods might be unready)"),
    ],
)
def test_nothing_to_go_by(held: list[Obj], why: str) -> None:
    with pytest.raises(Unknown) as caught:
        look(held, {"a": sample(1)}, "cpu", PATIENCE, NOW)
    assert str(caught.value) == why


def test_requests_are_those_of_containers_and_sidecars() -> None:
    one = pod("a")
    requests = {"requests": {"cpu": "50m"}}
    one["spec"]["initContainers"] = [
        {"name": "first"},
        {"name": "side", "restartPolicy": "Always", "resources": requests},
    ]
    assert requests_of([one], "cpu") == {"a": 150}
    assert requests_of([one], "cpu", "side") == {"a": 50}
    with pytest.raises(Unknown, match="missing request for memory in container c of Pod a"):
        requests_of([one], "memory")
    with pytest.raises(Unknown, match="container x not found in Pod a"):
        requests_of([one], "cpu", "x")
    one["spec"]["resources"] = {"requests": {"cpu": "1"}}
    assert requests_of([one], "cpu") == {"a": 1000}
    with pytest.raises(Unknown, match="missing pod-level request for memory in Pod a"):
        requests_of([one], "memory")


def test_pods_that_ask_for_nothing_have_no_share() -> None:
    with pytest.raises(Unknown, match="no metrics returned matched known pods"):
        by_utilization(Seen(1, frozenset(), frozenset(), {"a": 1}), {"a": 0}, 1, 50, TENTH)


STATES = st.lists(st.sampled_from(["ready", "unready", "missing"]), min_size=1, max_size=6)
AMOUNTS = st.lists(st.integers(0, 400), min_size=6, max_size=6)
TOLERANCES = st.builds(Tolerance, st.floats(0, 0.5), st.floats(0, 0.5))


def _model(
    used: list[int], missing: int, unready: int, target: int, current: int, ask: int, tolerance: Tolerance
) -> int:
    """Percent of `ask` that pods use, those that cannot be seen taken to use what speaks against a change."""

    def ratio(amounts: list[int]) -> float:
        return (sum(amounts) * 100 // (ask * len(amounts))) / target

    plain = ratio(used)
    down, up = plain < 1, plain > 1
    assumed = used + [max(100, target) * ask // 100 if down else 0] * (missing if down or up else 0)
    assumed += [0] * (unready if up else 0)
    cautious = ratio(assumed)
    if len(assumed) == len(used) and not missing and not (up and unready):
        return current if tolerance.within(plain) else math.ceil(plain * len(used))
    if tolerance.within(cautious) or (down and cautious > 1) or (up and cautious < 1):
        return current
    found = math.ceil(cautious * len(assumed))
    against = (cautious < 1 and found > current) or (cautious > 1 and found < current)
    return current if against else found


@given(STATES, AMOUNTS, st.integers(1, 250), st.integers(1, 8), TOLERANCES)
def test_what_cannot_be_seen_speaks_against_a_change(
    states: list[str], amounts: list[int], target: int, current: int, tolerance: Tolerance
) -> None:
    if "ready" not in states:
        states = ["ready", *states[1:]]
    held, samples, used = [], {}, []
    for index, (state, amount) in enumerate(zip(states, amounts, strict=False)):
        held.append(pod(f"p{index}", ready=state != "unready", turned=990))
        if state != "missing":
            samples[f"p{index}"] = sample(amount)
        if state == "ready":
            used.append(amount)
    seen = look(held, samples, "cpu", PATIENCE, NOW)
    found = by_utilization(seen, requests_of(held, "cpu"), current, target, tolerance).replicas
    missing, unready = states.count("missing"), states.count("unready")
    assert found == _model(used, missing, unready, target, current, 100, tolerance)
