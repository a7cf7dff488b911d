"""Which snapshot or claim a volume may be made of, and upstream's words for why not."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj
from pocketkube.storage import csisources
from pocketkube.storage.csisources import ALLOW_MODE_CHANGE, CONTENTS, RESTORED, SNAPSHOTS, NotUsable, Source
from pocketkube.storage.driver import NAME

CLAIMS, VOLUMES = "persistentvolumeclaims", "persistentvolumes"
DELETED = "2026-01-01T00:00:00Z"
NOT_ALLOWED = "requested volume shop/new modifies the mode of the source volume but does not have permission to do so. "


class World:
    """A ready snapshot with its content, a bound claim with its volume; each changed as a test wants it."""

    def __init__(self) -> None:
        meta = {"name": "s", "namespace": "shop", "uid": "1"}
        ready = {"boundVolumeSnapshotContentName": "c", "readyToUse": True, "restoreSize": "1Gi"}
        self.snapshot: Obj = {"metadata": meta, "status": ready}
        reference = {"name": "s", "namespace": "shop", "uid": "1"}
        self.content: Obj = {
            "metadata": {"name": "c", "annotations": {}},
            "spec": {"driver": NAME, "volumeSnapshotRef": reference, "sourceVolumeMode": "Filesystem"},
            "status": {"snapshotHandle": "h"},
        }
        self.source: Obj = {
            "metadata": {"name": "old", "namespace": "shop", "uid": "2"},
            "spec": {**spec("1Gi"), "volumeName": "v"},
            "status": {"phase": "Bound"},
        }
        self.volume: Obj = {
            "metadata": {"name": "v"},
            "spec": {
                "csi": {"driver": NAME, "volumeHandle": "vh"},
                "claimRef": {"name": "old", "namespace": "shop", "uid": "2"},
                "volumeMode": "Filesystem",
            },
            "status": {"phase": "Bound"},
        }
        self.claim: Obj = {"metadata": {"name": "new", "namespace": "shop"}, "spec": spec("1Gi")}

    def find(self, resource: str, namespace: str, name: str) -> Obj | None:
        there = {
            SNAPSHOTS: self.snapshot,
            CONTENTS: self.content,
            CLAIMS: self.source,
            VOLUMES: self.volume,
        }[resource]
        return there if objects.key(there) == (namespace, name) else None

    def set(self, path: str, value: Any) -> None:
        """None: take it away."""
        holder, *steps = path.split(".")
        inner = getattr(self, holder)
        for step in steps[:-1]:
            inner = inner[step]
        if value is None:
            inner.pop(steps[-1])
        else:
            inner[steps[-1]] = value

    @property
    def client(self) -> Client:
        return cast(Client, self)


def spec(size: str) -> Obj:
    return {"resources": {"requests": {"storage": size}}, "storageClassName": "csi", "volumeMode": "Filesystem"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, None),
        ({"claim.spec": spec("2Gi")}, None),
        (
            {"snapshot.metadata.name": "other"},
            'error getting snapshot s from api server: volumesnapshots.snapshot.storage.k8s.io "s" not found',
        ),
        ({"snapshot.metadata.deletionTimestamp": DELETED}, "snapshot s is being deleted"),
        ({"snapshot.metadata.deletionTimestamp": DELETED, "snapshot.metadata.finalizers": [RESTORED]}, None),
        ({"snapshot.status": {}}, "snapshot s not bound"),
        ({"content.metadata.name": "other"}, "error getting snapshotcontent c for snapshot s"),
        (
            {"content.spec.volumeSnapshotRef.uid": "9"},
            "snapshotcontent c for snapshot s is bound to a different snapshot",
        ),
        (
            {"content.spec.driver": "disk.example.com"},
            "snapshotcontent c for snapshot s is not handled by CSI driver of StorageClass csi",
        ),
        ({"snapshot.status.readyToUse": False}, "snapshot s is not Ready"),
        ({"content.status": {}}, "snapshot handle s is not available"),
        (
            {"claim.spec": spec("1023Mi")},
            "requested volume size 1072693248 is less than the size 1073741824 for the source snapshot s",
        ),
        ({"snapshot.status.restoreSize": None, "claim.spec": spec("1Mi")}, None),
        (
            {"claim.spec.volumeMode": "Block"},
            f"{NOT_ALLOWED}{ALLOW_MODE_CHANGE} annotation is not present on snapshotcontent c",
        ),
        (
            {"claim.spec.volumeMode": "Block", "content.metadata.annotations": {ALLOW_MODE_CHANGE: "false"}},
            f"{NOT_ALLOWED}{ALLOW_MODE_CHANGE} is set to false on snapshotcontent c",
        ),
        (
            {"claim.spec.volumeMode": "Block", "content.metadata.annotations": {ALLOW_MODE_CHANGE: "yes"}},
            f"{NOT_ALLOWED}failed to convert {ALLOW_MODE_CHANGE} annotation value to boolean with error: "
            'strconv.ParseBool: parsing "yes": invalid syntax',
        ),
        ({"claim.spec.volumeMode": "Block", "content.metadata.annotations": {ALLOW_MODE_CHANGE: "true"}}, None),
        ({"claim.spec.volumeMode": "Block", "content.spec.sourceVolumeMode": None}, None),
    ],
)
def test_snapshots(changes: dict[str, Any], text: str | None) -> None:
    world = World()
    for path, value in changes.items():
        world.set(path, value)
    if text is None:
        assert csisources.of_snapshot(world.client, world.claim, "s", "csi") == Source(snapshot="h")
        return
    with pytest.raises(NotUsable) as raised:
        csisources.of_snapshot(world.client, world.claim, "s", "csi")
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, None),
        ({"claim.spec.storageClassName": "other"}, None),
        (
            {"source.status": {"phase": "Pending"}},
            "the PVC DataSource old must have a status of Bound.  Got {Pending [] map[] [] map[] map[] <nil> nil}",
        ),
        ({"source.metadata.deletionTimestamp": DELETED}, "the PVC DataSource old is currently being deleted"),
        ({"source.spec.storageClassName": None}, "the source PVC (old) storageclass cannot be empty"),
        ({"claim.spec.storageClassName": None}, "the requested PVC (new) storageclass cannot be empty"),
        ({"source.spec.volumeName": None}, "volume name is empty in source PVC old"),
        ({"volume.metadata.name": "other"}, "claim in dataSource not bound or invalid"),
        ({"volume.spec.csi": {"driver": "disk.example.com"}}, "claim in dataSource not bound or invalid"),
        ({"volume.spec.csi": None}, "claim in dataSource not bound or invalid"),
        ({"volume.spec.claimRef.uid": "9"}, "claim in dataSource not bound or invalid"),
        ({"volume.status.phase": "Released"}, "claim in dataSource not bound or invalid"),
        (
            {"volume.spec.volumeMode": "Block"},
            "the source PVC and destination PVCs must have the same volume mode for cloning.  Source is Block, but new "
            "PVC requested Filesystem",
        ),
    ],
)
def test_claims(changes: dict[str, Any], text: str | None) -> None:
    world = World()
    for path, value in changes.items():
        world.set(path, value)
    if text is None:
        assert csisources.of_claim(world.client, world.claim, "old") == Source(volume="vh")
        return
    with pytest.raises(NotUsable) as raised:
        csisources.of_claim(world.client, world.claim, "old")
    assert str(raised.value) == text


def test_a_source_in_another_namespace_is_refused() -> None:
    reference = {"kind": "PersistentVolumeClaim", "name": "old", "namespace": "other"}
    claim: Obj = {"metadata": {"name": "new", "namespace": "shop"}, "spec": {"dataSourceRef": reference}}
    with pytest.raises(NotUsable, match="CrossNamespaceVolumeDataSource feature is disabled"):
        csisources.named(claim)
    del reference["namespace"]
    assert csisources.named(claim) == {"kind": "PersistentVolumeClaim", "group": "", "name": "old"}
