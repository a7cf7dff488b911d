"""VolumeAttributesClasses stay while a claim or a volume names them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.objects import Obj

PROTECTION = "kubernetes.io/vac-protection"


def vac(world: World, name: str = "fast") -> Obj:
    return world.create(
        "volumeattributesclasses",
        {"metadata": {"name": name}, "driverName": "hostpath.csi.k8s.io", "parameters": {"type": name}},
    )


def claim(world: World, name: str = "data", **spec: Any) -> Obj:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    return world.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": {**body, **spec}})


def volume(world: World, name: str = "pv", **spec: Any) -> Obj:
    body = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "csi": {"driver": "hostpath.csi.k8s.io", "volumeHandle": "a"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    return world.create("persistentvolumes", {"metadata": {"name": name}, "spec": {**body, **spec}})


def terminating(world: World, name: str = "fast") -> bool:
    found = world.find("volumeattributesclasses", name)
    return found is not None and objects.is_terminating(found)


def gone(world: World, name: str = "fast") -> bool:
    return world.find("volumeattributesclasses", name) is None


def strip(copy: Obj) -> None:
    copy["metadata"].pop("finalizers", None)


def force_out(world: World, resource: str, name: str) -> None:
    """Delete it whatever other controllers think of it."""
    world.delete(resource, name)
    if world.find(resource, name) is not None:
        world.patch(resource, name, strip)


def test_a_class_is_made_with_the_finalizer() -> None:
    world = World()
    assert vac(world)["metadata"]["finalizers"] == [PROTECTION]


async def test_the_finalizer_comes_back_when_somebody_takes_it(world: World) -> None:
    vac(world)
    world.patch("volumeattributesclasses", "fast", strip)
    await world.until(
        lambda: world.get("volumeattributesclasses", "fast")["metadata"].get("finalizers") == [PROTECTION]
    )


async def test_a_class_that_nobody_names_goes(world: World) -> None:
    vac(world)
    claim(world, volumeAttributesClassName="other")
    world.delete("volumeattributesclasses", "fast")
    await world.until(lambda: gone(world))


async def test_a_class_stays_while_a_claim_asks_for_it(world: World) -> None:
    vac(world)
    claim(world, volumeAttributesClassName="fast")
    world.delete("volumeattributesclasses", "fast")
    await world.settle()
    assert terminating(world)
    force_out(world, "persistentvolumeclaims", "data")
    await world.until(lambda: gone(world))


async def test_a_class_stays_while_a_volume_has_it(world: World) -> None:
    vac(world)
    volume(world, volumeAttributesClassName="fast")
    world.delete("volumeattributesclasses", "fast")
    await world.settle()
    assert terminating(world)
    force_out(world, "persistentvolumes", "pv")
    await world.until(lambda: gone(world))


@pytest.mark.parametrize(
    "status",
    [
        {"currentVolumeAttributesClassName": "fast"},
        {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "fast", "status": "InProgress"}},
    ],
)
async def test_a_class_stays_while_a_claim_has_it_or_is_changed_to_it(world: World, status: Obj) -> None:
    vac(world)
    volume(world)
    claim(world)
    await world.until(lambda: world.get("persistentvolumeclaims", "data")["status"]["phase"] == "Bound")

    def name_it(copy: Obj) -> None:
        copy["status"].update(status)

    def forget_it(copy: Obj) -> None:
        for field in status:
            del copy["status"][field]

    world.patch("persistentvolumeclaims", "data", name_it, subresource="status")
    world.delete("volumeattributesclasses", "fast")
    await world.settle()
    assert terminating(world)
    world.patch("persistentvolumeclaims", "data", forget_it, subresource="status")
    await world.until(lambda: gone(world))
