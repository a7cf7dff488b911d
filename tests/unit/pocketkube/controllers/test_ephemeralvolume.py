"""The claims of generic ephemeral volumes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.pocketkube.controllers.volumes import claim
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects

TEMPLATE = {
    "metadata": {"labels": {"app": "p"}, "annotations": {"note": "scratch"}},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
SCRATCH = {"volumes": [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": TEMPLATE}}]}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    names = ["ephemeral_volume", "garbage-collector-controller", "serviceaccount-controller"]
    async with running(World(), [*names, "persistentvolumeclaim-protection-controller"]) as it:
        await it.until(lambda: it.find("serviceaccounts", "default") is not None)
        yield it


async def test_the_claim_is_made_as_the_template_says_and_goes_with_the_pod(world: World) -> None:
    pod = world.pod("p", schedulerName="nobody", **SCRATCH)
    await world.until(lambda: world.find("persistentvolumeclaims", "p-scratch") is not None)
    made = world.get("persistentvolumeclaims", "p-scratch")
    assert made["metadata"]["ownerReferences"] == [objects.owner_reference(pod)]
    assert (objects.labels(made), objects.annotations(made)) == ({"app": "p"}, {"note": "scratch"})
    assert made["spec"]["resources"] == {"requests": {"storage": "1Gi"}}
    assert made["spec"]["storageClassName"] == "fast"
    world.delete("pods", "p", grace=0)
    await world.until(lambda: world.find("persistentvolumeclaims", "p-scratch") is None)


async def test_a_claim_somebody_else_made_is_not_taken(world: World) -> None:
    claim(world, "p-scratch")
    world.pod("p", schedulerName="nobody", **SCRATCH)
    await world.until(lambda: world.events("p") != [])
    assert world.events("p", reason="FailedBinding") == [
        "ephemeral volume scratch: PVC test/p-scratch was not created for pod test/p (pod is not owner)"
    ]
    world.delete("persistentvolumeclaims", "p-scratch")
    await world.until(
        lambda: (
            (found := world.find("persistentvolumeclaims", "p-scratch")) is not None
            and objects.controller_ref(found) is not None
        )
    )


async def test_a_claim_deleted_under_a_pod_that_waits_is_made_again(world: World) -> None:
    world.pod("p-with-dashes", schedulerName="nobody", **SCRATCH)
    name = "p-with-dashes-scratch"
    await world.until(lambda: world.find("persistentvolumeclaims", name) is not None)
    first = objects.uid(world.get("persistentvolumeclaims", name))
    world.delete("persistentvolumeclaims", name)
    await world.until(
        lambda: (
            (found := world.find("persistentvolumeclaims", name)) is not None and objects.uid(found) not in ("", first)
        )
    )


async def test_other_volumes_are_left_alone(world: World) -> None:
    world.pod("p", schedulerName="nobody", volumes=[{"name": "d", "emptyDir": {}}])
    await world.settle()
    assert world.list("persistentvolumeclaims") == []
