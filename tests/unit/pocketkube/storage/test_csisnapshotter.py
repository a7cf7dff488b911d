"""The sidecar beside a driver that says no, is slow, or dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.storage.snapshot_world import SnapshotWorld, running

from pocketkube import objects
from pocketkube.storage.driver import HostPathDriver, RpcError, Snapshot
from pocketkube.storage.snapshots import BEING_CREATED, CLASSES, CONTENTS, SNAPSHOTS


class MoodyDriver(HostPathDriver):
    """Refuses with `errors` first, one call after the other; `gate` keeps what is being cut waiting."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.errors: list[RpcError] = []
        self.names: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def create_snapshot(self, name: str, volume_id: str) -> Snapshot:
        self.names.append(name)
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return await super().create_snapshot(name, volume_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        super().delete_snapshot(snapshot_id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SnapshotWorld]:
    created = SnapshotWorld(tmp_path / "storage", speed=50)
    created.driver = MoodyDriver(tmp_path / "storage")
    async with running(created) as it:
        await it.install()
        await it.bound_claim()
        yield it


def moody(world: SnapshotWorld) -> MoodyDriver:
    assert isinstance(world.driver, MoodyDriver)
    return world.driver


async def test_a_refusal_is_told_and_tried_again(world: SnapshotWorld) -> None:
    moody(world).errors = [RpcError("Internal", "disk is full")] * 2
    snapshot = world.snapshot()
    refused = (
        f'failed to take snapshot of the volume {world.handle()}: "rpc error: code = Internal desc = disk is full"'
    )
    assert await world.fails("snap") == f"Failed to create snapshot: {refused}"
    assert BEING_CREATED not in objects.annotations(world.content())
    await world.ready()
    assert "error" not in world.status()
    assert "error" not in objects.status(world.content())
    name = objects.name(world.content())
    assert world.events(name, reason="SnapshotCreationFailed") == [f"Failed to create snapshot: {refused}"]
    assert world.events(name, reason="SnapshotContentCheckandUpdateFailed") == [
        f"Failed to check and update snapshot content: {refused}"
    ]
    assert moody(world).names == [f"snapshot-{objects.uid(snapshot)}"] * 3


async def test_its_own_complaint_does_not_bring_it_back_before_the_time(world: SnapshotWorld) -> None:
    moody(world).errors = [RpcError("Internal", "no")]
    world.snapshot()
    started = world.registry.clock.monotonic()
    await world.ready()
    assert world.registry.clock.monotonic() - started >= 1.0


async def test_after_an_answer_that_is_not_final_the_content_stays_until_there_is_one(world: SnapshotWorld) -> None:
    moody(world).errors = [RpcError("DeadlineExceeded", "slow")]
    world.snapshot()
    await world.fails("snap")
    assert objects.annotations(world.content()) == {BEING_CREATED: "yes"}
    await world.ready()
    await world.settle()
    assert objects.annotations(world.content()) == {}


async def test_a_snapshot_deleted_while_it_is_cut_is_cut_and_then_deleted(world: SnapshotWorld) -> None:
    moody(world).gate.clear()
    world.snapshot()
    await world.until(lambda: bool(moody(world).names))
    assert objects.annotations(world.content()) == {BEING_CREATED: "yes"}
    world.delete(SNAPSHOTS, "snap")
    await world.settle()
    assert world.find(SNAPSHOTS, "snap") is not None
    moody(world).gate.set()
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)
    assert world.list(CONTENTS) == []
    assert not list(world.driver.folder.glob("snapshots/*"))


async def test_what_cannot_be_deleted_is_tried_again(world: SnapshotWorld) -> None:
    world.snapshot()
    await world.ready()
    name = objects.name(world.content())
    moody(world).errors = [RpcError("Internal", "busy")]
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: bool(world.events(name, reason="SnapshotDeleteError")))
    assert world.events(name, reason="SnapshotDeleteError") == ["Failed to delete snapshot"]
    assert world.find(SNAPSHOTS, "snap") is not None
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)


async def test_the_death_of_the_process_while_cutting(tmp_path: Path) -> None:
    world = SnapshotWorld(tmp_path / "storage", speed=50)
    world.driver = MoodyDriver(tmp_path / "storage")
    async with running(world):
        await world.install()
        folder = await world.bound_claim()
        (folder / "f").write_text("one")
        moody(world).gate.clear()
        world.snapshot()
        await world.until(lambda: bool(moody(world).names))
    world.driver = HostPathDriver(tmp_path / "storage")
    world.driver.recover()
    async with running(world):
        await world.ready()
    made = list((tmp_path / "storage" / "snapshots").iterdir())
    assert [(path / "data" / "f").read_text() for path in made] == ["one"]


async def test_parameters_for_the_sidecar_that_it_does_not_know(world: SnapshotWorld) -> None:
    parameters = {"csi.storage.k8s.io/colour": "blue"}
    class_ = {"metadata": {"name": "odd"}, "driver": "hostpath.csi.k8s.io", "deletionPolicy": "Delete"}
    world.create(CLASSES, {**class_, "parameters": parameters})
    world.snapshot(class_="odd")
    assert await world.fails("snap") == (
        "Failed to create snapshot: failed to remove CSI Parameters of prefixed keys: found unknown parameter key "
        '"csi.storage.k8s.io/colour" with reserved namespace csi.storage.k8s.io/'
    )
