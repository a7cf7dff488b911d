"""A lab's objects that lie in no namespace: volumes made by hand, classes, contents of snapshots (`cluster_kinds`).

No namespace takes them along when it goes, so a lab's are known by their names, which begin with `labNN-`. Also the
lab's are the volumes and contents that a driver made for its namespaces' claims and snapshots and that were left behind
(Retain). Nothing else is ever touched: the cluster's own classes belong to everybody.
"""

from __future__ import annotations

from collections.abc import Iterable

from kindlab.api import Api, ApiError, Obj
from kindlab.errors import Problem
from kindlab.kinds import MADE_FOR, SNAPSHOT
from kindlab.labs import CLUSTER_KINDS, Lab

POLICY = {"PersistentVolume": "persistentVolumeReclaimPolicy", "VolumeSnapshotContent": "deletionPolicy"}
MADE_FOR_CLAIM = "pv.kubernetes.io/provisioned-by"
BY_DRIVER, GONE = 20.0, 30.0
"""Seconds that a driver has to delete its storage, and that anything has to go after it was deleted."""


def refuse_foreign(lab: Lab, objects: Iterable[Obj]) -> None:
    """Raises Problem for an object that belongs to no namespace and whose name does not say that it is the lab's."""
    for obj in objects:
        name = obj["metadata"]["name"]
        if obj["kind"] in CLUSTER_KINDS and not name.startswith(lab.prefix):
            raise Problem(
                f"{obj['kind']} {name} was not applied: its name does not begin with {lab.prefix}",
                f"A {obj['kind']} belongs to no namespace, so the whole cluster has it; by this prefix kindlab reset "
                f"{lab.number} finds what is yours, and what is others' stays as it is.",
                f"Call it {lab.prefix}{name}, or any name that begins so, also where other objects name it.",
            )


def remove(api: Api, lab: Lab) -> None:
    """Remove the lab's objects of these kinds, gone when this returns; its namespaces have gone before. Raises Problem
    that says what holds one."""
    for kind, served in CLUSTER_KINDS.items():
        if kind not in lab.cluster_kinds:
            continue
        if found := [obj for obj in _listed(api, served) if _is_of(lab, kind, obj)]:
            _remove(api, lab, kind, found)


def free(api: Api, lab: Lab) -> None:
    """Let go the lab's snapshots that were asked of a driver that no node has: nothing was stored for them, and the
    driver's sidecar, which alone would release them, does not run. Before the namespaces go, which they would hold."""
    contents = CLUSTER_KINDS["VolumeSnapshotContent"]
    if "VolumeSnapshotContent" not in lab.cluster_kinds or not (found := _listed(api, contents)):
        return
    drivers = {d["name"] for node in api.list("CSINode") for d in node["spec"].get("drivers") or ()}
    for obj in found:
        stored = (obj.get("status") or {}).get("snapshotHandle")
        if stored or obj["spec"]["driver"] in drivers or not _is_of(lab, "VolumeSnapshotContent", obj):
            continue
        name, made_for = obj["metadata"]["name"], obj["spec"]["volumeSnapshotRef"]
        if made_for.get("namespace") in lab.spaces:  # first, or a content would be made for it again
            api.delete(SNAPSHOT, made_for["name"], made_for["namespace"])
        api.delete(contents, name)
        _change(api, "VolumeSnapshotContent", name, {"metadata": {"finalizers": None}})


def _listed(api: Api, served: str) -> list[Obj]:
    """None where the cluster has no such kind, or none that we may see: then we have not made any either."""
    try:
        return api.list(served)
    except ApiError as error:
        if error.code not in (403, 404):
            raise
        return []


def _change(api: Api, kind: str, name: str, change: Obj) -> None:
    """Of an object that may have gone in between."""
    try:
        api.patch(CLUSTER_KINDS[kind], name, None, change)
    except ApiError as error:
        if error.code != 404:
            raise


def _is_of(lab: Lab, kind: str, obj: Obj) -> bool:
    """By its name, or made by a driver for one of its claims or snapshots. A volume that somebody has described by hand
    and that a claim of the lab was bound to is theirs: an administrator's shared folder, for one."""
    if obj["metadata"]["name"].startswith(lab.prefix):
        return True
    made_for = obj["spec"].get(MADE_FOR[kind]) or {} if _has_storage_of_its_own(kind, obj) else {}
    return made_for.get("namespace") in lab.spaces


def _remove(api: Api, lab: Lab, kind: str, found: list[Obj]) -> None:
    served = CLUSTER_KINDS[kind]
    holders = {obj["metadata"]["name"]: _holder(api, obj) for obj in found} if kind == "PersistentVolume" else {}
    free = [obj for obj in found if not holders.get(obj["metadata"]["name"])]
    made = [obj for obj in free if _has_storage_of_its_own(kind, obj)]
    for obj in made:
        _let_the_driver_delete(api, kind, obj["metadata"]["name"])
    if kind == "PersistentVolume":
        _wait(api, served, made, BY_DRIVER)  # deleted before its driver has looked, it would leave the data behind
    for obj in found:
        api.delete(served, obj["metadata"]["name"])
    left = _wait(api, served, free, GONE)
    for name, claim in holders.items():
        if claim:
            space, _, short = claim.partition("/")
            raise Problem(
                f"PersistentVolume {name} is Terminating and still there.",
                f"Claim {short} in namespace {space}, which is not the lab's, is bound to it.",
                f"If the claim is yours: kubectl delete pvc {short} -n {space}; then kindlab reset {lab.number} again.",
            )
    if left:
        name, waiting = left[0]["metadata"]["name"], ", ".join(left[0]["metadata"].get("finalizers") or ())
        raise Problem(
            f"{kind} {name} is still there {GONE:.0f} s after it was deleted.",
            f"It is held by: {waiting}." if waiting else "The cluster's controllers are slow, or not working.",
            f"kubectl describe {kind.lower()} {name} shows what for; then kindlab reset {lab.number} again.",
        )


def _has_storage_of_its_own(kind: str, obj: Obj) -> bool:
    """Whether a driver made the storage for it, and deletes it with it; what an author or a learner describes by hand
    is only the name of something that was there."""
    if kind == "PersistentVolume":
        return MADE_FOR_CLAIM in (obj["metadata"].get("annotations") or {})
    return kind == "VolumeSnapshotContent" and "volumeHandle" in (obj["spec"].get("source") or {})


def _let_the_driver_delete(api: Api, kind: str, name: str) -> None:
    """Make the policy Delete: with Retain the data would be kept, and nobody finds it any more."""
    _change(api, kind, name, {"spec": {POLICY[kind]: "Delete"}})


def _holder(api: Api, volume: Obj) -> str:
    """`namespace/name` of the claim that is bound to the volume, "" without one."""
    ref = volume["spec"].get("claimRef") or {}
    claim = api.get("PersistentVolumeClaim", ref["name"], ref["namespace"]) if ref.get("name") else None
    held = claim is not None and claim["spec"].get("volumeName") == volume["metadata"]["name"]
    return f"{ref['namespace']}/{ref['name']}" if held else ""


def _wait(api: Api, served: str, found: list[Obj], seconds: float) -> list[Obj]:
    """Those that are still there when all are gone or the time is up."""
    uids = {obj["metadata"]["uid"] for obj in found}
    left: list[Obj] = []
    for live in api.follow(served, timeout=seconds) if uids else ():
        left = [obj for obj in live.values() if obj["metadata"]["uid"] in uids]
        if not left:
            break
    return left
