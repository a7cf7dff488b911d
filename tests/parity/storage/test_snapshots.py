"""Snapshots and clones, judged by their bytes."""

from __future__ import annotations

import pytest
from tests.parity.storage.support import (
    CSI,
    DRIVER,
    SNAPSHOT_CLASS,
    SNAPSHOTS,
    Disks,
    claim,
    cloned,
    phase,
    pod,
    ready_to_use,
    restored,
    snapshot,
    storage_class,
)

from kindlab.api import Obj

CONTENT = "VolumeSnapshotContent"


@pytest.fixture
def filled(disks: Disks) -> Disks:
    """Claim `data` in use by Pod `user`, with a file that says `first`."""
    disks.put(claim())
    disks.start(pod("user", "data"))
    disks.ok("user", "echo first > /data/file")
    return disks


def content_of(disks: Disks, name: str = "then") -> Obj:
    bound = disks.require("VolumeSnapshot", name)["status"]["boundVolumeSnapshotContentName"]
    found = disks.api.get(CONTENT, bound)
    assert found is not None
    return found


def test_a_snapshot_is_a_point_in_time(filled: Disks) -> None:
    filled.taken()
    filled.ok("user", "echo second > /data/file && echo new > /data/later")
    filled.put(restored())
    filled.start(pod("reader", "restored"))
    assert filled.ok("reader", "ls /restored") == "file"
    assert filled.ok("reader", "cat /restored/file") == "first"
    assert filled.ok("user", "cat /data/file") == "second"


def test_checksums_tell_a_restore_from_the_damage(filled: Disks) -> None:
    filled.ok("user", "head -c 300000 /dev/urandom > /data/blob && mkdir /data/sub && echo x > /data/sub/y")
    before = filled.ok("user", "cd /data && find . -type f | sort | xargs sha256sum")
    filled.taken()
    filled.ok("user", "echo damage >> /data/blob && rm -r /data/sub")
    assert filled.ok("user", "cd /data && find . -type f | sort | xargs sha256sum") != before
    filled.put(restored())
    filled.start(pod("reader", "restored"))
    assert filled.ok("reader", "cd /restored && find . -type f | sort | xargs sha256sum") == before


def test_what_a_snapshot_says_of_itself(filled: Disks) -> None:
    taken = filled.taken()
    status = taken["status"]
    assert status["restoreSize"] == "1Mi"
    assert status["creationTime"]
    content = content_of(filled)
    assert content["metadata"]["name"] == f"snapcontent-{taken['metadata']['uid']}"
    assert content["spec"]["driver"] == DRIVER
    assert content["spec"]["deletionPolicy"] == "Delete"
    assert content["spec"]["volumeSnapshotRef"]["name"] == "then"
    assert content["status"]["readyToUse"] is True


def test_two_snapshots_hold_two_moments(filled: Disks) -> None:
    filled.taken("one")
    filled.ok("user", "echo second > /data/file")
    filled.taken("two")
    filled.ok("user", "echo third > /data/file")
    filled.put(restored("a", "one"), restored("b", "two"))
    filled.start(pod("reader", "a", "b"))
    assert filled.ok("reader", "cat /a/file /b/file").split() == ["first", "second"]


def test_a_snapshot_outlives_its_claim(filled: Disks) -> None:
    filled.taken()
    filled.end("user")
    filled.api.delete("PersistentVolumeClaim", "data", filled.namespace)
    filled.gone("PersistentVolumeClaim", name="data")
    filled.put(restored())
    filled.start(pod("reader", "restored"))
    assert filled.ok("reader", "cat /restored/file") == "first"


def test_deleting_a_snapshot_deletes_its_content(filled: Disks) -> None:
    filled.taken()
    name = content_of(filled)["metadata"]["name"]
    filled.api.delete("VolumeSnapshot", "then", filled.namespace)
    filled.gone("VolumeSnapshot", name="then")
    filled.gone(CONTENT, name=name)


def test_a_retaining_class_keeps_the_content(filled: Disks) -> None:
    meta = {"name": "keep"}
    body = {"apiVersion": SNAPSHOTS, "kind": "VolumeSnapshotClass", "metadata": meta, "driver": DRIVER}
    of = filled.wide({**body, "deletionPolicy": "Retain"})
    filled.put(snapshot(volumeSnapshotClassName=of))
    filled.wait("VolumeSnapshot", "then", ready_to_use)
    content = content_of(filled)
    name = content["metadata"]["name"]
    filled.api.delete("VolumeSnapshot", "then", filled.namespace)
    filled.gone("VolumeSnapshot", name="then")
    assert filled.api.get(CONTENT, name) is not None
    filled.api.patch(CONTENT, name, None, {"spec": {"deletionPolicy": "Delete"}})
    filled.api.delete(CONTENT, name)
    filled.gone(CONTENT, name=name)


def test_a_content_made_by_hand_brings_a_snapshot_elsewhere(filled: Disks) -> None:
    filled.taken()
    handle = content_of(filled)["status"]["snapshotHandle"]
    spec = {
        "deletionPolicy": "Retain",
        "driver": DRIVER,
        "source": {"snapshotHandle": handle},
        "volumeSnapshotClassName": SNAPSHOT_CLASS,
        "volumeSnapshotRef": {"namespace": filled.namespace, "name": "imported"},
    }
    made = {"apiVersion": SNAPSHOTS, "kind": CONTENT, "metadata": {"name": "imported"}, "spec": spec}
    name = filled.wide(made)
    filled.put(snapshot("imported", source={"volumeSnapshotContentName": name}))
    filled.wait("VolumeSnapshot", "imported", ready_to_use)
    filled.put(restored(of="imported"))
    filled.start(pod("reader", "restored"))
    assert filled.ok("reader", "cat /restored/file") == "first"


