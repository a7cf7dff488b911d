"""Which pods go first."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube import objects
from pocketkube.controllers import ranking
from pocketkube.duration import parse_time
from pocketkube.objects import Obj

NOW = parse_time("2026-02-01T00:00:00Z").timestamp()


def ranked(*pods: Obj, related: tuple[Obj, ...] = ()) -> list[str]:
    return [objects.name(pod) for pod in ranking.by_use(pods, [*pods, *related], NOW)]


def a_pod(name: str, node: str = "n", phase: str = "Running", ready: str = "2026-01-01T00:00:00Z", **meta: Any) -> Obj:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z", **meta},
        "spec": {"nodeName": node},
        "status": {"phase": phase, "conditions": conditions, "containerStatuses": [{"restartCount": 0}]},
    }


def restarted(pod: Obj, times: int) -> Obj:
    pod["status"]["containerStatuses"][0]["restartCount"] = times
    return pod


def test_how_far_it_has_come() -> None:
    pending, unknown = a_pod("pending", phase="Pending", ready=""), a_pod("unknown", phase="Unknown", ready="")
    unready = a_pod("unready", ready="")
    cheap = a_pod("cheap", annotations={ranking.DELETION_COST: "-1"})
    odd = a_pod("odd", annotations={ranking.DELETION_COST: "much"})
    dear, unplaced = (
        a_pod("dear", annotations={ranking.DELETION_COST: "7"}),
        a_pod("unplaced", node="", phase="Pending"),
    )
    expected = ["unplaced", "pending", "unknown", "unready", "cheap", "odd", "dear"]
    assert ranked(dear, odd, cheap, unready, unknown, pending, unplaced) == expected


def test_crowded_nodes_before_free_ones() -> None:
    crowded = [a_pod("a", node="full"), a_pod("b", node="full")]
    alone = a_pod("alone", node="free", ready="2026-01-31T00:00:00Z")
    assert ranked(alone, *crowded)[-1] == "alone"


@pytest.mark.parametrize("field", ["ready", "creationTimestamp"])
def test_the_younger_goes_where_the_ages_differ_much(field: str) -> None:
    young, old = a_pod("young", **{field: "2026-01-31T00:00:00Z"}), a_pod("old", **{field: "2026-01-01T00:00:00Z"})
    assert ranked(old, young) == ["young", "old"]


@pytest.mark.parametrize("field", ["ready", "creationTimestamp"])
def test_chance_decides_among_those_of_about_the_same_age(field: str) -> None:
    """27 and 31 days are of one order of magnitude: 2 to the power of 51 nanoseconds are 26 days."""
    a, b = a_pod("a", **{field: "2026-01-01T00:00:00Z"}), a_pod("b", **{field: "2026-01-05T00:00:00Z"})
    assert ranked(a, b) == ranked(b, a) == ["a", "b"]
    a["metadata"]["uid"], b["metadata"]["uid"] = "2", "1"
    assert ranked(a, b) == ranked(b, a) == ["b", "a"]


def test_of_the_same_moment_the_one_that_was_restarted_more_often() -> None:
    assert ranked(a_pod("plain"), restarted(a_pod("restarted"), 3)) == ["restarted", "plain"]
    sidecars = [{"name": "s", "restartPolicy": "Always"}, {"name": "i"}]
    one, other = a_pod("one"), a_pod("other")
    for pod, counts in ((one, {"s": 1, "i": 0}), (other, {"s": 0, "i": 9})):
        pod["spec"]["initContainers"] = sidecars
        pod["status"]["initContainerStatuses"] = [{"name": n, "restartCount": c} for n, c in counts.items()]
    assert ranked(other, one) == ["one", "other"]


def test_a_pod_that_is_not_made_yet_goes_first() -> None:
    fresh = a_pod("fresh", creationTimestamp=None)
    assert ranked(a_pod("old"), fresh) == ["fresh", "old"]


def test_jobs_give_up_the_youngest() -> None:
    young, old = a_pod("young", ready="2026-01-02T00:00:00Z"), a_pod("old", annotations={ranking.DELETION_COST: "-5"})
    assert [objects.name(pod) for pod in ranking.by_progress([old, young])] == ["young", "old"]
