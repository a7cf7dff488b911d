"""CSIStorageCapacities: how much a driver can still provision, by class and topology.

Models pkg/registry/storage/csistoragecapacity, ValidateCSIStorageCapacity* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pocketkube import fields, objects, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata, nodelabels
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import NAME, described


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "CSIStorageCapacity"
    plural = "csistoragecapacities"
    unconditional_update = False
    revalidates_metadata = True
    columns = described("csistoragecapacities", NAME, Column("StorageClassName"), Column("Capacity"))

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), obj.get("storageClassName", ""), obj.get("capacity", "<unset>")]

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from metadata.label_selector("nodeTopology", obj.get("nodeTopology"))
        name = obj.get("storageClassName", "")
        for problem in formats.dns1123_subdomain(name):
            yield fields.invalid("storageClassName", name, problem)
        capacity = obj.get("capacity")
        if capacity is not None and quantity.parse(capacity) < 0:
            yield fields.invalid("capacity", capacity, formats.NOT_NEGATIVE)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        yield from metadata.immutable("nodeTopology", new.get("nodeTopology"), old.get("nodeTopology"))
        name = "storageClassName"
        yield from metadata.immutable(name, new.get(name, ""), old.get(name, ""))

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return nodelabels.selector_warnings("nodeTopology", new.get("nodeTopology"))
