"""Whose Pods they are: of a Deployment, of a StatefulSet; and new Pods in place of all that are there."""

from __future__ import annotations

from collections.abc import Iterable

from kindlab.api import Obj
from kindlab.checks.live import LiveLab, Pods
from kindlab.conditions import is_ready

HOPELESS = ("ProvisioningFailed", "FailedBinding")
NOBODY = 15.0
"""Seconds after which a StatefulSet without a single Pod will not get any: its controller makes the first one at once,
unless something keeps it from doing so, such as a claim that is being deleted."""


def owners(obj: Obj) -> list[Obj]:
    return obj["metadata"].get("ownerReferences") or []


def is_of_deployment(pod: Obj, deployment: str) -> bool:
    """Whether one of the Deployment's ReplicaSets made it."""
    return any(o["name"].rpartition("-")[0] == deployment for o in owners(pod))


def is_going(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def replace_pods(lab: LiveLab, deployments: Iterable[str], *, timeout: float) -> None:
    """Delete the Pods of Deployments and wait for as many new ones: what goes by today's Pods and addresses is no
    answer, and a Pod that nobody brings back is none either."""
    there = [name for name in deployments if lab.get("Deployment", name)]
    before = {p["metadata"]["uid"]: p["metadata"]["name"] for p in lab.pods_of(*there)}
    for name in before.values():
        lab.delete_pod(name)

    def as_many(live: Iterable[Obj]) -> bool:
        ours = [p for p in live if any(is_of_deployment(p, name) for name in there)]
        new = [p for p in ours if p["metadata"]["uid"] not in before and is_ready(p) and not is_going(p)]
        return len(new) >= len(before)

    lab.eventually("Pod", as_many, timeout=timeout)


def pods_of_set(lab: LiveLab, name: str, *, timeout: float) -> Pods:
    """The Pods of a StatefulSet in order, when all are ready; none when they do not get so, or when it is plain that
    they will not. The check fails where there is no such StatefulSet."""
    lab.require("StatefulSet", name)

    def mine(live: Iterable[Obj]) -> list[Obj]:
        return [p for p in live if any(o["name"] == name for o in owners(p))]

    def all_ready(live: Iterable[Obj]) -> list[Obj]:
        wanted = lab.require("StatefulSet", name)["spec"].get("replicas", 1)
        found = mine(live)
        complete = len(found) >= wanted and all(is_ready(p) and not is_going(p) for p in found)
        return sorted(found, key=lambda p: str(p["metadata"]["name"])) if complete else []

    limit = 0 if _lacks_volumes(lab) else timeout
    if not lab.eventually("Pod", mine, timeout=min(NOBODY, limit)):
        return Pods()
    return Pods(lab.eventually("Pod", all_ready, timeout=limit) or ())


def _lacks_volumes(lab: LiveLab) -> bool:
    """Whether no waiting helps: a claim that nothing can provide for."""
    claims = lab.list("PersistentVolumeClaim")
    waiting = [c for c in claims if (c.get("status") or {}).get("phase") == "Pending"]
    return bool(waiting) and any(e.get("reason") in HOPELESS for e in lab.list("Event"))
