"""VolumeAttributesClasses: what of a volume can be changed while it lives.

Models pkg/registry/storage/volumeattributesclass, ValidateVolumeAttributesClass*, StorageObjectInUseProtection and the
printer. The finalizer is taken away by controllers/vacprotection.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.persistentvolume_spec.admission import protect
from pocketkube.resources.storageclasses import parameters, provisioner

PROTECTION: Final = "kubernetes.io/vac-protection"


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "VolumeAttributesClass"
    plural = "volumeattributesclasses"
    returns_deleted = True
    short_names = ("vac",)
    namespaced = False
    revalidates_metadata = True
    columns = described("volumeattributesclasses", NAME, Column("DriverName"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), obj.get("driverName", ""), age(self.world.clock, obj)]

    def admit(self, new: Obj, old: Obj | None) -> None:
        if old is None:
            protect(new, PROTECTION)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        held = obj.get("parameters") or {}
        yield from provisioner("driverName", obj.get("driverName", ""))
        yield from parameters("parameters", held)
        if not held:
            yield fields.required("parameters", "must contain at least one key/value pair")

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        for name in ("driverName", "parameters"):
            if new.get(name) != old.get(name):
                yield fields.forbidden(name, f"updates to {name} are forbidden.")
        yield from self.validate(new)
