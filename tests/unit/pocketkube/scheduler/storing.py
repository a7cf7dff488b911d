"""Claims, volumes and classes for the tests of where pods with volumes go; the binder is played by the tests."""

from __future__ import annotations

from typing import Any

from tests.unit.pocketkube.controllers.world import World, pod_spec

from pocketkube import claims, objects
from pocketkube.objects import Obj

CLASS = "later"


def storage_class(world: World, name: str = CLASS, *, provisioner: str = "example.com/disks", **fields: Any) -> Obj:
    body = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}
    return world.create("storageclasses", {**body, **fields})


def claim(world: World, name: str, *, size: str = "1Gi", cls: str = CLASS, mode: str = "ReadWriteOnce") -> Obj:
    spec = {"accessModes": [mode], "storageClassName": cls, "resources": {"requests": {"storage": size}}}
    return world.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": spec})


def volume(
    world: World,
    name: str,
    *,
    size: str = "1Gi",
    cls: str = CLASS,
    node: str = "",
    source: Obj | None = None,
    labels: dict[str, str] | None = None,
    modes: tuple[str, ...] = ("ReadWriteOnce",),
) -> Obj:
    """Available, on one node if named."""
    spec: Obj = {
        "capacity": {"storage": size},
        "accessModes": list(modes),
        "storageClassName": cls,
        "persistentVolumeReclaimPolicy": "Retain",
        **(source or {"hostPath": {"path": f"/disks/{name}"}}),
    }
    if node:
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    world.create("persistentvolumes", {"metadata": {"name": name, "labels": labels or {}}, "spec": spec})
    return world.patch("persistentvolumes", name, lambda v: v["status"].update(phase="Available"), subresource="status")


def csi(handle: str, driver: str = "csi.example.com") -> Obj:
    return {"csi": {"driver": driver, "volumeHandle": handle}}


def bind(world: World, claim_name: str, volume_name: str) -> None:
    """What the binder does."""
    asked = world.get("persistentvolumeclaims", claim_name)

    def settle(copy: Obj) -> None:
        copy["spec"]["volumeName"] = volume_name
        objects.meta(copy).setdefault("annotations", {})[claims.BIND_COMPLETED] = "yes"

    def promise(copy: Obj) -> None:
        claims.promise(copy, asked)

    world.patch("persistentvolumes", volume_name, promise)
    world.patch("persistentvolumes", volume_name, lambda v: v["status"].update(phase="Bound"), subresource="status")
    world.patch("persistentvolumeclaims", claim_name, settle)
    world.patch("persistentvolumeclaims", claim_name, lambda c: c["status"].update(phase="Bound"), subresource="status")


def bound(world: World, name: str, **kwargs: Any) -> None:
    """A claim `name` bound to a volume `v-<name>`."""
    mode = kwargs.get("modes", ("ReadWriteOnce",))[0]
    claim(world, name, cls=kwargs.get("cls", CLASS), mode=mode)
    volume(world, f"v-{name}", **kwargs)
    bind(world, name, f"v-{name}")


def user(world: World, name: str, *claim_names: str, **spec: Any) -> Obj:
    """A pod that uses the claims."""
    volumes = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claim_names]
    return world.create("pods", {"metadata": {"name": name}, "spec": {**pod_spec(), "volumes": volumes, **spec}})


def csi_node(world: World, node: str, count: int | None, driver: str = "csi.example.com") -> Obj:
    found: Obj = {"name": driver, "nodeID": node, "topologyKeys": []}
    if count is not None:
        found["allocatable"] = {"count": count}
    return world.create("csinodes", {"metadata": {"name": node}, "spec": {"drivers": [found]}})


def selected(world: World, claim_name: str) -> str:
    held = objects.annotations(world.get("persistentvolumeclaims", claim_name))
    return held.get(claims.SELECTED_NODE, "")
