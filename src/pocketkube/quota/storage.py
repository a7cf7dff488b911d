"""What PersistentVolumeClaims use of a quota: themselves and the storage they request, in all and of each class.

Models evaluator/core/persistent_volume_claims.go.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from pocketkube import claims, objects, quantity
from pocketkube.amounts import ONE, Amount, Amounts
from pocketkube.objects import Obj
from pocketkube.quota.base import Evaluator, in_values

_BY_CLASS: Final = ".storageclass.storage.k8s.io/"
_NAMES: Final = ("persistentvolumeclaims", "requests.storage")


class Claims(Evaluator):
    def counts(self, name: str) -> bool:
        return name == self.count or name in _NAMES or name.endswith(tuple(_BY_CLASS + end for end in _NAMES))

    def usage(self, obj: Obj, now: float) -> Amounts:
        used = {"persistentvolumeclaims": ONE}
        storage = objects.dig(objects.spec(obj), "resources", "requests", "storage")
        if storage is not None:
            granted = objects.dig(objects.status(obj), "allocatedResources", "storage")
            if granted is not None and quantity.compare(granted, storage) > 0:
                storage = granted
            used["requests.storage"] = Amount(Decimal(quantity.value(storage)), quantity.format_of(storage))
        if name := claims.class_of(obj):
            used |= {f"{name}{_BY_CLASS}{field}": one for field, one in used.items()}
        return {self.count: ONE, **used}

    def is_charged(self, new: Obj, old: Obj | None, subresource: str) -> bool:
        return not subresource

    def is_changed(self, new: Obj, old: Obj, now: float) -> bool:
        return self.usage(new, now) != self.usage(old, now) or _attributes(new) != _attributes(old)

    def in_scope(self, requirement: Obj, obj: Obj) -> bool:
        return requirement.get("scopeName") == "VolumeAttributesClass" and in_values(requirement, _attributes(obj))


def _attributes(claim: Obj) -> set[str]:
    """The classes of volume attributes that a claim asks for, has, or is on its way to."""
    status = objects.status(claim)
    named = (
        objects.spec(claim).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        objects.dig(status, "modifyVolumeStatus", "targetVolumeAttributesClassName"),
    )
    return {name for name in named if name}
