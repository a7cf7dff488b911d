"""How fast nodes are emptied: zones and their limits."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.controllers.nodelifecycle_zones import Limiter, Zones, rate_of, state_of, zone_of


@pytest.mark.parametrize(
    ("ready", "state"),
    [
        ([True, True], "Normal"),
        ([False], "FullDisruption"),
        ([False, False, False], "FullDisruption"),
        ([True, False, False], "Normal"),  # two are not enough to doubt the zone
        ([True, True, False, False, False], "PartialDisruption"),
        ([True, True, True, False, False, False], "Normal"),
        ([], "Normal"),
    ],
)
def test_what_a_zone_is_in(ready: list[bool], state: str) -> None:
    assert state_of(ready) == state


def test_rates() -> None:
    assert rate_of("Normal", 3) == rate_of("FullDisruption", 3) == 0.1
    assert (rate_of("PartialDisruption", 50), rate_of("PartialDisruption", 51)) == (0.0, 0.01)


def test_regions_and_zones() -> None:
    assert zone_of({"metadata": {}}) == ""
    assert zone_of({"metadata": {"labels": {"topology.kubernetes.io/zone": "z"}}}) == ":z"


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=40))
def test_one_token_in_ten_seconds(steps: list[float]) -> None:
    limiter, now, taken = Limiter(0.1), 0.0, list[float]()
    for step in steps:
        now += step
        waits = limiter.wait(now)
        assert limiter.take(now) == (waits == 0)
        if waits == 0:
            taken.append(now)
    assert all(later - earlier >= 10 - 1e-6 for earlier, later in itertools.pairwise(taken))


def test_a_cluster_without_a_ready_node_evicts_nobody_and_goes_on_when_one_is_back() -> None:
    zones = Zones()
    for zone in ("a", "b"):
        zones.add(zone)
        zones.queue(zone, f"node-{zone}")
    assert zones.update({"a": [False], "b": [False]}, 0) == "entering"
    assert list(zones.due(100)) == []
    assert zones.wait(100) == float("inf")
    assert zones.update({"a": [False], "b": [False]}, 200) == ""
    assert zones.update({"a": [True], "b": [False]}, 300) == "leaving"
    zones.forget("node-a")
    assert 0 < zones.wait(300) <= 10
    assert list(zones.due(310)) == ["node-b"]


def test_a_zone_that_is_mostly_gone_waits_until_it_is_better() -> None:
    zones = Zones()
    zones.add("z")
    zones.queue("z", "n")
    assert zones.update({"z": [True, False, False, False]}, 0) == ""
    assert list(zones.due(1000)) == []
    zones.update({"z": [True, True, False, False]}, 1000)
    assert list(zones.due(1010)) == ["n"]
