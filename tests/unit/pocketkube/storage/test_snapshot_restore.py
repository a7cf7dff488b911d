"""From a claim's bytes to a snapshot and back: everything that takes part runs, but the kubelet."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.storage.snapshot_world import CLAIMS, CLASS, SnapshotWorld, running

from pocketkube import objects
from pocketkube.storage.csiprovisioner import CsiProvisioner
from pocketkube.storage.csisnapshotter import CsiSnapshotter
from pocketkube.storage.driver import NAME, TOPOLOGY_KEY
from pocketkube.storage.snapshotcontroller import SnapshotController
from pocketkube.storage.snapshotprotection import SnapshotProtection
from pocketkube.storage.snapshots import CONTENTS, SNAPSHOTS

PROGRAMS = (SnapshotController, CsiSnapshotter, CsiProvisioner, SnapshotProtection)
CONTROLLERS = (
    "persistentvolume-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
)
MANY = 24 << 20
"""Bytes: more than a copy makes in one step."""


class ProvisionedWorld(SnapshotWorld):
    async def provisioned(self, name: str, *, source: str = "") -> Path:
        """A claim that gets its volume as everywhere; the folder of that."""
        self.claim(name, source=source)
        await self.until(lambda: objects.status(self.get(CLAIMS, name)).get("phase") == "Bound")
        volume = self.get("persistentvolumes", self.get(CLAIMS, name)["spec"]["volumeName"])
        return self.driver.node_publish(volume["spec"]["csi"]["volumeHandle"])


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ProvisionedWorld]:
    created = ProvisionedWorld(tmp_path / "storage", speed=50)
    created.node("worker-a")
    created.patch("nodes", "worker-a", lambda copy: copy["metadata"]["labels"].update({TOPOLOGY_KEY: "worker-a"}))
    registered = {"name": NAME, "nodeID": "worker-a", "topologyKeys": [TOPOLOGY_KEY]}
    created.create("csinodes", {"metadata": {"name": "worker-a"}, "spec": {"drivers": [registered]}})
    metadata = {"name": "csi", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    created.create("storageclasses", {"metadata": metadata, "provisioner": NAME, "volumeBindingMode": "Immediate"})
    async with running(created, *PROGRAMS, controllers=CONTROLLERS):
        await created.install()
        yield created


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_what_is_restored_are_the_bytes_of_the_snapshots_moment(world: ProvisionedWorld) -> None:
    data = await world.provisioned("data")
    (data / "sub").mkdir()
    (data / "f").write_bytes(os.urandom(100_000))
    (data / "sub" / "g").write_bytes(b"one")
    then = tree(data)
    world.snapshot()
    await world.ready()
    (data / "f").write_bytes(b"damage")
    (data / "sub" / "g").unlink()
    (data / "new").write_bytes(b"later")
    now = tree(data)
    restored = await world.provisioned("restored", source="snap")
    assert tree(restored) == then
    assert tree(data) == now
    (restored / "f").write_bytes(b"another life")
    again = await world.provisioned("again", source="snap")
    assert tree(again) == then


async def test_a_snapshot_is_restored_though_its_source_is_gone(world: ProvisionedWorld) -> None:
    data = await world.provisioned("data")
    (data / "f").write_bytes(b"kept")
    world.snapshot()
    await world.ready()
    world.delete(CLAIMS, "data")
    await world.until(lambda: world.find(CLAIMS, "data") is None and world.list("persistentvolumes") == [])
    assert not data.exists()
    assert tree(await world.provisioned("restored", source="snap")) == {"f": b"kept"}


async def test_a_volume_outlives_the_snapshot_it_was_made_of(world: ProvisionedWorld) -> None:
    data = await world.provisioned("data")
    (data / "f").write_bytes(b"one")
    world.snapshot()
    await world.ready()
    restored = await world.provisioned("restored", source="snap")
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None and world.list(CONTENTS) == [])
    assert tree(restored) == {"f": b"one"}


async def test_a_claim_asked_for_before_its_snapshot_waits_for_that(world: ProvisionedWorld) -> None:
    data = await world.provisioned("data")
    (data / "f").write_bytes(b"one")
    world.claim("early", source="snap")
    await world.settle()
    assert objects.status(world.get(CLAIMS, "early"))["phase"] == "Pending"
    world.snapshot(class_=CLASS)
    await world.until(lambda: objects.status(world.get(CLAIMS, "early")).get("phase") == "Bound")


async def test_of_a_claim_that_is_written_all_the_while_what_was_acknowledged_before_is_in_it_and_nothing_from_after(
    world: ProvisionedWorld,
) -> None:
    """Numbered lines go to a log, and each makes a file of its own; a big file keeps the copier busy meanwhile."""
    data = await world.provisioned("data")
    (data / "big").write_bytes(os.urandom(1 << 20) * (MANY >> 20))
    acknowledged = begun = 0

    async def write() -> None:
        nonlocal acknowledged, begun
        with (data / "log").open("ab", buffering=0) as log:
            while True:
                begun += 1
                log.write(b"%d\n" % begun)
                (data / f"line-{begun}").write_bytes(b"%d" % begun)
                acknowledged = begun
                await asyncio.sleep(0)

    writer = asyncio.create_task(write())
    try:
        for number in range(2):
            name = f"snap-{number}"
            before = acknowledged
            world.snapshot(name)
            await world.ready(name)
            after = begun
            await asyncio.sleep(0)
            restored = await world.provisioned(f"restored-{number}", source=name)
            lines = [int(line) for line in (restored / "log").read_bytes().split()]
            assert lines == list(range(1, len(lines) + 1))
            assert before <= len(lines) <= after
            files = {int(path.name.removeprefix("line-")) for path in restored.glob("line-*")}
            assert set(range(1, before + 1)) <= files
            assert max(files, default=0) <= after
            assert all((restored / f"line-{at}").read_bytes() == b"%d" % at for at in range(1, before + 1))
    finally:
        writer.cancel()
    assert acknowledged > 0
