"""A claim that grows is told that a program outside makes its volume grow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from tests.unit.pocketkube.controllers.volumes import bound_to, claim, made_for, storage_class, volume
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.objects import Obj

TEXT = "waiting for an external controller to expand this PVC"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running(World(), ["volume_expand", "persistentvolume-controller"]) as it:
        storage_class(it, allowVolumeExpansion=True)
        wanted = claim(it, storageClassName="fast")
        volume(it, **made_for(wanted, "v"))
        await it.until(lambda: bound_to(it, "data") == "v")
        yield it


def ask(size: str) -> Callable[[Obj], None]:
    def change(found: Obj) -> None:
        found["spec"]["resources"]["requests"]["storage"] = size

    return change


async def test_a_grown_claim_is_told_once_and_its_volume_is_left_alone(world: World) -> None:
    await world.settle()
    assert world.events("data", reason="ExternalExpanding") == []
    before = objects.copy(world.get("persistentvolumes", "v"))
    world.patch("persistentvolumeclaims", "data", ask("2Gi"))
    await world.until(lambda: world.events("data", reason="ExternalExpanding") == [TEXT])
    await world.settle()
    event = next(e for e in world.list("events") if e["reason"] == "ExternalExpanding")
    assert (event["count"], event["type"], event["source"]["component"]) == (1, "Normal", "volume_expand")
    assert world.get("persistentvolumes", "v") == before


async def test_what_has_grown_enough_is_told_nothing(world: World) -> None:
    def grown(found: Obj) -> None:
        found["status"]["capacity"]["storage"] = "5Gi"

    world.patch("persistentvolumeclaims", "data", grown, subresource="status")
    world.patch("persistentvolumeclaims", "data", ask("3Gi"))
    await world.settle()
    assert world.events("data", reason="ExternalExpanding") == []
