"""The arithmetic of rollouts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import objects
from pocketkube.controllers import rollout
from pocketkube.objects import Obj


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%") -> Obj:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return {"metadata": {"name": "d"}, "spec": {"replicas": replicas, "strategy": strategy}}


def replicaset(name: str, replicas: int, most: int, created: str = "2026-01-01T00:00:00Z") -> Obj:
    annotations = {rollout.MAX_REPLICAS: str(most)}
    return {
        "metadata": {"name": name, "creationTimestamp": created, "annotations": annotations},
        "spec": {"replicas": replicas},
    }


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (2, 0, "1%", (0, 1)),
        (1, 0, "1%", (0, 1)),
        (2, "1%", "25%", (1, 0)),
        (1, "1%", 0, (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (3, 1, 5, (1, 3)),
        (0, 1, 1, (1, 0)),
    ],
)
def test_bounds(replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]) -> None:
    found = deployment(replicas, surge, unavailable)
    assert (rollout.surge(found), rollout.max_unavailable(found)) == expected


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    replicas=st.integers(0, 100),
    surge=st.integers(0, 10),
)
def test_proportional_sizes_add_up(sizes: list[int], replicas: int, surge: int) -> None:
    sets = [replicaset(f"rs-{i}", size, sum(sizes)) for i, size in enumerate(sizes)]
    found = deployment(replicas, surge, 1)
    chosen = [size for _, size in rollout.proportional_sizes(found, sets)]
    allowed = replicas + surge if replicas else 0
    assert all(size >= 0 for size in chosen)
    if allowed >= sum(sizes):
        assert sum(chosen) == allowed
    else:  # what rounding leaves over is taken from the largest set, which cannot give more than it has
        assert allowed <= sum(chosen) < sum(sizes)
        assert sum(chosen) == allowed or 0 in chosen


def test_hash_is_stable_and_spelled_safely() -> None:
    one = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    same = {"spec": {"containers": [{"image": "i", "name": "c"}]}, "metadata": {"labels": {"a": "b"}}}
    assert rollout.template_hash(one, None) == rollout.template_hash(same, None)
    assert rollout.template_hash(one, None) != rollout.template_hash(one, 1)
    assert set(rollout.template_hash(one, None)) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_revision_history_is_kept_short() -> None:
    annotations: dict[str, str] = {}
    for number in range(1, 1000):
        annotations = rollout.new_annotations(deployment(1), annotations, number)
    history = annotations[rollout.REVISION_HISTORY]
    assert len(history) <= rollout.HISTORY_LENGTH
    assert history.endswith("997,998")


def test_annotations_of_the_deployment_are_copied_but_not_its_own_bookkeeping() -> None:
    found = deployment(1)
    found["metadata"]["annotations"] = {"team": "blue", objects.LAST_APPLIED: "{}", rollout.REVISION: "9"}
    assert rollout.new_annotations(found, {}, 1) == {"team": "blue", rollout.REVISION: "1"}
