"""The sidecar beside a driver that says no, is slow, or dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.storage.snapshot_world import SnapshotWorld, running

from pocketkube import objects
from pocketkube.storage.driver import NAME, HostPathDriver, RpcError, Snapshot
from pocketkube.storage.snapshots import BEING_CREATED, CLASSES, CONTENTS, SECRET_NAME, SECRET_NAMESPACE, SNAPSHOTS


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
    await world.until(lambda: objects.annotations(world.content()) == {})


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
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)


def secret_class(world: SnapshotWorld, name: str, **parameters: str) -> None:
    named = {f"csi.storage.k8s.io/{key.replace('_', '-')}": value for key, value in parameters.items()}
    world.create(
        CLASSES,
        {"metadata": {"name": name}, "driver": NAME, "deletionPolicy": "Delete", "parameters": named},
    )


async def test_the_secret_a_class_names_must_be_there_to_cut_and_to_delete(world: SnapshotWorld) -> None:
    names = {
        "snapshotter_secret_name": "${volumesnapshot.name}-key",
        "snapshotter_secret_namespace": "${volumesnapshot.namespace}",
    }
    secret_class(world, "locked", **names)
    world.snapshot(class_="locked")
    message = await world.fails("snap")
    name = objects.name(world.content())
    assert message == (
        f"Failed to create snapshot: failed to get input parameters to create snapshot for content {name}: "
        f'"cannot get credentials for snapshot content \\"{name}\\""'
    )
    world.create("secrets", {"metadata": {"name": "snap-key"}})
    await world.ready()
    assert objects.annotations(world.content()) == {SECRET_NAME: "snap-key", SECRET_NAMESPACE: "test"}
    world.delete("secrets", "snap-key")
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: bool(world.events(name, reason="SnapshotDeleteError")))
    assert world.events(name, reason="SnapshotDeleteError") == ["Failed to get snapshot credentials"]
    world.create("secrets", {"metadata": {"name": "snap-key"}})
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)


async def test_secrets_that_are_named_badly(world: SnapshotWorld) -> None:
    secret_class(world, "half", snapshotter_secret_name="key")
    secret_class(world, "token", snapshotter_secret_name="${pvc.name}", snapshotter_secret_namespace="test")
    world.snapshot("half", class_="half")
    world.snapshot("token", class_="token")
    failed = "Failed to create snapshot content with error failed to get input parameters to create snapshot"
    half = "either name and namespace for Snapshotter secrets specified, Both must be specified"
    assert await world.fails("half") == (
        f'{failed} half: "failed to get name and namespace template from params: {half}"'
    )
    token = r"error resolving value \"${pvc.name}\": invalid tokens: [\"pvc.name\"]"
    assert await world.fails("token") == f'{failed} token: "{token}"'
