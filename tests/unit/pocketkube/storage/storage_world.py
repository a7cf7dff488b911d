"""A cluster whose claims are provisioned: two workers with the driver, the binder, the storage programs, no kubelet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.unit.pocketkube.controllers.volumes import phase
from tests.unit.pocketkube.controllers.world import World, working

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import scan as controllers
from pocketkube.objects import Obj
from pocketkube.storage.base import Backend, Program, scan
from pocketkube.storage.driver import NAME, TOPOLOGY_KEY, HostPathDriver

CLAIMS, VOLUMES, CLASSES = "persistentvolumeclaims", "persistentvolumes", "storageclasses"
WORKERS = ("worker-a", "worker-b")
CONTROLLERS = {
    "persistentvolume-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
}


class StorageWorld(World):
    def __init__(self, folder: Path, *, speed: float = 1.0) -> None:
        super().__init__(speed=speed)
        self.folder = folder
        self.driver = HostPathDriver(folder / "storage")
        self.create("namespaces", {"metadata": {"name": "default"}})  # events of what has no namespace are there
        for zone, name in zip("ab", WORKERS, strict=True):
            self.node(name, zone=zone)
            self.client.patch("nodes", ("", name), _labelled(name))
            self.csinode(name)
        self.storage_class("csi", allowVolumeExpansion=True)

    @property
    def backend(self) -> Backend:
        return Backend(self.driver, WORKERS, lambda node: self.folder / node)

    def csinode(self, name: str) -> Obj:
        driver = {"name": NAME, "nodeID": name, "topologyKeys": [TOPOLOGY_KEY]}
        return self.create("csinodes", {"metadata": {"name": name}, "spec": {"drivers": [driver]}})

    def storage_class(self, name: str, provisioner: str = NAME, **fields: Any) -> Obj:
        return self.create(CLASSES, {"metadata": {"name": name}, "provisioner": provisioner, **fields})

    def claim(self, name: str = "data", size: str = "1Gi", class_: str = "csi", **spec: Any) -> Obj:
        metadata: Obj = {"name": name, "annotations": spec.pop("annotations", {})}
        body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
        return self.create(CLAIMS, {"metadata": metadata, "spec": {"storageClassName": class_, **body}})

    def select(self, claim: str, node: str) -> None:
        """As the scheduler does for a pod of that node."""
        self.patch(CLAIMS, claim, lambda c: objects.meta(c).setdefault("annotations", {}).update({SELECTED: node}))

    async def bound(self, name: str = "data") -> Obj:
        """The volume of a claim, once both say so."""
        await self.until(lambda: phase(self, name) == "Bound")
        volume = self.get(CLAIMS, name)["spec"]["volumeName"]
        await self.until(lambda: phase(self, volume) == "Bound")
        return self.get(VOLUMES, volume)

    def data(self, claim: str = "data") -> Path:
        """The folder of the files of a bound claim's CSI volume."""
        volume = self.get(VOLUMES, self.get(CLAIMS, claim)["spec"]["volumeName"])
        return self.driver.node_publish(volume["spec"]["csi"]["volumeHandle"])

    async def told(self, name: str, reason: str, holds: Callable[[str], bool] = bool) -> str:
        """The text of an event about the object of that name, once there is one that `holds`."""
        await self.until(lambda: any(holds(text) for text in self.events(name, reason=reason)))
        return next(text for text in self.events(name, reason=reason) if holds(text))

    def reasons(self, name: str) -> dict[str, int]:
        """Reason -> how often it was told about the object of that name."""
        about = [e for e in self.client.list("events") if e["involvedObject"]["name"] == name]
        return {e["reason"]: e["count"] for e in about}


SELECTED = "volume.kubernetes.io/selected-node"


def _labelled(name: str) -> Callable[[Obj], None]:
    def label(node: Obj) -> None:
        node["metadata"]["labels"][TOPOLOGY_KEY] = name

    return label


@asynccontextmanager
async def running(world: StorageWorld, *names: str, controllers_too: bool = True) -> AsyncIterator[StorageWorld]:
    """The programs of those names, and the controllers that claims and volumes need."""
    chosen: list[type[Program]] = [program for program in scan() if program.name in names]
    assert {program.name for program in chosen} == set(names)
    parts = [program(Client(world.registry, program.name), world.backend).run() for program in chosen]
    wanted = [c for c in controllers() if c.name in CONTROLLERS and controllers_too]
    parts += [c(Client(world.registry, c.name)).run() for c in wanted]
    async with working(parts):
        yield world
