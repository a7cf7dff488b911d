"""What is filled in of volumes and claims, and how their amounts are rounded.

Models SetDefaults_PersistentVolume*, SetDefaults_ResourceList and the volume sources' defaults (pkg/apis/core/v1).
"""

from __future__ import annotations

from typing import Final

from pocketkube.objects import Obj
from pocketkube.resources.pod_spec.defaults import resource_list

_SOURCES: Final[dict[str, Obj]] = {
    "hostPath": {"type": ""},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "iscsi": {"iscsiInterface": "default"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def volume(obj: Obj) -> None:
    """Fill in a PersistentVolume in place."""
    spec = obj.setdefault("spec", {})
    spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    if spec.get("capacity"):
        spec["capacity"] = resource_list(spec["capacity"])
    for name, filled in _SOURCES.items():
        if spec.get(name) is not None:
            for field, value in filled.items():
                if spec[name].get(field) is None or (spec[name][field] == "" and name != "azureDisk"):
                    spec[name][field] = value


def claim_spec(spec: Obj) -> None:
    """Fill in the spec of a claim, or of a claim's template, in place."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    resources = spec.setdefault("resources", {})
    for name in ("limits", "requests"):
        if resources.get(name):
            resources[name] = resource_list(resources[name])
