"""ConfigMaps.

Models pkg/registry/core/configmap and ValidateConfigMap*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.payload import SIZE_LIMIT, immutable, size


class RESOURCE(Resource):
    kind = "ConfigMap"
    plural = "configmaps"
    short_names = ("cm",)
    revalidates_metadata = True
    columns = described("configmaps", NAME, Column("Data"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        count = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
        return [objects.name(obj), count, age(self.world.clock, obj)]

    def validate(self, obj: Obj) -> Iterator[Cause]:
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        for key in sorted(data):
            for problem in formats.config_key(key):
                yield fields.invalid(f"data[{key}]", key, problem)
            if key in binary:
                yield fields.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in sorted(binary):
            for problem in formats.config_key(key):
                yield fields.invalid(f"binaryData[{key}]", key, problem)
        if size(data, binary) > SIZE_LIMIT:
            yield fields.too_long("[]", SIZE_LIMIT)  # upstream's name for the whole object

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from immutable(new, old, "data", "binaryData")
        yield from self.validate(new)