def test_a_snapshot_of_nothing_is_not_ready(disks: Disks) -> None:
    disks.put(snapshot(of="nobody"))
    found = disks.wait("VolumeSnapshot", "then", lambda s: (s.get("status") or {}).get("error"))
    assert found["status"]["readyToUse"] is False
    assert "cannot get claim from snapshot" in found["status"]["error"]["message"]


def test_a_snapshot_waits_for_its_claim_to_be_bound(disks: Disks) -> None:
    of = disks.wide(storage_class(volumeBindingMode="WaitForFirstConsumer"))
    disks.put(claim(of=of), snapshot())
    found = disks.wait("VolumeSnapshot", "then", lambda s: (s.get("status") or {}).get("error"))
    assert "not yet bound to a PV" in found["status"]["error"]["message"]


@pytest.mark.parametrize(
    "source",
    [{}, {"persistentVolumeClaimName": "data", "volumeSnapshotContentName": "other"}],
    ids=["none", "two"],
)
def test_a_snapshot_has_exactly_one_source(disks: Disks, source: Obj) -> None:
    assert disks.refused(snapshot(source=source)).code == 422


def test_the_source_of_a_snapshot_does_not_change(filled: Disks) -> None:
    filled.taken()
    with pytest.raises(Exception, match="persistentVolumeClaimName is immutable"):
        filled.api.patch(
            "VolumeSnapshot", "then", filled.namespace, {"spec": {"source": {"persistentVolumeClaimName": "b"}}}
        )


def test_a_restore_may_be_larger_and_must_not_be_smaller(filled: Disks) -> None:
    filled.put(claim("wide", "2Mi"))
    filled.bound("wide")
    filled.taken("of-wide", of="wide")
    filled.put(restored("larger", "of-wide", "3Mi"), restored("smaller", "of-wide", "1Mi"))
    assert filled.bound("larger")[0]["status"]["capacity"] == {"storage": "3Mi"}
    filled.told("ProvisioningFailed", "smaller", text="less than the size")
    assert phase(filled.require("PersistentVolumeClaim", "smaller")) == "Pending"


def test_a_restore_waits_for_its_snapshot(disks: Disks) -> None:
    disks.put(claim(), restored())
    disks.told("ProvisioningFailed", "restored")
    disks.bound("data")
    disks.taken()
    disks.wait("PersistentVolumeClaim", "restored", lambda c: phase(c) == "Bound", timeout=180)


def test_data_source_and_its_reference_are_one(filled: Disks) -> None:
    filled.taken()
    made = restored()
    made["spec"]["dataSourceRef"] = made["spec"].pop("dataSource")
    found = filled.put(made)[0]
    assert found["spec"]["dataSource"] == found["spec"]["dataSourceRef"]
    filled.start(pod("reader", "restored"))
    assert filled.ok("reader", "cat /restored/file") == "first"


def test_a_clone_has_the_bytes_and_goes_its_own_way(filled: Disks) -> None:
    filled.put(cloned())
    filled.start(pod("reader", "cloned"))
    assert filled.ok("reader", "cat /cloned/file") == "first"
    filled.ok("user", "echo changed > /data/file")
    filled.ok("reader", "echo own > /cloned/other")
    assert filled.ok("reader", "cat /cloned/file") == "first"
    assert filled.ok("user", "ls /data") == "file"


def test_a_clone_outlives_its_source(filled: Disks) -> None:
    filled.put(cloned())
    filled.bound("cloned")
    filled.end("user")
    filled.api.delete("PersistentVolumeClaim", "data", filled.namespace)
    filled.gone("PersistentVolumeClaim", name="data")
    filled.start(pod("reader", "cloned"))
    assert filled.ok("reader", "cat /cloned/file") == "first"


def test_a_clone_may_be_larger_and_must_not_be_smaller(disks: Disks) -> None:
    disks.put(claim(size="2Mi"))
    disks.bound("data")
    disks.put(cloned("larger", size="3Mi"), cloned("smaller", size="1Mi"))
    disks.bound("larger")
    disks.told("ProvisioningFailed", "smaller", text="must be greater than or equal in size")


def test_a_clone_of_nothing_waits(disks: Disks) -> None:
    disks.put(cloned())
    disks.told("ProvisioningFailed", "cloned", text='persistentvolumeclaim "data" not found')


def test_a_clone_may_be_of_another_class_of_the_driver(filled: Disks) -> None:
    of = filled.wide(storage_class())
    filled.put(
        cloned(of="data") | {"metadata": {"name": "cloned"}, "spec": {**cloned()["spec"], "storageClassName": of}}
    )
    filled.start(pod("reader", "cloned"))
    assert filled.ok("reader", "cat /cloned/file") == "first"


def test_a_clone_must_be_of_the_same_mode(filled: Disks) -> None:
    filled.put(cloned(volumeMode="Block"))
    filled.told("ProvisioningFailed", "cloned")
    assert phase(filled.require("PersistentVolumeClaim", "cloned")) == "Pending"
    assert filled.require("PersistentVolumeClaim", "cloned")["spec"]["storageClassName"] == CSI
