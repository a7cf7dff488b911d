"""What the storage tests are written with: claims, volumes, classes and snapshots as dicts, and a namespace for them.

Runs on any cluster with the hostpath CSI driver (class csi-hostpath-sc, snapshot class csi-hostpath-snapclass).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from secrets import token_hex
from typing import Any

import pytest
from tests.parity.network.support import BUSYBOX, Place, Ran

from kindlab import workspace
from kindlab.api import Api, ApiError, Obj

CSI, DRIVER = "csi-hostpath-sc", "hostpath.csi.k8s.io"
SNAPSHOT_CLASS = "csi-hostpath-snapclass"
SNAPSHOTS = "snapshot.storage.k8s.io/v1"


def claim(name: str = "data", size: str = "1Mi", of: str | None = CSI, *modes: str, **spec: Any) -> Obj:
    """A claim, ReadWriteOnce unless `modes` say otherwise; `of`: its class, None leaves it open."""
    whole: Obj = {"accessModes": list(modes) or ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    if of is not None:
        whole["storageClassName"] = of
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": whole}


def pod(name: str = "user", *volumes: Obj | str, image: str = BUSYBOX, **spec: Any) -> Obj:
    """A Pod that sleeps, with volumes mounted at /<volume's name>: a claim's name, or a whole volume.

    `mounts` (volume name -> fields) adds to volumeMounts; `containers` names further ones that mount the same;
    `script` runs in place of the sleep."""
    whole = [{"name": v, "persistentVolumeClaim": {"claimName": v}} if isinstance(v, str) else v for v in volumes]
    more, names = spec.pop("mounts", {}), ["main", *spec.pop("containers", ())]
    script = spec.pop("script", "sleep 100000")
    mounts = [{"name": v["name"], "mountPath": f"/{v['name']}", **more.get(v["name"], {})} for v in whole]
    run = ["sh", "-c", f"trap 'exit 0' TERM; {script} & wait"]
    containers = [{"name": n, "image": image, "command": run, "volumeMounts": mounts} for n in names]
    body = {"terminationGracePeriodSeconds": 1, "containers": containers, "volumes": whole, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


def volume(size: str = "1Mi", *modes: str, of: str, **spec: Any) -> Obj:
    """A PersistentVolume on a node's own disk, kept when its claim goes; `of`: its class."""
    whole = {
        "capacity": {"storage": size},
        "accessModes": list(modes) or ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": of,
        "hostPath": {"path": f"/tmp/parity-{token_hex(4)}"},
        **spec,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": whole}


def storage_class(provisioner: str = DRIVER, **more: Any) -> Obj:
    meta = {"name": "class"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": meta,
        "provisioner": provisioner,
    } | more


def snapshot(name: str = "then", of: str = "data", **spec: Any) -> Obj:
    whole = {"volumeSnapshotClassName": SNAPSHOT_CLASS, "source": {"persistentVolumeClaimName": of}, **spec}
    return {"apiVersion": SNAPSHOTS, "kind": "VolumeSnapshot", "metadata": {"name": name}, "spec": whole}


def restored(name: str = "restored", of: str = "then", size: str = "1Mi", **more: Any) -> Obj:
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": of}
    return claim(name, size, dataSource=source, **more)


def cloned(name: str = "cloned", of: str = "data", size: str = "1Mi", **more: Any) -> Obj:
    return claim(name, size, dataSource={"kind": "PersistentVolumeClaim", "name": of}, **more)


def phase(obj: Obj) -> str:
    return str((obj.get("status") or {}).get("phase", ""))


def ready_to_use(obj: Obj) -> bool:
    return bool((obj.get("status") or {}).get("readyToUse"))


class Disks(Place):
    """A namespace of a test's own; what it makes outside of it goes with it."""

    def __init__(self, api: Api, namespace: str) -> None:
        super().__init__(api, namespace)
        self._made: list[Obj] = []

    def wide(self, obj: Obj) -> str:
        """Create an object of the whole cluster under a name of this test's own; that name."""
        obj["metadata"]["name"] = f"{self.namespace}-{obj['metadata']['name']}"
        self._made.append(self.api.create(obj))
        return str(obj["metadata"]["name"])

    def clean(self) -> None:
        with suppress(ApiError):
            self.api.delete("Namespace", self.namespace, wait=True)
        for obj in self._made:
            with suppress(ApiError):
                self.api.delete(obj["kind"], obj["metadata"]["name"])

    def bound(self, *names: str) -> list[Obj]:
        """These claims once they are Bound."""
        return [self.wait("PersistentVolumeClaim", name, lambda c: phase(c) == "Bound") for name in names]

    def volume_of(self, claim: str) -> Obj:
        """The volume a claim is bound to."""
        found = self.api.get("PersistentVolume", self.bound(claim)[0]["spec"]["volumeName"])
        assert found is not None
        return found

    def volume_until(self, name: str, holds: Callable[[Obj], Any]) -> Obj:
        return self.wait("PersistentVolume", name, holds)

    def told(self, reason: str, about: str = "", *, text: str = "") -> Obj:
        """The Event of that reason (about the object of that name, with that text in its message) once it is there."""

        def fits(event: Obj) -> bool:
            named = event["involvedObject"].get("name") == about or not about
            return bool(event["reason"] == reason and named and text in (event.get("message") or ""))

        return self.until("Event", lambda found: next((e for e in found if fits(e)), None) or {})

    def refused(self, obj: Obj) -> ApiError:
        """Create what must be refused; the refusal."""
        with pytest.raises(ApiError) as caught:
            self.api.create(obj, self.namespace)
        return caught.value

    def taken(self, name: str = "then", **more: Any) -> Obj:
        """Take a snapshot; once it is ready to use."""
        self.put(snapshot(name, **more))
        return self.wait("VolumeSnapshot", name, ready_to_use)

    def ok(self, pod: str, script: str, container: str = "main") -> str:
        """What a script in a Pod prints; it must succeed."""
        ran = self.sh(pod, script, container=container)
        assert ran.ok, ran
        return ran.out.strip()

    def fails(self, pod: str, script: str, container: str = "main") -> Ran:
        ran = self.sh(pod, script, container=container)
        assert not ran.ok, ran
        return ran

    def end(self, name: str) -> None:
        """Delete a Pod and wait until it is gone."""
        self.api.delete("Pod", name, self.namespace)
        self.gone("Pod", name=name)


def disks(api: Api, name: str) -> Iterator[Disks]:
    """A fresh namespace named after a test."""
    text = name.removeprefix("test_").replace("_", "-").partition("[")[0][:30].strip("-")
    namespace = f"disk-{text}-{token_hex(2)}"
    workspace.make_namespace(api, namespace)
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    api.patch("Namespace", namespace, None, {"metadata": {"labels": labels}})
    made = Disks(api, namespace)
    try:
        yield made
    finally:
        made.clean()
