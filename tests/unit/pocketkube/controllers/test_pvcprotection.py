"""A deleted claim stays as long as a pod on a node mentions it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.pocketkube.controllers.volumes import claim
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.objects import Obj

NAMES = ["persistentvolumeclaim-protection-controller", "serviceaccount-controller"]
MOUNT = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    created = World()
    created.node("worker")
    created.stubborn = True
    async with running(created, NAMES) as it:
        await it.until(lambda: it.find("serviceaccounts", "default") is not None)
        yield it


def is_going(world: World) -> bool:
    return objects.is_terminating(world.get("persistentvolumeclaims", "data"))


def is_gone(world: World) -> bool:
    return world.find("persistentvolumeclaims", "data") is None


async def test_a_claim_nobody_uses_goes_at_once(world: World) -> None:
    claim(world)
    world.delete("persistentvolumeclaims", "data")
    await world.until(lambda: is_gone(world))


async def test_a_claim_stays_until_the_pod_that_uses_it_is_gone(world: World) -> None:
    claim(world)
    world.pod("user", nodeName="worker", **MOUNT)
    world.delete("persistentvolumeclaims", "data")
    await world.settle()
    assert is_going(world)
    world.delete("pods", "user")
    await world.settle()
    assert is_going(world), "its containers may still write"
    world.bury("user")
    await world.until(lambda: is_gone(world))


async def test_a_finished_pod_still_keeps_its_claim(world: World) -> None:
    claim(world)
    world.pod("user", nodeName="worker", **MOUNT)
    world.set_ready("user", False, phase="Succeeded")
    world.delete("persistentvolumeclaims", "data")
    await world.settle()
    assert is_going(world)


async def test_a_pod_on_no_node_keeps_nothing(world: World) -> None:
    claim(world)
    world.pod("waiting", schedulerName="nobody", **MOUNT)
    world.delete("persistentvolumeclaims", "data")
    await world.until(lambda: is_gone(world))


async def test_a_claim_of_another_name_or_namespace_is_not_kept(world: World) -> None:
    claim(world)
    world.pod("other", nodeName="worker", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "else"}}])
    world.delete("persistentvolumeclaims", "data")
    await world.until(lambda: is_gone(world))


async def test_the_claim_of_an_ephemeral_volume_is_let_go_by_a_pod_that_is_shut_down(world: World) -> None:
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}]
    pod = world.create(
        "pods",
        {
            "metadata": {"name": "p", "finalizers": ["example.com/stays"]},
            "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "worker", "volumes": volumes},
        },
    )
    claim(world, "p-data", owners=[objects.owner_reference(pod)])
    world.delete("persistentvolumeclaims", "p-data")
    await world.settle()
    assert world.find("persistentvolumeclaims", "p-data") is not None
    world.delete("pods", "p", grace=0)  # the pod stays, for its own finalizer
    await world.until(lambda: world.find("persistentvolumeclaims", "p-data") is None)
    assert world.find("pods", "p") is not None


async def test_a_claim_without_the_finalizer_gets_it(world: World) -> None:
    claim(world)

    def strip(found: Obj) -> None:
        found["metadata"]["finalizers"] = ["example.com/other"]

    world.patch("persistentvolumeclaims", "data", strip)
    await world.until(
        lambda: (
            world.get("persistentvolumeclaims", "data")["metadata"]["finalizers"]
            == ["example.com/other", "kubernetes.io/pvc-protection"]
        )
    )
