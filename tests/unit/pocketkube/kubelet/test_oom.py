"""oom_score_adj: who is killed first when memory runs out."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.kubelet.oom import score_adjustment
from pocketkube.objects import Obj

GIB = 1 << 30
CAPACITY = 10 * GIB


def asking(memory: str | None, **fields: Any) -> Obj:
    resources = {"requests": {"memory": memory}} if memory else {}
    return {"name": "c", "resources": resources, **fields}


def adjusted(quality: str, container: Obj, *others: Obj, init: tuple[Obj, ...] = (), **spec: Any) -> int:
    found = {"containers": [*others] if container in init else [container, *others], **spec}
    if init:
        found["initContainers"] = list(init)
    return score_adjustment({"status": {"qosClass": quality}}, found, container, CAPACITY)


@pytest.mark.parametrize(
    ("quality", "memory", "score"),
    [
        ("Guaranteed", "1Gi", -997),
        ("BestEffort", None, 1000),
        ("Burstable", "1Gi", 900),
        ("Burstable", None, 999),
        ("Burstable", "10Gi", 3),
    ],
)
def test_by_quality_and_what_is_asked_for(quality: str, memory: str | None, score: int) -> None:
    assert adjusted(quality, asking(memory)) == score


def test_a_node_critical_pod_goes_last() -> None:
    critical = {"priority": 2_000_001_000, "priorityClassName": "system-node-critical"}
    assert adjusted("BestEffort", asking(None), **critical) == -997
    assert adjusted("BestEffort", asking(None), priority=2_000_000_000, priorityClassName="other") == 1000


def test_a_sidecar_goes_no_sooner_than_the_containers_it_serves() -> None:
    sidecar = asking("1Gi", restartPolicy="Always")
    assert adjusted("Burstable", sidecar, asking("3Gi"), asking("2Gi"), init=(sidecar,)) == 800
    assert adjusted("Burstable", sidecar, asking(None), init=(sidecar,)) == 900


def test_what_the_pod_asks_for_beyond_its_containers_is_shared_out() -> None:
    whole = {"resources": {"requests": {"memory": "4Gi"}}}
    assert adjusted("Burstable", asking("1Gi"), asking("1Gi"), **whole) == 800


async def test_processes_see_theirs(busy: Any) -> None:
    command = ["sleep", "1000"]
    guaranteed = {"limits": {"cpu": "100m", "memory": "16Mi"}}
    busy.create("g", {"image": "busybox:1.36", "command": command, "resources": guaranteed})
    busy.create("b", {"image": "busybox:1.36", "command": command})
    for name, score in (("g", "-997"), ("b", "1000")):
        await busy.ready(name)
        assert await busy.exec(name, "cat", "/proc/1/oom_score_adj", "/proc/self/oom_score_adj") == (
            0,
            f"{score}\n{score}\n",
        )
