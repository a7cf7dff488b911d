"""StorageClasses: how volumes are provisioned.

Models pkg/registry/storage/storageclass.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "StorageClass"
    plural = "storageclasses"
    short_names = ("sc",)
    namespaced = False
    columns = described("storageclasses", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]
