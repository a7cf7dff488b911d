"""Where a claim's first content comes from: a snapshot or another claim, and whether that can be copied.

The rules are external-provisioner's and the API's: same namespace, same driver, same mode, at least the size.
"""

from __future__ import annotations

import contextlib
import json

from kindlab import quantities
from kindlab.api import Api, Obj
from kindlab.kinds import SNAPSHOT, SNAPSHOT_CONTENT
from kindlab.trace import offers
from kindlab.trace.hops import Trace

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def in_order(api: Api, claim: Obj, storage_class: Obj | None, path: Trace) -> bool:
    """Add the hop Source of a claim that has one; False when nothing can come of it."""
    source = claim["spec"].get("dataSourceRef") or claim["spec"].get("dataSource")
    if not source:
        return _kept(claim, path)
    if source["kind"] == "PersistentVolumeClaim":
        return _clone(api, claim, source, storage_class, path)
    if source["kind"] == "VolumeSnapshot":
        return _restore(api, claim, source, storage_class, path)
    path.ok("Source", f"{source['kind']} {source['name']}: a populator of that kind must fill the volume")
    return True


def honoured(claim: Obj, volume: Obj, path: Trace) -> bool:
    """Add the hop Source of a bound claim whose provisioner passed over it: the volume was made empty."""
    source = claim["spec"].get("dataSourceRef") or claim["spec"].get("dataSource")
    if not source:
        return _kept(claim, path)
    if "csi" in volume["spec"]:
        return True
    maker = (volume["metadata"].get("annotations") or {}).get(PROVISIONED_BY) or "somebody, by hand"
    path.fail(
        "Source",
        f"the claim names {source['kind']} {source['name']}, but its volume was made by {maker}, who does not copy: "
        "it was empty at first",
        "make the claim anew with a class of the CSI driver that the source has: kubectl get storageclasses",
    )
    return False


def _kept(claim: Obj, path: Trace) -> bool:
    """Whether the manifest of a claim without a source named none either. Kubernetes drops one that it does not
    honour without a word, and the volume is made empty; what `kubectl apply` noted still has it."""
    meta = claim["metadata"]
    wished: Obj = {}
    with contextlib.suppress(ValueError, AttributeError):
        wished = json.loads((meta.get("annotations") or {}).get(LAST_APPLIED, "{}")).get("spec") or {}
    source = wished.get("dataSource") or wished.get("dataSourceRef")
    if not isinstance(source, dict):
        return True
    kind, group = source.get("kind"), source.get("apiGroup") or ""
    why = f"the manifest names {kind} {source.get('name')} as its source, and Kubernetes dropped that without a word: "
    if source.get("namespace"):
        why += "a source in another namespace is not supported here"
    else:
        why += (
            f"apiGroup {group!r} and kind {kind} are neither a PersistentVolumeClaim (no apiGroup) nor a "
            "VolumeSnapshot (apiGroup snapshot.storage.k8s.io)"
        )
    path.fail(
        "Source",
        f"{why}. The volume is made empty",
        f"correct the manifest and make the claim anew: kubectl delete pvc {meta['name']} -n {meta['namespace']}",
    )
    return False


def _clone(api: Api, claim: Obj, source: Obj, storage_class: Obj | None, path: Trace) -> bool:
    namespace, name = claim["metadata"]["namespace"], source["name"]
    origin = api.get("PersistentVolumeClaim", name, namespace)
    if origin is None:
        why = f"there is no claim {name} in namespace {namespace} to clone (a clone and its source share a namespace)"
        path.fail("Source", why, f"kubectl get pvc -n {namespace}")
        return False
    status = (origin.get("status") or {}).get("phase", "Pending")
    if status != "Bound":
        path.fail(
            "Source",
            f"claim {name} is {status}: only a Bound one can be cloned",
            f"kindlab why pvc/{name} -n {namespace}",
        )
        return False
    volume = api.get("PersistentVolume", origin["spec"]["volumeName"])
    has = (origin.get("status") or {}).get("capacity", {}).get("storage", "0")
    return _comparable(claim, has, offers.mode(origin["spec"]), _driver(volume), storage_class, f"claim {name}", path)


def _restore(api: Api, claim: Obj, source: Obj, storage_class: Obj | None, path: Trace) -> bool:
    namespace, name = claim["metadata"]["namespace"], source["name"]
    look = f"kindlab why vs/{name} -n {namespace}"
    snapshot = api.get(SNAPSHOT, name, namespace)
    if snapshot is None:
        why = f"there is no VolumeSnapshot {name} in namespace {namespace}"
        path.fail("Source", why, f"kubectl get volumesnapshots -n {namespace}")
        return False
    status = snapshot.get("status") or {}
    if not status.get("readyToUse"):
        error = (status.get("error") or {}).get("message")
        path.fail("Source", f"VolumeSnapshot {name} is not ready to use{f': {error}' if error else ' yet'}", look)
        return False
    content = api.get(SNAPSHOT_CONTENT, status["boundVolumeSnapshotContentName"])
    mode = ((content or {}).get("spec") or {}).get("sourceVolumeMode") or offers.mode(claim["spec"])
    driver = ((content or {}).get("spec") or {}).get("driver", "")
    has = status.get("restoreSize") or "0"
    return _comparable(claim, has, mode, driver, storage_class, f"VolumeSnapshot {name}", path)


def _comparable(
    claim: Obj, has: str, mode: str, driver: str, storage_class: Obj | None, what: str, path: Trace
) -> bool:
    """Whether the claim is at least as large, of the same mode, and of a class with the same driver."""
    again = f"make the claim anew: kubectl delete pvc {claim['metadata']['name']} -n {claim['metadata']['namespace']}"
    asked = offers.size(claim["spec"])
    if quantities.number(asked) < quantities.number(has):
        path.fail("Source", f"{what} holds {has}, and the claim asks for {asked} only: it must not be smaller", again)
        return False
    if offers.mode(claim["spec"]) != mode:
        why = f"{what} is of volumeMode {mode}, the claim of {offers.mode(claim['spec'])}"
        path.fail("Source", why, again)
        return False
    provisioner = storage_class["provisioner"] if storage_class else ""
    if driver and provisioner != driver:
        runs = f"class {storage_class['metadata']['name']} is {provisioner}'s" if storage_class else "it has no class"
        why = f"{what} is {driver}'s, and the claim cannot be made of it: {runs}"
        path.fail("Source", why, "kubectl get storageclasses")
        return False
    path.ok("Source", f"{what}, {has}")
    return True


def _driver(volume: Obj | None) -> str:
    return str((((volume or {}).get("spec") or {}).get("csi") or {}).get("driver", ""))
