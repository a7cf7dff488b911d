"""PersistentVolumes: pieces of storage of the cluster.

Models pkg/registry/core/persistentvolume, SetDefaults_PersistentVolume, ValidatePersistentVolume* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pocketkube import claims, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.persistentvolume_spec import admission, defaults, printing, volumes


class RESOURCE(Resource):
    kind = "PersistentVolume"
    plural = "persistentvolumes"
    short_names = ("pv",)
    namespaced = False
    has_status = True
    returns_deleted = True
    revalidates_metadata = True
    columns = described(
        "persistentvolumes",
        NAME,
        Column("Capacity"),
        Column("Access Modes"),
        Column("Reclaim Policy"),
        Column("Status"),
        Column("Claim"),
        Column("StorageClass"),
        Column("VolumeAttributesClass"),
        Column("Reason"),
        AGE,
        Column("VolumeMode", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        claim = spec.get("claimRef")
        return [
            objects.name(obj),
            objects.dig(spec, "capacity", "storage", default="0"),
            printing.access_modes(spec.get("accessModes")),
            spec.get("persistentVolumeReclaimPolicy", ""),
            printing.phase(obj),
            f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim is not None else "",
            claims.class_of(obj),
            spec.get("volumeAttributesClassName", printing.UNSET),
            objects.status(obj).get("reason", ""),
            age(self.world.clock, obj),
            spec.get("volumeMode", printing.UNSET),
        ]

    def default(self, obj: Obj) -> None:
        defaults.volume(obj)

    def admit(self, new: Obj, old: Obj | None) -> None:
        if old is None:
            admission.protect(new, admission.PV_PROTECTION)

    def initial_status(self, obj: Obj) -> Obj:
        return {"phase": "Pending", "lastPhaseTransitionTime": self.world.clock.now()}

    def prepare_status(self, new: Obj, old: Obj) -> None:
        status, before = new.setdefault("status", {}), objects.status(old)
        status["phase"] = status.get("phase") or "Pending"
        moment, earlier = (s.get("lastPhaseTransitionTime") for s in (status, before))
        if status["phase"] != before.get("phase"):
            if moment is None or moment == earlier:
                status["lastPhaseTransitionTime"] = self.world.clock.now()
        elif moment is None and earlier is not None:
            status["lastPhaseTransitionTime"] = earlier

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from volumes.validate(obj)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from volumes.validate_update(new, old)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return volumes.warnings(new)
