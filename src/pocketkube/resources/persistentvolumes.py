"""PersistentVolumes: pieces of storage of the cluster.

Models pkg/registry/core/persistentvolume.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    kind = "PersistentVolume"
    plural = "persistentvolumes"
    short_names = ("pv",)
    namespaced = False
    has_status = True
    columns = described("persistentvolumes", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]
