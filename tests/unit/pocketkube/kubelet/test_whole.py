"""What a pod has as a whole: the limit of its cgroup, its status, and who is killed when all want too much."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pocketkube.clock import Clock
from pocketkube.kubelet.cgroup import Cgroup, Killed, PodCgroup, limits_of
from pocketkube.kubelet.cpu import Cpu
from pocketkube.kubelet.environment import most_of
from pocketkube.kubelet.whole import memory_limit, status
from pocketkube.objects import Obj

MIB = 1 << 20


def spec(*of_containers: Obj, whole: Obj | None = None, **more: Any) -> Obj:
    found: Obj = {"containers": [{"name": "c", "resources": resources} for resources in of_containers], **more}
    return found if whole is None else {**found, "resources": whole}


def asks(**amounts: str) -> Obj:
    return {"requests": amounts}


def has(**amounts: str) -> Obj:
    return {"limits": amounts, "requests": amounts}


@pytest.mark.parametrize(
    ("made", "limit"),
    [
        (spec({}), None),
        (spec(has(memory="8Mi")), 8 * MIB),
        (spec(has(memory="8Mi"), has(memory="4Mi")), 12 * MIB),
        (spec(has(memory="8Mi"), {}), None),  # not all have one
        (spec(has(memory="8Mi"), {}, whole=has(memory="16Mi")), 16 * MIB),
        (spec({}, whole=has(cpu="1")), None),
        (spec(has(memory="8Mi"), whole=has(memory="0")), 0),
        (spec(has(memory="8Mi"), initContainers=[{"name": "i", "resources": has(memory="32Mi")}]), 32 * MIB),
    ],
)
def test_the_limit_of_all_containers_together(made: Obj, limit: int | None) -> None:
    assert memory_limit(made) == limit


@pytest.mark.parametrize(
    ("made", "pending", "running"),
    [
        (spec({}), {"resources": {}}, {"resources": {}}),
        (
            spec(has(cpu="1", memory="8Mi")),
            {"allocatedResources": {"cpu": "1", "memory": "8Mi"}, "resources": has(cpu="1", memory="8Mi")},
            {"allocatedResources": {"cpu": "1", "memory": "8Mi"}, "resources": has(cpu="1", memory="8Mi")},
        ),
        (  # a limit of one of two is none of both; what is no part of a cgroup is not told of it
            spec(has(cpu="1"), asks(cpu="500m", **{"ephemeral-storage": "1Gi"})),
            {
                "allocatedResources": {"cpu": "1500m", "ephemeral-storage": "1Gi"},
                "resources": {"limits": {"cpu": "1"}, **asks(cpu="1500m", **{"ephemeral-storage": "1Gi"})},
            },
            {
                "allocatedResources": {"cpu": "1500m", "ephemeral-storage": "1Gi"},
                "resources": asks(cpu="1500m"),
            },
        ),
        (  # too little for a cgroup to tell
            spec(asks(cpu="1m")),
            {"allocatedResources": {"cpu": "1m"}, "resources": asks(cpu="1m")},
            {"allocatedResources": {"cpu": "1m"}, "resources": {}},
        ),
        (
            spec({}, asks(memory="8Mi"), whole={"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}),
            {
                "allocatedResources": {"cpu": "1", "memory": "8Mi"},
                "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1", "memory": "8Mi"}},
            },
            {
                "allocatedResources": {"cpu": "1", "memory": "8Mi"},
                "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1", "memory": "8Mi"}},
            },
        ),
    ],
)
def test_the_status_tells_it(made: Obj, pending: Obj, running: Obj) -> None:
    assert status(made, made, running=False) == pending
    assert status(made, made, running=True) == running


def test_what_has_no_limit_has_that_of_the_pod() -> None:
    whole = has(cpu="2", memory="64Mi")
    assert (limits_of({}, whole).cpu, limits_of({}, whole).memory) == (2.0, 64 * MIB)
    own = limits_of(has(cpu="1", memory="8Mi"), whole)
    assert (own.cpu, own.weight, own.memory) == (1.0, 1000, 8 * MIB)


def test_what_a_resource_field_tells_without_a_limit() -> None:
    node = {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "100Gi"}
    assert most_of(spec({}), node) == node
    assert most_of(spec({}, whole={"limits": {"cpu": "2", "memory": "0"}}), node) == {**node, "cpu": "2"}


def members(pod: PodCgroup, *sizes: int, scores: tuple[int, ...] = (0, 0)) -> tuple[list[Cgroup], list[int]]:
    """Running containers that hold so many MiB, and the numbers of those that are killed."""
    killed: list[int] = []
    made = []
    for number, (size, score) in enumerate(zip(sizes, scores, strict=True)):
        account = Cpu(Clock()).account()
        cgroup = Cgroup(account, pod, base=size * MIB, oom_score_adj=score, kill=partial(killed.append, number))
        cgroup.fork()
        made.append(cgroup)
    return made, killed


def test_the_largest_is_killed_when_all_together_want_too_much() -> None:
    pod = PodCgroup()
    pod.limit = 10 * MIB
    (small, large), killed = members(pod, 3, 6)
    assert pod.memory == 9 * MIB
    small.grow(MIB)
    assert killed == []
    small.grow(MIB)
    assert (killed, large.oom_kills, small.oom_kills) == ([1], 1, 0)
    large.exit()
    assert pod.memory == 5 * MIB


def test_the_one_that_asks_may_be_the_largest() -> None:
    pod = PodCgroup()
    pod.limit = 10 * MIB
    (_, large), killed = members(pod, 3, 6)
    with pytest.raises(Killed):
        large.grow(2 * MIB)
    assert (killed, large.memory) == ([1], 6 * MIB)


def test_a_worse_score_outweighs_size() -> None:
    pod = PodCgroup()
    pod.limit = 10 * MIB
    (small, _), killed = members(pod, 3, 6, scores=(999, 3))
    with pytest.raises(Killed):
        small.grow(2 * MIB)
    assert killed == [0]
