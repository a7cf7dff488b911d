"""CSIStorageCapacity objects follow classes and nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.storage.storage_world import StorageWorld, running

from pocketkube import objects
from pocketkube.storage.driver import TOPOLOGY_KEY

CAPACITIES = "csistoragecapacities"
DELAYED = {"volumeBindingMode": "WaitForFirstConsumer"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StorageWorld]:
    async with running(StorageWorld(tmp_path), "csi-capacity", controllers_too=False) as it:
        yield it


def shown(world: StorageWorld) -> list[tuple[str, str]]:
    """(class, node) of each, in order."""
    found = world.client.list(CAPACITIES, "default")
    return sorted((c["storageClassName"], c["nodeTopology"]["matchLabels"][TOPOLOGY_KEY]) for c in found)


async def test_there_is_one_for_each_class_that_waits_and_each_node(world: StorageWorld) -> None:
    world.storage_class("late", **DELAYED)
    world.storage_class("other", "example.com/other", **DELAYED)
    allowed = [{"matchLabelExpressions": [{"key": TOPOLOGY_KEY, "values": ["worker-b"]}]}]
    world.storage_class("there", **DELAYED, allowedTopologies=allowed)
    expected = [("late", "worker-a"), ("late", "worker-b"), ("there", "worker-b")]
    await world.until(lambda: shown(world) == expected)
    found = world.client.list(CAPACITIES, "default")[0]
    assert (found["capacity"], found["maximumVolumeSize"]) == ("1Ti", "1Ti")
    assert objects.name(found).startswith("csisc-")
    assert objects.labels(found) == {
        "csi.storage.k8s.io/drivername": "hostpath.csi.k8s.io",
        "csi.storage.k8s.io/managed-by": "external-provisioner",
    }


async def test_they_go_with_class_and_node_and_come_back(world: StorageWorld) -> None:
    world.storage_class("late", **DELAYED)
    both = [("late", "worker-a"), ("late", "worker-b")]
    await world.until(lambda: shown(world) == both)
    world.client.delete(CAPACITIES, objects.key(world.client.list(CAPACITIES, "default")[0]))
    await world.until(lambda: shown(world) == both)
    wrong = world.client.list(CAPACITIES, "default")[0]
    world.client.patch(CAPACITIES, objects.key(wrong), lambda c: c.update(capacity="1Gi"))
    await world.until(lambda: {c["capacity"] for c in world.client.list(CAPACITIES)} == {"1Ti"})
    world.delete("csinodes", "worker-a")
    await world.until(lambda: shown(world) == both[1:])
    world.csinode("worker-a")
    await world.until(lambda: shown(world) == both)
    world.delete("storageclasses", "late")
    await world.until(lambda: shown(world) == [])
