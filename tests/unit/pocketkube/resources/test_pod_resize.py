"""The resize subresource: cpu and memory of containers, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.errors import Forbidden, Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

RESOURCES = {"limits": {"cpu": "2", "memory": "64Mi"}, "requests": {"cpu": "1", "memory": "32Mi"}}


@pytest.fixture
def held() -> Registry:
    found = registry()
    namespace(found, "test")
    containers = [
        {"name": "a", "image": "busybox:1.36", "resources": RESOURCES},
        {"name": "b", "image": "busybox:1.36"},
    ]
    found.create("pods", {"metadata": {"name": "p", "namespace": "test"}, "spec": {"containers": containers}})
    return found


def resized(held: Registry, change: Callable[[Obj], Any]) -> Obj:
    return held.patch("pods", "test", "p", change, subresource="resize")


def give(side: str, name: str, amount: str) -> Callable[[Obj], None]:
    def change(copy: Obj) -> None:
        copy["spec"]["containers"][0]["resources"].setdefault(side, {})[name] = amount

    return change


def test_cpu_and_memory_may_change(held: Registry) -> None:
    made = resized(held, give("requests", "cpu", "1500m"))
    assert made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "1500m"
    assert made["metadata"]["generation"] == 2


def test_everything_else_is_left_as_it_was(held: Registry) -> None:
    def change(copy: Obj) -> None:
        copy["spec"]["containers"][0]["image"] = "other"
        copy["spec"]["restartPolicy"] = "Never"

    made = resized(held, change)
    assert made["spec"]["containers"][0]["image"] == "busybox:1.36"
    assert (made["spec"]["restartPolicy"], made["metadata"]["generation"]) == ("Always", 1)


def _without_limits(copy: Obj) -> None:
    del copy["spec"]["containers"][0]["resources"]["limits"]["cpu"]


def _guaranteed(copy: Obj) -> None:
    for container in copy["spec"]["containers"]:
        container["resources"] = {side: {"cpu": "2", "memory": "64Mi"} for side in ("limits", "requests")}


def _one_more(copy: Obj) -> None:
    copy["spec"]["containers"].append({"name": "c", "image": "busybox:1.36"})


def _reordered(copy: Obj) -> None:
    copy["spec"]["containers"].reverse()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_without_limits, "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"),
        (_guaranteed, "Pod QOS Class may not change as a result of resizing"),
        (_one_more, "spec.containers: Forbidden: containers may not be added or removed on resize"),
        (_reordered, "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"),
        (give("requests", "ephemeral-storage", "1Gi"), "spec: Forbidden: only cpu and memory resources are mutable"),
        (give("requests", "cpu", "3"), "must be less than or equal to cpu limit of 2"),
    ],
)
def test_refused(held: Registry, change: Callable[[Obj], None], text: str) -> None:
    with pytest.raises(Invalid) as raised:
        resized(held, change)
    assert text in str(raised.value)


def test_not_through_the_pod_itself(held: Registry) -> None:
    with pytest.raises(Invalid, match="pod updates may not change fields other than"):
        held.patch("pods", "test", "p", give("requests", "cpu", "1500m"))


def test_not_beyond_what_the_node_has(held: Registry) -> None:
    held.create("nodes", {"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}}})
    held.patch("pods", "test", "p", lambda copy: copy["spec"].update(nodeName="n"), subresource="binding")

    def wanting(cpu: str) -> Callable[[Obj], None]:
        def change(copy: Obj) -> None:
            copy["spec"]["containers"][0]["resources"] = {
                "limits": {"cpu": cpu, "memory": "64Mi"},
                "requests": {"cpu": cpu, "memory": "32Mi"},
            }

        return change

    resized(held, wanting("2"))
    with pytest.raises(
        Forbidden, match="node didn't have enough allocatable resources: cpu, requested: 4000"
    ) as raised:
        resized(held, wanting("4"))
    assert raised.value.details is not None
    assert raised.value.details["causes"][0]["reason"] == "NodeCapacity"
