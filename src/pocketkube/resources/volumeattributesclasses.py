"""VolumeAttributesClasses: what of a volume can be changed while it lives.

Models pkg/registry/storage/volumeattributesclass.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "VolumeAttributesClass"
    plural = "volumeattributesclasses"
    short_names = ("vac",)
    namespaced = False
    columns = described("volumeattributesclasses", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]
