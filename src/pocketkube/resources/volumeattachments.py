"""VolumeAttachments: the wish that a volume be attached to a node, and what came of it.

Models pkg/registry/storage/volumeattachment.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "VolumeAttachment"
    plural = "volumeattachments"
    namespaced = False
    has_status = True
    columns = described("volumeattachments", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]
