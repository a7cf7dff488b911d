"""What a default cluster's admission plugins do to volumes and claims.

Models StorageObjectInUseProtection, DefaultStorageClass and PersistentVolumeClaimResize (plugin/pkg/admission/storage).
"""

from __future__ import annotations

from typing import Final

from pocketkube import claims, objects, quantity
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.resources.base import World

PV_PROTECTION: Final = "kubernetes.io/pv-protection"
PVC_PROTECTION: Final = "kubernetes.io/pvc-protection"


def protect(obj: Obj, finalizer: str) -> None:
    """A new volume or claim stays until its protection controller says that nobody uses it."""
    held = objects.meta(obj).get("finalizers") or []
    if finalizer not in held:
        obj["metadata"]["finalizers"] = [*held, finalizer]


def choose_class(world: World, claim: Obj) -> None:
    """A new claim that names no class gets the default one. An empty name is a name: no class is wanted."""
    if claims.has_class(claim):
        return
    chosen = claims.default_class(world.objects("storageclasses"))
    if chosen is not None:
        claim["spec"]["storageClassName"] = objects.name(chosen)


def check_resize(world: World, new: Obj, old: Obj) -> None:
    """Refuse (Forbidden) to let a claim grow that is not bound, or whose class does not let it."""
    if _asked(new) <= _asked(old):
        return
    name = objects.name(new)
    if objects.status(old).get("phase") != "Bound":
        raise Forbidden.of("persistentvolumeclaims", name, "Only bound persistent volume claims can be expanded")
    wanted, given = claims.class_of(new), claims.class_of(old)
    found = world.find("storageclasses", "", wanted) if wanted and wanted == given else None
    if found is None or not found.get("allowVolumeExpansion"):
        why = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
            "support resize"
        )
        raise Forbidden.of("persistentvolumeclaims", name, why)


def _asked(claim: Obj) -> int:
    return quantity.value(objects.dig(claim, "spec", "resources", "requests", "storage", default="0"))
