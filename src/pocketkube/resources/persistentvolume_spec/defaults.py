"""What is filled in of volumes and claims.

Models SetDefaults_PersistentVolume* (pkg/apis/core/v1).
"""

from __future__ import annotations

from pocketkube import quantity
from pocketkube.objects import Obj
from pocketkube.resources import volume_sources


def volume(obj: Obj) -> None:
    """Fill in a PersistentVolume in place."""
    spec = obj.setdefault("spec", {})
    spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    if spec.get("capacity"):
        spec["capacity"] = quantity.resource_list(spec["capacity"])
    volume_sources.default(spec)


def claim_spec(spec: Obj) -> None:
    """Fill in the spec of a claim, or of a claim's template, in place."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    resources = spec.setdefault("resources", {})
    for name in ("limits", "requests"):
        if resources.get(name):
            resources[name] = quantity.resource_list(resources[name])
