"""The text of `kubectl describe` for ReplicaSets and ReplicationControllers. Lines with tabs, as `printers.tabbed` lays
them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kindlab.api import Obj
from kindlab.kubectl.describing_fields import labels, notes
from kindlab.kubectl.describing_jobs import template
from kindlab.kubectl.describing_policy import selector


def replica_set(obj: Obj, pods: Sequence[Obj]) -> Iterator[str]:
    """A set as it is, without its events. `pods`: those of its namespace."""
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    selected = spec.get("selector") or {}
    if obj["kind"] == "ReplicationController":
        selected = {"matchLabels": selected}
    yield f"Name:\t{meta['name']}"
    yield f"Namespace:\t{meta['namespace']}"
    yield f"Selector:\t{selector(selected) or '<none>'}"
    yield from labels(obj)
    yield from notes(obj)
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller") and obj["kind"] == "ReplicaSet":
            yield f"Controlled By:\t{owner['kind']}/{owner['name']}"
    yield f"Replicas:\t{status.get('replicas', 0)} current / {spec.get('replicas', 0)} desired"
    phases = Counter((pod.get("status") or {}).get("phase") for pod in pods if _owner(pod) == meta["uid"])
    counts = {"Running": "Running", "Pending": "Waiting", "Succeeded": "Succeeded", "Failed": "Failed"}
    yield f"Pods Status:\t{' / '.join(f'{phases[phase]} {word}' for phase, word in counts.items())}"
    yield from template(spec["template"])
    if conditions := status.get("conditions"):
        yield from ("Conditions:", "  Type\tStatus\tReason", "  ----\t------\t------")
        yield from (f"  {found['type']} \t{found['status']}\t{found.get('reason', '')}" for found in conditions)


def _owner(pod: Obj) -> str:
    """The uid of a Pod's controller, or ""."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")
