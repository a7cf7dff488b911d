"""What `kubectl rollout` knows of a kind: how far a rollout is, its revisions, how to go back to one.

Models kubectl's polymorphichelpers (rollout_status, history, rollback).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kindlab.api import STRATEGIC_PATCH, Obj
from kindlab.kubectl import targets
from kindlab.kubectl.session import Refused, Session

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Rollout:
    """One kind's ways. `progress`: what `rollout status` says, and whether it is done; raises Refused when it will
    never be. `revisions`: by number, what was. `back`: the patch that leads to one of them, and its content type;
    None when it is there already."""

    resource: str
    progress: Callable[[Obj], tuple[str, bool]]
    revisions: Callable[[Session, Obj], dict[int, Obj]]
    back: Callable[[Obj, Obj], tuple[Any, str] | None]
    no_history: str
    """Said when there is nothing to go back to; `{name}` is the object's."""
    can_pause: bool = False


def _deployment(live: Obj) -> tuple[str, bool]:
    name, status, wanted = live["metadata"]["name"], live.get("status", {}), live["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return "Waiting for deployment spec update to be observed...", False
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise Refused(f'error: deployment "{name}" exceeded its progress deadline')
    updated, total, available = (status.get(k, 0) for k in ("updatedReplicas", "replicas", "availableReplicas"))
    head = f'Waiting for deployment "{name}" rollout to finish:'
    if updated < wanted:
        return f"{head} {updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{head} {total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{head} {available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _strategy(live: Obj) -> Obj:
    strategy: Obj = live["spec"]["updateStrategy"]
    if strategy["type"] != "RollingUpdate":
        raise Refused("error: rollout status is only available for RollingUpdate strategy type")
    return strategy


def _daemonset(live: Obj) -> tuple[str, bool]:
    _strategy(live)
    status = live.get("status", {})
    if live["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for daemon set spec update to be observed...", False
    name, wanted = live["metadata"]["name"], status.get("desiredNumberScheduled", 0)
    head = f'Waiting for daemon set "{name}" rollout to finish:'
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if updated < wanted:
        return f"{head} {updated} out of {wanted} new pods have been updated...", False
    if available < wanted:
        return f"{head} {available} of {wanted} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _statefulset(live: Obj) -> tuple[str, bool]:
    strategy = _strategy(live)
    status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
    if not status.get("observedGeneration") or status["observedGeneration"] < live["metadata"].get("generation", 0):
        return "Waiting for statefulset spec update to be observed...", False
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    if ready < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...", False
    rolling = strategy.get("rollingUpdate")
    if rolling is not None:
        new = wanted - rolling.get("partition", 0)
        if updated < new:
            text = f"{updated} out of {new} new pods have been updated..."
            return f"Waiting for partitioned roll out to finish: {text}", False
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    if status.get("updateRevision") != status.get("currentRevision"):
        at = status.get("updateRevision", "")
        return f"waiting for statefulset rolling update to complete {updated} pods at revision {at}...", False
    count, at = status.get("currentReplicas", 0), status.get("currentRevision", "")
    return f"statefulset rolling update complete {count} pods at revision {at}...", True


def _owned(session: Session, live: Obj, plural: str) -> list[Obj]:
    return [
        found
        for found in session.list(session.served(plural), targets.selector(live))
        if any(ref["uid"] == live["metadata"]["uid"] for ref in found["metadata"].get("ownerReferences") or ())
    ]


def _replicasets(session: Session, live: Obj) -> dict[int, Obj]:
    owned = _owned(session, live, "replicasets")
    return {int((found["metadata"].get("annotations") or {}).get(REVISION, 0)): found for found in owned}


def _controllerrevisions(session: Session, live: Obj) -> dict[int, Obj]:
    return {found["revision"]: found for found in _owned(session, live, "controllerrevisions")}


def _to_replicaset(live: Obj, replicaset: Obj) -> tuple[Any, str]:
    template = dict(replicaset["spec"]["template"])
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH}
    return [{"op": "replace", "path": "/spec/template", "value": {**template, "metadata": meta}}], JSON_PATCH


def _to_controllerrevision(live: Obj, revision: Obj) -> tuple[Any, str] | None:
    template = {k: v for k, v in revision["data"]["spec"]["template"].items() if k != "$patch"}
    return None if template == live["spec"]["template"] else (revision["data"], STRATEGIC_PATCH)


BY_KIND = {
    "Deployment": Rollout(
        "deployments",
        _deployment,
        _replicasets,
        _to_replicaset,
        'no rollout history found for deployment "{name}"',
        can_pause=True,
    ),
    "DaemonSet": Rollout(
        "daemonsets", _daemonset, _controllerrevisions, _to_controllerrevision, "no last revision to roll back to"
    ),
    "StatefulSet": Rollout(
        "statefulsets", _statefulset, _controllerrevisions, _to_controllerrevision, "no last revision to roll back to"
    ),
}
