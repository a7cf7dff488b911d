"""A cluster with the snapshot API, its programs and the hostpath driver, where the test binds claims itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import yaml
from tests.unit.pocketkube.controllers.world import NAMESPACE, World, working

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import scan
from pocketkube.objects import Obj
from pocketkube.storage.base import Backend, Program
from pocketkube.storage.csisnapshotter import CsiSnapshotter
from pocketkube.storage.driver import NAME, HostPathDriver
from pocketkube.storage.snapshotcontroller import SnapshotController
from pocketkube.storage.snapshots import CLASSES, CONTENTS, SNAPSHOTS

CLASS = "csi-hostpath-snapclass"
GIBI = 1 << 30


class SnapshotWorld(World):
    def __init__(self, folder: Path, *, speed: float = 1.0) -> None:
        super().__init__(speed=speed)
        self.driver = HostPathDriver(folder)
        self.create("namespaces", {"metadata": {"name": "default"}})  # events of what has no namespace are there
        self._handles: dict[str, str] = {}
        for kind in (CLASSES, CONTENTS, SNAPSHOTS):
            self.client.subscribe(kind, lambda event: self._changed.set())

    @property
    def backend(self) -> Backend:
        return Backend(self.driver, ("worker-a",), lambda node: self.driver.folder / node)

    async def install(self) -> None:
        """The definitions of the add-on, once they are served, and its class."""
        text = (files("pocketkube") / "data" / "addons" / "snapshots.yaml").read_text()
        for obj in (objects.copy(found) for found in yaml.safe_load_all(text)):
            if obj["kind"] == "CustomResourceDefinition":
                self.create("customresourcedefinitions", obj)
            elif obj["kind"] == "VolumeSnapshotClass":
                await self.until(lambda: CLASSES in self.registry.resources)
                self.create(CLASSES, obj)
        await self.until(lambda: {CONTENTS, SNAPSHOTS} <= set(self.registry.resources))

    # -- claims

    def claim(self, name: str = "data", *, source: str = "") -> Obj:
        """Pending. `source`: a snapshot it is to be made of."""
        spec: Obj = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        if source:
            ref = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": source}
            spec.update(dataSource=dict(ref), dataSourceRef=dict(ref))
        return self.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": spec})

    async def bind(self, claim: str = "data", *, csi: bool = True, driver: str = NAME) -> Path:
        """Give a claim a volume; the folder of its files."""
        made = await self.driver.create_volume(f"pvc-{claim}", GIBI)
        self._handles[claim] = made.id
        reference = {"namespace": NAMESPACE, "name": claim, "uid": objects.uid(self.get(CLAIMS, claim))}
        source = {"csi": {"driver": driver, "volumeHandle": made.id}} if csi else {"hostPath": {"path": "/data"}}
        volume = {
            "metadata": {"name": f"pv-{claim}"},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "claimRef": reference, **source},
        }
        self.create("persistentvolumes", volume)
        self.patch(CLAIMS, claim, lambda copy: copy["spec"].update(volumeName=f"pv-{claim}"))
        self.patch(CLAIMS, claim, lambda copy: copy["status"].update(phase="Bound"), subresource="status")
        return self.folder(claim)

    async def bound_claim(self, name: str = "data", *, csi: bool = True) -> Path:
        self.claim(name)
        return await self.bind(name, csi=csi)

    def folder(self, claim: str = "data") -> Path:
        return self.driver.node_publish(self._handles[claim])

    def handle(self, claim: str = "data") -> str:
        return self._handles[claim]

    # -- snapshots

    def snapshot(self, name: str = "snap", *, of: str = "data", class_: str | None = CLASS) -> Obj:
        spec: Obj = {"source": {"persistentVolumeClaimName": of}}
        if class_ is not None:
            spec["volumeSnapshotClassName"] = class_
        return self.create(SNAPSHOTS, {"metadata": {"name": name}, "spec": spec})

    def existing(self, name: str, content: str) -> Obj:
        """A snapshot that names its content."""
        spec = {"source": {"volumeSnapshotContentName": content}}
        return self.create(SNAPSHOTS, {"metadata": {"name": name}, "spec": spec})

    def content_for(self, snapshot: str, handle: str, *, name: str = "pre", policy: str = "Retain") -> Obj:
        """A content of a snapshot that is there already."""
        spec = {
            "deletionPolicy": policy,
            "driver": NAME,
            "source": {"snapshotHandle": handle},
            "volumeSnapshotRef": {"name": snapshot, "namespace": NAMESPACE},
        }
        return self.create(CONTENTS, {"metadata": {"name": name}, "spec": spec})

    def class_(self, name: str, *, default: bool = False, policy: str = "Delete", driver: str = NAME) -> Obj:
        marks = {"snapshot.storage.kubernetes.io/is-default-class": "true"} if default else {}
        metadata: Obj = {"name": name, "annotations": marks}
        return self.create(CLASSES, {"metadata": metadata, "driver": driver, "deletionPolicy": policy})

    def status(self, name: str = "snap") -> Obj:
        return objects.status(self.get(SNAPSHOTS, name))

    def content(self, snapshot: str = "snap") -> Obj:
        return self.get(CONTENTS, self.status(snapshot)["boundVolumeSnapshotContentName"])

    async def ready(self, name: str = "snap") -> Obj:
        await self.until(lambda: self.status(name).get("readyToUse") is True)
        return self.get(SNAPSHOTS, name)

    async def fails(self, name: str, holds: Callable[[str], bool] = bool) -> str:
        """The message of a snapshot's error, once there is one that `holds`."""
        await self.until(lambda: holds(self._error(name)))
        return self._error(name)

    def _error(self, name: str) -> str:
        return str((self.status(name).get("error") or {}).get("message") or "")


CLAIMS = "persistentvolumeclaims"


@asynccontextmanager
async def running(
    world: SnapshotWorld, *programs: type[Program], controllers: tuple[str, ...] = ()
) -> AsyncIterator[SnapshotWorld]:
    """The programs (both, if none is named) and the controllers of those names, besides that of definitions."""
    parts = [
        p(Client(world.registry, p.name), world.backend).run() for p in programs or (SnapshotController, CsiSnapshotter)
    ]
    wanted = {"customresourcedefinition-controller", *controllers}
    chosen = [c for c in scan() if c.name in wanted]
    assert len(chosen) == len(wanted), f"of {wanted} there are {chosen}"
    parts += [c(Client(world.registry, c.name)).run() for c in chosen]
    async with working(parts):
        yield world
