"""What a lab made outside every namespace is found by its name and removed; nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from kindlab import clusterwide, labs
from kindlab.api import Api, ApiError
from kindlab.clusterwide import MADE_FOR_CLAIM
from kindlab.errors import Problem

LAB = replace(labs.find("02"), cluster_kinds=("PersistentVolume", "StorageClass", "VolumeSnapshotContent"))


class Cluster:
    """An API with objects by kind. A volume that a driver made goes with policy Delete; `stuck` ones never go."""

    def __init__(self, *objects: dict[str, Any], stuck: tuple[str, ...] = ()) -> None:
        self.objects = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
        self.stuck = stuck
        self.done: list[str] = []

    def list(self, kind: str) -> list[dict[str, Any]]:
        if kind.startswith("VolumeSnapshotContent"):
            raise ApiError(404, "NotFound", "no such kind")
        return [obj for (k, _), obj in self.objects.items() if k == kind.partition(".")[0]]

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        return self.objects.get((kind, f"{namespace}/{name}"))

    def patch(self, kind: str, name: str, namespace: None, change: Any) -> None:
        self.done.append(f"patch {name} {change['spec']['persistentVolumeReclaimPolicy']}")
        if name not in self.stuck:
            del self.objects[kind, name]

    def delete(self, kind: str, name: str) -> None:
        self.done.append(f"delete {name}")
        if name not in self.stuck:
            self.objects.pop((kind.partition(".")[0], name), None)

    def follow(self, kind: str, *, timeout: float) -> Iterator[dict[str, Any]]:
        yield {obj["metadata"]["name"]: obj for obj in self.list(kind)}

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.objects]


def obj(kind: str, name: str, claim: str = "", **metadata: Any) -> dict[str, Any]:
    space, _, short = claim.partition("/")
    spec = {"claimRef": {"namespace": space, "name": short}} if claim else {}
    return {"kind": kind, "metadata": {"name": name, "uid": f"uid-{name}", **metadata}, "spec": spec}


def remove(cluster: Cluster) -> None:
    clusterwide.remove(cast(Api, cluster), LAB)


def test_what_is_the_labs_goes_and_the_rest_stays() -> None:
    cluster = Cluster(
        obj("PersistentVolume", "lab02-mine"),
        obj("PersistentVolume", "left", claim="02-services/data", annotations={MADE_FOR_CLAIM: "a.driver"}),
        obj("PersistentVolume", "an-administrators", claim="02-services/books"),
        obj("PersistentVolume", "lab03-other"),
        obj("PersistentVolume", "theirs", claim="default/data"),
        obj("StorageClass", "lab02-fast"),
        obj("StorageClass", "standard"),
        obj("PriorityClass", "lab02-not-declared"),
    )
    remove(cluster)
    assert cluster.names == ["an-administrators", "lab03-other", "theirs", "standard", "lab02-not-declared"]
    assert cluster.done == ["patch left Delete", "delete lab02-mine", "delete left", "delete lab02-fast"]


def test_a_driver_deletes_the_storage_that_it_made() -> None:
    kept = obj("PersistentVolume", "pvc-1", claim="02-services/data", annotations={MADE_FOR_CLAIM: "a.driver"})
    cluster = Cluster(kept)
    remove(cluster)
    assert cluster.done[0] == "patch pvc-1 Delete"
    assert not cluster.names


def test_a_volume_that_does_not_go_names_what_holds_it() -> None:
    volume = obj("PersistentVolume", "lab02-mine", finalizers=["example.com/audit"])
    with pytest.raises(Problem) as raised:
        remove(Cluster(volume, stuck=("lab02-mine",)))
    assert "lab02-mine is still there" in raised.value.what
    assert "example.com/audit" in raised.value.why
    assert "kindlab reset 02" in raised.value.then


def test_a_claim_elsewhere_is_named_and_left_alone() -> None:
    claim = obj("PersistentVolumeClaim", "default/data")
    claim["spec"] = {"volumeName": "lab02-mine"}
    cluster = Cluster(obj("PersistentVolume", "lab02-mine", claim="default/data"), claim, stuck=("lab02-mine",))
    with pytest.raises(Problem, match="Claim data in namespace default") as raised:
        remove(cluster)
    assert "kubectl delete pvc data -n default" in raised.value.then
    assert "default/data" in cluster.names


def test_a_name_without_the_prefix_is_refused() -> None:
    clusterwide.refuse_foreign(LAB, [obj("PersistentVolume", "lab02-a"), obj("Service", "web")])
    with pytest.raises(Problem) as raised:
        clusterwide.refuse_foreign(LAB, [obj("StorageClass", "standard")])
    assert "StorageClass standard was not applied" in raised.value.what
    assert "belongs to no namespace" in raised.value.why
    assert "lab02-standard" in raised.value.then
