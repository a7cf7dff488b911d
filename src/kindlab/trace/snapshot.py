"""The path to a snapshot that can be restored: snapshot -> class -> source claim -> content -> ready.

What the snapshot's controllers say in its status and events is quoted; the hops before explain the usual reasons.
"""

from __future__ import annotations

from kindlab.api import Api, Obj
from kindlab.kinds import SNAPSHOT, SNAPSHOT_CLASS, SNAPSHOT_CONTENT
from kindlab.trace import events, sidecars
from kindlab.trace.hops import Trace

DEFAULT_ANNOTATION = "snapshot.storage.kubernetes.io/is-default-class"


def trace(api: Api, namespace: str, name: str) -> Trace:
    """Trace VolumeSnapshot `name` to the first broken hop, or to what can be restored from it."""
    path = Trace(f"volumesnapshot/{name}", namespace)
    snapshot = api.get(SNAPSHOT, name, namespace)
    if snapshot is None:
        there = [] if not _served(api) else [s["metadata"]["name"] for s in api.list(SNAPSHOT, namespace)]
        if not _served(api):
            path.fail("VolumeSnapshot", "this cluster does not serve the snapshot API", "kubectl get crds")
        else:
            path.missing("VolumeSnapshot", name, namespace, there, "volumesnapshots")
        return path
    source = snapshot["spec"]["source"]
    claim = source.get("persistentVolumeClaimName")
    path.ok("VolumeSnapshot", f"of claim {claim}" if claim else f"of content {source['volumeSnapshotContentName']}")
    if snapshot["metadata"].get("deletionTimestamp"):
        _leaving(api, snapshot, path)
        return path
    if claim and not (_source(api, namespace, claim, path) and _class(api, snapshot, path)):
        return path
    _ready(api, snapshot, path)
    return path


def _leaving(api: Api, snapshot: Obj, path: Trace) -> None:
    """The broken hop of a snapshot that is being deleted: the claims that are made of it hold it while they wait."""
    meta = snapshot["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    waiting = [c["metadata"]["name"] for c in api.list("PersistentVolumeClaim", namespace) if _made_of(c, name)]
    if waiting:
        held = f"the Pending {'claims' if len(waiting) > 1 else 'claim'} {', '.join(waiting)} to be made of it"
        then = f"kindlab why pvc/{waiting[0]} -n {namespace}, or give up: kubectl delete pvc {' '.join(waiting)}"
        path.fail("Deletion", f"{name} is being deleted and waits for {held}", f"{then} -n {namespace}")
        return
    said = events.last(api, snapshot) or f"finalizers: {', '.join(meta.get('finalizers') or ())}"
    look = f"kubectl describe volumesnapshot {name} -n {namespace}"
    path.fail("Deletion", f"{name} is being deleted and waits: {said}", look)


def _made_of(claim: Obj, snapshot: str) -> bool:
    source = claim["spec"].get("dataSource") or {}
    pending = (claim.get("status") or {}).get("phase", "Pending") == "Pending"
    return pending and (source.get("kind"), source.get("name")) == ("VolumeSnapshot", snapshot)


def _served(api: Api) -> bool:
    return api.get("CustomResourceDefinition", "volumesnapshots.snapshot.storage.k8s.io") is not None


def _source(api: Api, namespace: str, name: str, path: Trace) -> bool:
    """The hop Claim: a snapshot can be taken of a bound one that a CSI driver serves."""
    claim = api.get("PersistentVolumeClaim", name, namespace)
    if claim is None:
        there = [c["metadata"]["name"] for c in api.list("PersistentVolumeClaim", namespace)]
        path.missing("PersistentVolumeClaim", name, namespace, there, "persistentvolumeclaims")
        return False
    phase = (claim.get("status") or {}).get("phase", "Pending")
    if phase != "Bound":
        why = f"claim {name} is {phase}: there is nothing to take a snapshot of"
        path.fail("Claim", why, f"kindlab why pvc/{name} -n {namespace}")
        return False
    volume = api.get("PersistentVolume", claim["spec"]["volumeName"])
    if volume is not None and "csi" not in volume["spec"]:
        of = claim["spec"].get("storageClassName") or "none"
        path.fail(
            "Claim",
            f"claim {name} (class {of}) is no volume of a CSI driver: only those can have snapshots",
            "make the claim with a class of a CSI driver: kubectl get storageclasses",
        )
        return False
    path.ok("Claim", f"{name} is Bound to {claim['spec']['volumeName']}")
    return True


def _class(api: Api, snapshot: Obj, path: Trace) -> bool:
    """The hop VolumeSnapshotClass: the one it names, or a default one of the driver."""
    classes = {c["metadata"]["name"]: c for c in api.list(SNAPSHOT_CLASS)}
    name = snapshot["spec"].get("volumeSnapshotClassName")
    if name and name not in classes:
        path.missing("VolumeSnapshotClass", name, "", list(classes), "volumesnapshotclasses")
        return False
    if name:
        path.ok("VolumeSnapshotClass", f"{name}: driver {classes[name]['driver']}, {classes[name]['deletionPolicy']}")
        return True
    default = [
        n for n, c in classes.items() if (c["metadata"].get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true"
    ]
    if not default:
        path.fail(
            "VolumeSnapshotClass",
            f"the snapshot names no class, and none is marked as default; classes: {', '.join(classes) or 'none'}",
            "set spec.volumeSnapshotClassName (it cannot be changed afterwards where a default was filled in)",
        )
        return False
    return True


def _ready(api: Api, snapshot: Obj, path: Trace) -> None:
    """The hops Content and Ready."""
    meta, status = snapshot["metadata"], snapshot.get("status") or {}
    look = f"kubectl describe volumesnapshot {meta['name']} -n {meta['namespace']}"
    error = (status.get("error") or {}).get("message") or events.last(api, snapshot)
    bound = status.get("boundVolumeSnapshotContentName")
    content = api.get(SNAPSHOT_CONTENT, bound) if bound else None
    if content is None:
        what = f"its content {bound} is gone" if bound else "no content is bound to it yet"
        idle = sidecars.stopped(api, "snapshot-controller")
        error = f"the snapshot-controller does not run: {idle.text}" if idle else error
        path.fail("Content", f"{what}{f': {error}' if error else ''}", idle.next if idle else look)
        return
    ref = content["spec"]["volumeSnapshotRef"]
    if (ref.get("namespace"), ref.get("name")) != (meta["namespace"], meta["name"]):
        why = f"content {bound} is of {ref.get('namespace')}/{ref.get('name')}, not of this snapshot"
        path.fail("Content", why, f"kubectl describe volumesnapshotcontent {bound}")
        return
    path.ok("Content", f"{bound}, deletion policy {content['spec']['deletionPolicy']}")
    if not status.get("readyToUse"):
        driver = content["spec"]["driver"]
        idle = sidecars.stopped(api, "snapshotter", driver)
        error = f"the snapshotter of {driver} does not run: {idle.text}" if idle else error
        path.fail("Ready", f"it is not ready to use{f': {error}' if error else ' yet'}", idle.next if idle else look)
        return
    taken, size = status.get("creationTime", "at a time nobody told"), status.get("restoreSize", "any size")
    path.ok("Ready", f"taken {taken}; a claim restored from it asks for at least {size}")
