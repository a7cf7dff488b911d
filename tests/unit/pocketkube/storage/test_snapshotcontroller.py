"""VolumeSnapshots from wish to end, with the real driver's bytes; claims are bound by the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import NAMESPACE
from tests.unit.pocketkube.storage.snapshot_world import CLAIMS, CLASS, SnapshotWorld, running

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.storage.csisnapshotter import CsiSnapshotter
from pocketkube.storage.snapshotcontroller import SnapshotController
from pocketkube.storage.snapshots import (
    BEING_DELETED,
    BOUND_FINALIZER,
    CLAIM_FINALIZER,
    CLASSES,
    CONTENT_FINALIZER,
    CONTENTS,
    SNAPSHOTS,
    SOURCE_FINALIZER,
)

CONTROLLER_ALONE = (SnapshotController,)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SnapshotWorld]:
    async with running(SnapshotWorld(tmp_path / "storage", speed=50)) as it:
        await it.install()
        yield it


def finalizers(obj: Obj) -> list[str]:
    return list(obj["metadata"].get("finalizers") or ())


def saved(world: SnapshotWorld, name: str = "snap") -> Path:
    """The bytes a snapshot stands for."""
    handle = objects.status(world.content(name))["snapshotHandle"]
    return world.driver.folder / "snapshots" / handle / "data"


# --- the life of one -------------------------------------------------------------------------------------------------


async def test_every_state_of_a_snapshot_and_of_its_content(world: SnapshotWorld) -> None:
    await world.bound_claim()
    seen: list[tuple[list[str], Any]] = []

    def note(event: Any) -> None:
        status = objects.status(event.object)
        seen.append(
            (finalizers(event.object), (status.get("boundVolumeSnapshotContentName"), status.get("readyToUse")))
        )

    world.client.subscribe(SNAPSHOTS, note)
    snapshot = world.snapshot()
    await world.ready()
    await world.until(lambda: CLAIM_FINALIZER not in finalizers(world.get(CLAIMS, "data")))
    name = f"snapcontent-{objects.uid(snapshot)}"
    assert seen == [
        ([], (None, None)),
        ([SOURCE_FINALIZER], (None, None)),
        ([SOURCE_FINALIZER], (name, False)),
        ([SOURCE_FINALIZER, BOUND_FINALIZER], (name, False)),
        ([SOURCE_FINALIZER, BOUND_FINALIZER], (name, True)),
    ]
    status = world.status()
    assert status["restoreSize"] == "1Gi"
    assert status["creationTime"].endswith("Z")
    content = world.content()
    assert finalizers(content) == [CONTENT_FINALIZER]
    assert "annotations" not in content["metadata"]
    reference = content["spec"].pop("volumeSnapshotRef") if (content := objects.copy(content)) else {}
    assert {k: v for k, v in reference.items() if k != "resourceVersion"} == {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "name": "snap",
        "namespace": "test",
        "uid": objects.uid(snapshot),
    }
    assert content["spec"] == {
        "deletionPolicy": "Delete",
        "driver": "hostpath.csi.k8s.io",
        "source": {"volumeHandle": world.handle()},
        "sourceVolumeMode": "Filesystem",
        "volumeSnapshotClassName": CLASS,
    }
    told = content["status"]
    assert (told["readyToUse"], told["restoreSize"]) == (True, 1 << 30)
    assert isinstance(told["creationTime"], int)
    assert world.driver.find_snapshot(told["snapshotHandle"]) is not None
    assert world.events("snap") == [
        "Waiting for a snapshot test/snap to be created by the CSI driver.",
        "Snapshot test/snap was successfully created by the CSI driver.",
        "Snapshot test/snap is ready to use.",
    ]
    assert world.events(name) == []


async def test_a_snapshot_has_the_bytes_of_its_moment(world: SnapshotWorld) -> None:
    folder = await world.bound_claim()
    (folder / "f").write_text("one")
    world.snapshot()
    await world.ready()
    (folder / "f").write_text("two")
    (folder / "g").write_text("new")
    assert {p.name: p.read_text() for p in saved(world).iterdir()} == {"f": "one"}
    assert (folder / "f").read_text() == "two"


async def test_a_snapshot_outlives_its_claim_and_volume(world: SnapshotWorld) -> None:
    folder = await world.bound_claim()
    (folder / "f").write_text("kept")
    world.snapshot()
    await world.ready()
    await world.until(lambda: CLAIM_FINALIZER not in finalizers(world.get(CLAIMS, "data")))
    world.patch(CLAIMS, "data", lambda copy: copy["metadata"].update(finalizers=[]))
    world.delete(CLAIMS, "data")
    assert world.find(CLAIMS, "data") is None
    world.driver.delete_volume(world.handle())
    assert (saved(world) / "f").read_text() == "kept"
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.list(CONTENTS) == [])


# --- what is wrong ---------------------------------------------------------------------------------------------------


async def test_a_missing_claim_is_told_once_and_the_snapshot_cut_when_it_is_bound(world: SnapshotWorld) -> None:
    world.snapshot(of="ghost")
    text = (
        "Failed to create snapshot content with error snapshot controller failed to update snap on API server: "
        "cannot get claim from snapshot"
    )
    assert await world.fails("snap") == text
    assert world.status()["readyToUse"] is False
    assert finalizers(world.get(SNAPSHOTS, "snap")) == [SOURCE_FINALIZER]
    await world.bound_claim("ghost")
    await world.ready()
    assert "error" not in world.status()
    assert world.events("snap")[0] == text
    assert world.events("snap", reason="SnapshotReady") == ["Snapshot test/snap is ready to use."]


async def test_an_unbound_claim_is_held_until_its_snapshot_is_given_up(world: SnapshotWorld) -> None:
    world.claim("unbound")
    world.snapshot(of="unbound")
    assert await world.fails("snap") == (
        'Failed to create snapshot content with error failed to get input parameters to create snapshot snap: "the PVC '
        'unbound is not yet bound to a PV, will not attempt to take a snapshot"'
    )
    assert CLAIM_FINALIZER in finalizers(world.get(CLAIMS, "unbound"))
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)
    assert CLAIM_FINALIZER not in finalizers(world.get(CLAIMS, "unbound"))


async def test_the_last_of_several_that_never_were_lets_the_claim_go(world: SnapshotWorld) -> None:
    world.claim("unbound")
    world.snapshot("first", of="unbound")
    await world.fails("first")
    world.snapshot("classless", of="unbound", class_=None)
    await world.fails("classless")
    assert finalizers(world.get(SNAPSHOTS, "classless")) == []
    world.delete(SNAPSHOTS, "first")
    await world.until(lambda: world.find(SNAPSHOTS, "first") is None)
    assert CLAIM_FINALIZER in finalizers(world.get(CLAIMS, "unbound"))
    world.delete(SNAPSHOTS, "classless")
    await world.until(lambda: CLAIM_FINALIZER not in finalizers(world.get(CLAIMS, "unbound")))


async def test_a_claim_that_goes_cannot_be_cut_any_more(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.patch(CLAIMS, "data", lambda copy: copy["metadata"].update(finalizers=["kubernetes.io/pvc-protection"]))
    world.delete(CLAIMS, "data")
    world.snapshot()
    assert await world.fails("snap") == (
        "Failed to create snapshot content with error snapshot controller failed to update data on API server: "
        "cannot add finalizer on claim because it is being deleted"
    )


async def test_volumes_that_are_not_of_csi(world: SnapshotWorld) -> None:
    await world.bound_claim(csi=False)
    world.snapshot("named")
    world.snapshot("unnamed", class_=None)
    assert await world.fails("named") == (
        "Failed to create snapshot content with error cannot find CSI PersistentVolumeSource for volume pv-data"
    )
    assert await world.fails("unnamed") == (
        "Failed to set default snapshot class with error snapshotting non-CSI volumes is not supported, "
        "snapshot:test/unnamed"
    )


# --- classes ---------------------------------------------------------------------------------------------------------


async def test_an_unknown_class_is_waited_for(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.snapshot(class_="later")
    text = 'Failed to get snapshot class with error volumesnapshotclass.snapshot.storage.k8s.io "later" not found'
    assert await world.fails("snap") == text
    assert "readyToUse" not in world.status()
    assert finalizers(world.get(SNAPSHOTS, "snap")) == []
    assert world.events("snap", reason="GetSnapshotClassFailed") == [text]
    world.class_("later")
    await world.ready()


async def test_the_default_class_is_that_of_the_volumes_driver(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.class_("other", default=True, driver="example.com/other")
    world.snapshot("none", class_=None)
    failed = "Failed to set default snapshot class with error "
    assert await world.fails("none") == failed + "cannot find default snapshot class"
    assert "readyToUse" not in world.status("none")
    world.class_("first", default=True)
    snapshot = await world.ready("none")
    assert (snapshot["spec"]["volumeSnapshotClassName"], snapshot["metadata"]["generation"]) == ("first", 2)
    world.class_("second", default=True)
    world.snapshot("two", class_=None)
    assert await world.fails("two") == failed + "2 default snapshot classes were found"
    world.delete(CLASSES, "second")
    await world.ready("two")


async def test_a_snapshot_goes_though_its_class_went_before(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.class_("short")
    world.snapshot(class_="short")
    await world.ready()
    world.delete(CLASSES, "short")
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)
    assert world.list(CONTENTS) == []


async def test_a_class_of_another_driver_gives_a_content_nobody_cuts(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.class_("other", driver="example.com/other")
    world.snapshot(class_="other")
    await world.until(lambda: bool(world.status().get("boundVolumeSnapshotContentName")))
    await world.settle()
    assert world.status()["readyToUse"] is False
    assert "status" not in world.content()
    assert not list(world.driver.folder.glob("snapshots/*"))


# --- deleting --------------------------------------------------------------------------------------------------------


async def test_policy_delete_takes_the_content_and_the_bytes(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.snapshot()
    await world.ready()
    bytes_ = saved(world)
    assert bytes_.is_dir()
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)
    assert world.list(CONTENTS) == []
    assert not bytes_.exists()


async def test_policy_retain_keeps_both_and_the_bytes_even_without_the_content(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.class_("keep", policy="Retain")
    world.snapshot(class_="keep")
    assert finalizers(await world.ready()) == [SOURCE_FINALIZER]
    bytes_, content = saved(world), objects.name(world.content())
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)
    await world.settle()
    kept = world.get(CONTENTS, content)
    assert (objects.annotations(kept), finalizers(kept)) == ({BEING_DELETED: "yes"}, [CONTENT_FINALIZER])
    world.delete(CONTENTS, content)
    await world.until(lambda: world.find(CONTENTS, content) is None)
    assert bytes_.is_dir()


async def test_the_policy_may_be_changed_on_the_content(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.class_("keep", policy="Retain")
    world.snapshot(class_="keep")
    await world.ready()
    bytes_ = saved(world)
    world.patch(CONTENTS, objects.name(world.content()), lambda copy: copy["spec"].update(deletionPolicy="Delete"))
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None and world.list(CONTENTS) == [])
    assert not bytes_.exists()


async def test_a_content_deleted_first_waits_for_its_snapshot(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.snapshot()
    await world.ready()
    bytes_, content = saved(world), objects.name(world.content())
    world.delete(CONTENTS, content)
    await world.settle()
    assert objects.is_terminating(world.get(CONTENTS, content))
    assert world.status()["readyToUse"] is True
    assert bytes_.is_dir()
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None and world.find(CONTENTS, content) is None)
    assert not bytes_.exists()


async def test_a_snapshot_that_is_being_restored_stays(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.snapshot()
    await world.ready()
    world.claim("restored", source="snap")
    world.delete(SNAPSHOTS, "snap")
    await world.until(lambda: bool(world.events("snap", reason="SnapshotDeletePending")))
    assert world.events("snap", reason="SnapshotDeletePending") == ["Snapshot is being used to restore a PVC"]
    assert saved(world).is_dir()
    await world.bind("restored")
    await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)


async def test_a_content_lost_by_force_is_told_and_made_again(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.snapshot()
    await world.ready()
    content = objects.name(world.content())
    world.delete(CONTENTS, content)
    world.patch(CONTENTS, content, lambda copy: copy["metadata"].update(finalizers=[]))
    await world.until(lambda: bool(world.events("snap", reason="SnapshotContentMissing")))
    assert world.events("snap", reason="SnapshotContentMissing") == ["VolumeSnapshotContent is missing"]
    await world.ready()
    assert world.find(CONTENTS, content) is not None


# --- snapshots that were there before --------------------------------------------------------------------------------


async def test_a_snapshot_made_elsewhere(world: SnapshotWorld) -> None:
    folder = await world.bound_claim()
    (folder / "f").write_text("old")
    made = await world.driver.create_snapshot("by-hand", world.handle())
    world.content_for("pre", made.id)
    await world.until(lambda: objects.status(world.get(CONTENTS, "pre")).get("readyToUse") is True)
    alone = world.get(CONTENTS, "pre")
    assert (finalizers(alone), alone["metadata"]["generation"]) == ([], 1)
    world.existing("pre", "pre")
    snapshot = await world.ready("pre")
    assert finalizers(snapshot) == [SOURCE_FINALIZER]
    content = world.get(CONTENTS, "pre")
    assert content["spec"]["volumeSnapshotRef"]["uid"] == objects.uid(snapshot)
    assert (finalizers(content), content["metadata"]["generation"]) == ([CONTENT_FINALIZER], 2)
    assert world.events("pre") == [
        "Snapshot test/pre was successfully created by the CSI driver.",
        "Snapshot test/pre is ready to use.",
    ]
    world.delete(SNAPSHOTS, "pre")
    await world.until(lambda: world.find(SNAPSHOTS, "pre") is None)
    assert world.driver.find_snapshot(made.id) is not None


async def test_a_handle_nobody_knows(world: SnapshotWorld) -> None:
    world.content_for("ghost", "no-such-handle", name="ghost-content")
    world.existing("ghost", "ghost-content")
    assert await world.fails("ghost") == (
        "Failed to check and update snapshot content: failed to list snapshot for content ghost-content: "
        '"can not find snapshot for snapshotID no-such-handle"'
    )
    assert world.status("ghost")["boundVolumeSnapshotContentName"] == "ghost-content"
    assert world.events("ghost") == []
    await world.until(lambda: bool(world.events("ghost-content")))
    assert len(world.events("ghost-content", reason="SnapshotContentCheckandUpdateFailed")) == 1


async def test_contents_that_are_not_the_snapshots(world: SnapshotWorld) -> None:
    await world.bound_claim()
    world.snapshot("cut")
    await world.ready("cut")
    made = await world.driver.create_snapshot("by-hand", world.handle())
    world.content_for("somebody-else", made.id, name="other")
    cut = objects.name(world.content("cut"))
    world.existing("mine", "other")
    world.existing("again", cut)
    world.existing("nothing", "none")
    assert await world.fails("mine") == "VolumeSnapshotContent [other] is bound to a different snapshot"
    assert world.events("mine", reason="SnapshotFinalizerError") == [
        "Failed to check and update snapshot: VolumeSnapshotContent [other] is bound to a different snapshot"
    ]
    dynamic = "VolumeSnapshotContent is dynamically provisioned while expecting a pre-provisioned one"
    assert await world.fails("again") == dynamic
    assert world.events("again", reason="SnapshotFinalizerError") == [
        "Failed to check and update snapshot: snapshot test/again expects a pre-provisioned VolumeSnapshotContent "
        f"{cut} but gets a dynamically provisioned one"
    ]
    assert finalizers(world.get(SNAPSHOTS, "again")) == []
    assert await world.fails("nothing") == "VolumeSnapshotContent is missing"
    assert finalizers(world.get(SNAPSHOTS, "nothing")) == [SOURCE_FINALIZER]
    world.content_for("nothing", made.id, name="none")
    await world.ready("nothing")


# --- coming and going ------------------------------------------------------------------------------------------------


async def test_the_kinds_may_come_late_go_and_come_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = SnapshotWorld(tmp_path / "storage", speed=50)
    async with running(world):
        await world.bound_claim()
        await world.settle()
        await world.install()
        world.snapshot()
        await world.ready()
        world.delete(SNAPSHOTS, "snap")
        await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)
        for kind in (CLASSES, CONTENTS, SNAPSHOTS):
            world.delete("customresourcedefinitions", kind)
        await world.until(lambda: world.list("customresourcedefinitions") == [])
        assert {CLASSES, CONTENTS, SNAPSHOTS}.isdisjoint(world.registry.resources)
        world.claim("meanwhile")
        await world.settle()
        await world.install()
        world.snapshot("second")
        await world.ready("second")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_what_was_left_half_done_is_finished_after_a_restart(tmp_path: Path) -> None:
    world = SnapshotWorld(tmp_path / "storage", speed=50)
    async with running(world, *CONTROLLER_ALONE):
        await world.install()
        await world.bound_claim()
        world.snapshot()
        await world.until(lambda: bool(world.status().get("boundVolumeSnapshotContentName")))
    async with running(world, CsiSnapshotter):
        await world.until(lambda: objects.status(world.content()).get("readyToUse") is True)
    assert world.status()["readyToUse"] is False
    async with running(world, *CONTROLLER_ALONE):
        await world.ready()
        world.delete(SNAPSHOTS, "snap")
        await world.settle()
        assert objects.is_terminating(world.get(SNAPSHOTS, "snap"))
    async with running(world):
        await world.until(lambda: world.find(SNAPSHOTS, "snap") is None)
    assert world.list(CONTENTS) == []


async def test_a_namespace_goes_with_its_snapshots(tmp_path: Path) -> None:
    world = SnapshotWorld(tmp_path / "storage", speed=50)
    protection = "persistentvolumeclaim-protection-controller"
    async with running(world, controllers=("namespace-controller", protection)):
        await world.install()
        await world.bound_claim()
        world.class_("keep", policy="Retain")
        world.snapshot("dropped")
        world.snapshot("kept", class_="keep")
        world.snapshot("failed", of="ghost")
        await world.ready("dropped")
        await world.ready("kept")
        await world.fails("failed")
        kept = objects.name(world.content("kept"))
        world.claim("pending", source="dropped")
        world.delete("namespaces", NAMESPACE)
        await world.until(lambda: world.find("namespaces", NAMESPACE) is None)
        assert [objects.name(content) for content in world.list(CONTENTS)] == [kept]
        assert len(list(world.driver.folder.glob("snapshots/*"))) == 1
