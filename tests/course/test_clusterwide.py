"""A lab's volumes go with it on a live cluster, also those that Pods are using; those of others stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kindlab import labs, workspace
from kindlab.api import Api, Obj
from kindlab.checks.volumes import Volumes
from kindlab.errors import Problem
from kindlab.kinds import SNAPSHOT, SNAPSHOT_CONTENT
from kindlab.labs import Lab

MODES = ["ReadWriteOnce"]


@pytest.fixture
def lab(api: Api) -> Iterator[Lab]:
    found = replace(
        labs.find("12"), slug="97-course", namespaces=(), cluster_kinds=("PersistentVolume", "StorageClass")
    )
    workspace.make_namespaces(api, found)
    yield found
    workspace.remove_namespaces(api, found)


def volume(name: str) -> Obj:
    spec: dict[str, Any] = {
        "capacity": {"storage": "1Gi"},
        "accessModes": MODES,
        "storageClassName": name,
        "hostPath": {"path": f"/var/{name}"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def claim(name: str, storage_class: str) -> Obj:
    asked = {"storage": "1Gi"}
    spec = {"accessModes": MODES, "storageClassName": storage_class, "resources": {"requests": asked}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def test_a_volume_in_use_goes_with_the_lab_and_one_that_somebody_else_describes_stays(api: Api, lab: Lab) -> None:
    for name in ("lab97-used", "course97-shared"):
        api.create(volume(name))
        api.create(claim(name, name), lab.slug)
    names = Volumes(api, lab.slug)
    names.bound("course97-shared")
    with names.claim("lab97-used"):  # by a Pod of its own
        workspace.remove_namespaces(api, lab)
    assert api.get("PersistentVolume", "lab97-used") is None
    assert api.get("PersistentVolume", "course97-shared") is not None
    api.delete("PersistentVolume", "course97-shared", wait=True)


def test_a_volume_that_a_claim_elsewhere_has_is_told(api: Api, lab: Lab) -> None:
    api.create(volume("lab97-lent"))
    api.create(claim("lab97-lent", "lab97-lent"), "default")
    Volumes(api, "default").bound("lab97-lent")
    with pytest.raises(Problem, match="Claim lab97-lent in namespace default"):
        workspace.remove_namespaces(api, lab)
    api.delete("PersistentVolumeClaim", "lab97-lent", "default", wait=True)


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_a_snapshot_that_nobody_makes_holds_nothing(api: Api, lab: Lab, policy: str) -> None:
    """Its class names a driver that does not run: nobody stores anything for it, and nobody would let it go."""
    lab = replace(lab, cluster_kinds=("VolumeSnapshotContent", "VolumeSnapshotClass"))
    kind, version = "VolumeSnapshotClass", "snapshot.storage.k8s.io/v1"
    made = {"driver": "nobody.example.com", "deletionPolicy": policy}
    api.create({"apiVersion": version, "kind": kind, "metadata": {"name": "lab97-nobody"}, **made})
    api.create(claim("books", "csi-hostpath-sc"), lab.slug)
    Volumes(api, lab.slug).bound("books")
    spec = {"volumeSnapshotClassName": "lab97-nobody", "source": {"persistentVolumeClaimName": "books"}}
    api.create({"apiVersion": version, "kind": "VolumeSnapshot", "metadata": {"name": "never"}, "spec": spec}, lab.slug)

    def is_held(snapshots: dict[str, Obj]) -> bool:
        return any((s.get("status") or {}).get("boundVolumeSnapshotContentName") for s in snapshots.values())

    assert any(map(is_held, api.follow(SNAPSHOT, lab.slug, timeout=30)))
    workspace.remove_namespaces(api, lab)
    assert api.get("Namespace", lab.slug) is None
    assert [c for c in api.list(SNAPSHOT_CONTENT) if c["spec"]["driver"] == "nobody.example.com"] == []
    assert api.get("VolumeSnapshotClass.snapshot.storage.k8s.io", "lab97-nobody") is None
