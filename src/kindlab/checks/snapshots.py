"""Snapshots, as a grader reads and makes them: bytes out of a learner's snapshot by a claim of the grader's own, and
snapshots of the grader's own, with what their class leaves behind. Everything made here is gone when its block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.trouble import OURS
from kindlab.checks.verdict import CheckFailed, CouldNotGrade
from kindlab.checks.volumes import Place, Volumes
from kindlab.clock import monotonic, token_hex
from kindlab.kinds import SNAPSHOT, SNAPSHOT_CONTENT
from kindlab.managed import MANAGED

READY, TROUBLED, LOOK_AGAIN = 40.0, 5.0, 1.0
"""Seconds that a snapshot has to become usable, and after which one that says an error is given up."""


class Snapshots:
    """The words about snapshots in the lab's namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.volumes = Volumes(api, namespace)

    def usable(self, name: str) -> Obj:
        """The VolumeSnapshot once it is ready to use; the check fails when it does not get so, or says why not."""
        what, about = f"a VolumeSnapshot {name} that is ready to use", f"vs/{name}"
        deadline, since, error = monotonic() + READY, 0.0, ""
        while (left := deadline - monotonic()) > 0:
            one = f"metadata.name={name}"
            for found in self.api.follow(SNAPSHOT, self.namespace, fields=one, timeout=min(LOOK_AGAIN, left)):
                live = next(iter(found.values()), None)
                if live is None:
                    raise CheckFailed(what, "there is none", about=about)
                status = live.get("status") or {}
                if status.get("readyToUse"):
                    return live
                error = (status.get("error") or {}).get("message", "")
            since = since or monotonic() if error else 0.0
            if since and monotonic() - since >= TROUBLED:
                break
        raise CheckFailed(what, error or "it is not ready", about=about)

    @contextmanager
    def restored(self, name: str) -> Iterator[Place]:
        """The root of a claim of the grader's own, made of the snapshot."""
        snapshot = self.usable(name)
        content = self.content_of(snapshot)
        claim = f"{OURS}restored-{token_hex(4)}"
        spec = {
            "storageClassName": self._class_for(content["spec"]["driver"]),
            "dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name},
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": snapshot["status"].get("restoreSize", "1Gi")}},
        }
        self._create("v1", "PersistentVolumeClaim", claim, spec, self.namespace)
        try:
            with self.volumes.claim(claim) as place:
                yield place
        finally:
            self.api.delete("PersistentVolumeClaim", claim, self.namespace)

    @contextmanager
    def taken(self, claim: str, class_name: str) -> Iterator[Obj]:
        """A snapshot of a claim by a class, ready to use; when the block ends it is removed with what is stored."""
        name = f"{OURS}snapshot-{token_hex(4)}"
        spec = {"volumeSnapshotClassName": class_name, "source": {"persistentVolumeClaimName": claim}}
        self._create("snapshot.storage.k8s.io/v1", "VolumeSnapshot", name, spec, self.namespace)
        try:
            yield self.usable(name)
        finally:
            self._remove(name)

    @contextmanager
    def again(self, content: Obj, prefix: str) -> Iterator[str]:
        """The name of a snapshot made of what a content without one still has, described by hand as an administrator
        does. `prefix`: of the new content's name, so that a reset of the lab finds it."""
        name = f"{OURS}again-{token_hex(4)}"
        made = f"{prefix}{name}"
        spec = {
            "deletionPolicy": "Retain",
            "driver": content["spec"]["driver"],
            "source": {"snapshotHandle": content["status"]["snapshotHandle"]},
            "volumeSnapshotRef": {"name": name, "namespace": self.namespace},
        }
        self._create("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent", made, spec, None)
        try:
            source = {"source": {"volumeSnapshotContentName": made}}
            self._create("snapshot.storage.k8s.io/v1", "VolumeSnapshot", name, source, self.namespace)
            yield name
        finally:
            self.api.delete(SNAPSHOT, name, self.namespace, wait=True)
            self.api.delete(SNAPSHOT_CONTENT, made)

    def delete(self, name: str) -> None:
        """As `kubectl delete` does: gone when it returns, and by the class's policy what is stored."""
        self.api.delete(SNAPSHOT, name, self.namespace, wait=True)

    def content_of(self, snapshot: Obj) -> Obj:
        name = snapshot["status"]["boundVolumeSnapshotContentName"]
        content = self.api.get(SNAPSHOT_CONTENT, name)
        if content is None:
            raise CheckFailed(f"the VolumeSnapshotContent of {snapshot['metadata']['name']}", f"{name} is not there")
        return content

    def _remove(self, name: str) -> None:
        """Whatever has become of it: stopped halfway, or deleted already, what is stored by Retain would stay."""
        made_for = {"name": name, "namespace": self.namespace}
        of_it = [
            c for c in self.api.list(SNAPSHOT_CONTENT) if made_for.items() <= c["spec"]["volumeSnapshotRef"].items()
        ]
        for content in of_it:
            try:
                self.api.patch(
                    SNAPSHOT_CONTENT, content["metadata"]["name"], None, {"spec": {"deletionPolicy": "Delete"}}
                )
            except ApiError as error:
                if error.code != 404:  # it has gone with its snapshot
                    raise
        self.api.delete(SNAPSHOT, name, self.namespace, wait=True)
        for content in of_it:  # left without its snapshot
            self.api.delete(SNAPSHOT_CONTENT, content["metadata"]["name"])

    def _class_for(self, driver: str) -> str:
        """A class of the driver that makes a volume at once."""
        for found in self.api.list("StorageClass"):
            if found["provisioner"] == driver and found.get("volumeBindingMode") == "Immediate":
                return str(found["metadata"]["name"])
        raise CouldNotGrade(f"no class of {driver} makes volumes at once (volumeBindingMode: Immediate)")

    def _create(self, version: str, kind: str, name: str, spec: Obj, namespace: str | None) -> None:
        meta = {"name": name, "labels": MANAGED}
        self.api.create({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}, namespace)
