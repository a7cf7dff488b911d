"""external-provisioner's other task: CSIStorageCapacity objects say how much room there is, by class and node.

Models external-provisioner v6.3.0 with --enable-capacity: one object for each class with WaitForFirstConsumer and each
node the driver runs on, in namespace default, with what the driver answers. Of our own: none for a node that the class
does not allow; objects follow classes and nodes at once, none is polled for, as this driver's answer never changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pocketkube import claims, objects, quantity
from pocketkube.controllers.base import Mapping
from pocketkube.objects import Key, Obj
from pocketkube.storage import csitopology
from pocketkube.storage.base import Program
from pocketkube.storage.driver import NAME, TOPOLOGY_KEY
from pocketkube.store import Event

NAMESPACE: Final = "default"
LABELS: Final = {
    "csi.storage.k8s.io/drivername": NAME,
    "csi.storage.k8s.io/managed-by": "external-provisioner",
}
ALL: Final = ("", "all")
"""The only key: there are few objects."""


class CsiCapacity(Program):
    name = "csi-capacity"
    image = "csi-provisioner"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        for resource in ("storageclasses", "csinodes", "csistoragecapacities"):
            yield resource, _all

    async def reconcile(self, at: Key) -> None:
        available, largest = (quantity.text_of(size, "BinarySI") for size in self.backend.driver.capacity())
        missing = {
            (objects.name(storage_class), node)
            for storage_class in self.client.list("storageclasses")
            if storage_class.get("provisioner") == NAME and claims.is_delayed(storage_class)
            for node in csitopology.allowed(self.client, self.backend.nodes, storage_class)
        }
        for found in self.client.list("csistoragecapacities", NAMESPACE, LABELS):
            node = objects.dig(found, "nodeTopology", "matchLabels", TOPOLOGY_KEY, default="")
            if (item := (found.get("storageClassName", ""), node)) not in missing:
                self.client.delete("csistoragecapacities", objects.key(found))
                self.log.info('"CSIStorageCapacity deleted" object="%s"', "/".join(objects.key(found)))
                continue
            missing.remove(item)
            if (found.get("capacity"), found.get("maximumVolumeSize")) != (available, largest):
                news = {**objects.copy(found), "capacity": available, "maximumVolumeSize": largest}
                self.client.update("csistoragecapacities", news)
        for class_name, node in sorted(missing):
            capacity: Obj = {
                "metadata": {"generateName": "csisc-", "namespace": NAMESPACE, "labels": dict(LABELS)},
                "nodeTopology": {"matchLabels": {TOPOLOGY_KEY: node}},
                "storageClassName": class_name,
                "capacity": available,
                "maximumVolumeSize": largest,
            }
            made = self.client.create("csistoragecapacities", capacity)
            text = '"CSIStorageCapacity created" object="%s" storageClass="%s" node="%s"'
            self.log.info(text, "/".join(objects.key(made)), class_name, node)


def _all(event: Event) -> Iterable[Key]:
    yield ALL


PROGRAM = CsiCapacity
