"""PersistentVolumeClaims: what a namespace asks for.

Models pkg/registry/core/persistentvolumeclaim, its defaults, ValidatePersistentVolumeClaim* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pocketkube import objects
from pocketkube.claims import class_of
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.persistentvolume_spec import admission, claims, defaults, printing


class RESOURCE(Resource):
    kind = "PersistentVolumeClaim"
    plural = "persistentvolumeclaims"
    short_names = ("pvc",)
    has_status = True
    returns_deleted = True
    revalidates_metadata = True
    columns = described(
        "persistentvolumeclaims",
        NAME,
        Column("Status"),
        Column("Volume"),
        Column("Capacity"),
        Column("Access Modes"),
        Column("StorageClass"),
        Column("VolumeAttributesClass"),
        AGE,
        Column("VolumeMode", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, status = objects.spec(obj), objects.status(obj)
        bound = bool(spec.get("volumeName"))
        return [
            objects.name(obj),
            printing.phase(obj),
            spec.get("volumeName", ""),
            objects.dig(status, "capacity", "storage", default="0") if bound else "",
            printing.access_modes(status.get("accessModes")) if bound else "",
            class_of(obj),
            spec.get("volumeAttributesClassName", printing.UNSET),
            age(self.world.clock, obj),
            spec.get("volumeMode", printing.UNSET),
        ]

    def default(self, obj: Obj) -> None:
        defaults.claim_spec(obj.setdefault("spec", {}))

    def admit(self, new: Obj, old: Obj | None) -> None:
        if old is None:
            admission.protect(new, admission.PVC_PROTECTION)
            admission.choose_class(self.world, new)

    def initial_status(self, obj: Obj) -> Obj:
        return {"phase": "Pending"}

    def prepare_status(self, new: Obj, old: Obj) -> None:
        status = new.setdefault("status", {})
        status["phase"] = status.get("phase") or "Pending"

    def prepare_create(self, obj: Obj) -> None:
        claims.prepare(obj["spec"], None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        claims.prepare(new["spec"], objects.spec(old))

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from claims.validate(objects.spec(obj))

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from claims.validate_update(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from claims.validate_status(new)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return claims.warnings(new)

    def check_update(self, new: Obj, old: Obj) -> None:
        admission.check_resize(self.world, new, old)
