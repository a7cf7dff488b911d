"""What controllers ask about pods.

Models pkg/api/v1/pod/util.go and the pod parts of pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.duration import parse_time
from pocketkube.objects import Obj, condition, condition_status, is_terminating
from pocketkube.podphase import is_terminal as is_terminal


def is_active(pod: Obj) -> bool:
    """Neither finished nor asked to go."""
    return not is_terminal(pod) and not is_terminating(pod)


def is_ready(pod: Obj) -> bool:
    return condition_status(pod, "Ready") == "True"


def ready_since(pod: Obj) -> str:
    """When the Ready condition last turned (RFC 3339), or "" when there is none."""
    return (condition(pod, "Ready") or {}).get("lastTransitionTime") or ""


def available_in(pod: Obj, min_ready_seconds: int, now: float) -> float | None:
    """Seconds until a ready pod has been ready for `min_ready_seconds`: 0 when it has, None when it is not ready.

    `now`: seconds since the epoch.
    """
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    since = ready.get("lastTransitionTime")
    if not since:
        return float(min_ready_seconds)
    return max(0.0, parse_time(since).timestamp() + min_ready_seconds - now)


def from_template(owner: Obj, template: Obj) -> Obj:
    """A pod of `owner` from a pod template, without a name yet."""
    made: Obj = objects.copy(template)
    given = made.get("metadata") or {}
    meta = {field: given[field] for field in ("labels", "annotations", "finalizers") if given.get(field)}
    meta["generateName"] = f"{objects.name(owner)}-"
    meta["namespace"] = objects.namespace(owner)
    meta["ownerReferences"] = [objects.owner_reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": made["spec"]}
