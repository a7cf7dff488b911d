"""A deleted volume stays as long as it is bound."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.pocketkube.controllers.volumes import bound_to, claim, phase, volume
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.objects import Obj

NAMES = [
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-controller",
]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running(World(), NAMES) as it:
        yield it


async def test_a_free_volume_goes_at_once(world: World) -> None:
    volume(world)
    await world.until(lambda: phase(world, "v") == "Available")
    world.delete("persistentvolumes", "v")
    await world.until(lambda: world.find("persistentvolumes", "v") is None)


async def test_a_bound_volume_stays_until_its_claim_is_gone(world: World) -> None:
    volume(world)
    claim(world)
    await world.until(lambda: bound_to(world, "data") == "v")
    world.delete("persistentvolumes", "v")
    await world.settle()
    assert objects.is_terminating(world.get("persistentvolumes", "v"))
    assert phase(world, "v") == "Bound"
    world.delete("persistentvolumeclaims", "data")
    await world.until(lambda: world.find("persistentvolumes", "v") is None)


async def test_a_volume_without_the_finalizer_gets_it(world: World) -> None:
    volume(world)

    def strip(found: Obj) -> None:
        found["metadata"]["finalizers"] = ["example.com/other"]

    world.patch("persistentvolumes", "v", strip)
    wanted = ["example.com/other", "kubernetes.io/pv-protection"]
    await world.until(lambda: world.get("persistentvolumes", "v")["metadata"]["finalizers"] == wanted)
