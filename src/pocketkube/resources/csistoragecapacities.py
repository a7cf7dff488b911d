"""CSIStorageCapacities: how much a driver can still provision, by class and topology.

Models pkg/registry/storage/csistoragecapacity.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "CSIStorageCapacity"
    plural = "csistoragecapacities"
    columns = described("csistoragecapacities", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]
