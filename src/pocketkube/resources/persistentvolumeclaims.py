"""PersistentVolumeClaims: what a namespace asks for.

Models pkg/registry/core/persistentvolumeclaim.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    kind = "PersistentVolumeClaim"
    plural = "persistentvolumeclaims"
    short_names = ("pvc",)
    has_status = True
    columns = described("persistentvolumeclaims", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]
