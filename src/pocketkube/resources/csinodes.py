"""CSINodes: the drivers of a node and how many volumes each takes.

Models pkg/registry/storage/csinode.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "CSINode"
    plural = "csinodes"
    namespaced = False
    columns = described("csinodes", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]
