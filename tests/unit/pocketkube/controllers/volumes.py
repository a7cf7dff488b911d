"""Volumes, claims and classes for the tests of the controllers of storage, and what they look at."""

from __future__ import annotations

from typing import Any

from tests.unit.pocketkube.controllers.world import NAMESPACE, World

from pocketkube import objects
from pocketkube.objects import Obj


def storage_class(world: World, name: str = "fast", provisioner: str = "example.com/disk", **fields: Any) -> Obj:
    default = fields.pop("default", False)
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return world.create(
        "storageclasses", {"metadata": {"name": name, "annotations": annotations}, "provisioner": provisioner, **fields}
    )


def volume(world: World, name: str = "v", size: str = "1Gi", **spec: Any) -> Obj:
    annotations, labels = spec.pop("annotations", {}), spec.pop("labels", {})
    body = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "manual",
        **spec,
    }
    if not {"hostPath", "local", "csi", "nfs"} & body.keys():
        body["hostPath"] = {"path": f"/data/{name}"}
    metadata = {"name": name, "annotations": annotations, "labels": labels}
    return world.create("persistentvolumes", {"metadata": metadata, "spec": body})


def claim(world: World, name: str = "data", size: str = "1Gi", **spec: Any) -> Obj:
    body = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        "storageClassName": "manual",
        **spec,
    }
    metadata = {"name": name, "ownerReferences": body.pop("owners", [])}
    body = {k: v for k, v in body.items() if v is not None}
    return world.create("persistentvolumeclaims", {"metadata": metadata, "spec": body})


def made_for(wanted: Obj, name: str = "", **spec: Any) -> dict[str, Any]:
    """What a provisioner outside sets on the volume it makes for a claim."""
    ref = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": NAMESPACE,
        "name": objects.name(wanted),
        "uid": objects.uid(wanted),
        "resourceVersion": wanted["metadata"]["resourceVersion"],
    }
    return {
        "name": name or f"pvc-{objects.uid(wanted)}",
        "annotations": {"pv.kubernetes.io/provisioned-by": "example.com/disk"},
        "storageClassName": wanted["spec"].get("storageClassName", ""),
        "persistentVolumeReclaimPolicy": "Delete",
        "csi": {"driver": "disk.example.com", "volumeHandle": name or objects.uid(wanted)},
        "claimRef": ref,
        **spec,
    }


def phase(world: World, name: str) -> str:
    """Of the claim of that name, else of the volume; "" when there is neither."""
    found = world.find("persistentvolumeclaims", name) or world.find("persistentvolumes", name)
    return str(objects.status(found).get("phase", "")) if found else ""


def bound_to(world: World, name: str) -> str:
    """The volume a claim is bound to, whole: both halves and both phases; "" otherwise."""
    found = world.get("persistentvolumeclaims", name)
    its = world.find("persistentvolumes", found["spec"].get("volumeName", ""))
    whole = its is not None and phase(world, name) == "Bound" and objects.status(its)["phase"] == "Bound"
    return (
        objects.name(its) if its is not None and whole and its["spec"]["claimRef"]["uid"] == objects.uid(found) else ""
    )
