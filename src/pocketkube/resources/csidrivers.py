"""CSIDrivers: what the cluster knows of a driver.

Models pkg/registry/storage/csidriver.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "CSIDriver"
    plural = "csidrivers"
    namespaced = False
    columns = described("csidrivers", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]
