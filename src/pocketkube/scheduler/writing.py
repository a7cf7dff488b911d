"""What the scheduler writes into pods: why one has no node, which node it waits for, that one has to go for another.

Models updatePod (pkg/scheduler/schedule_one.go) and PreemptPod (pkg/scheduler/framework/preemption/executor.go).
"""

from __future__ import annotations

from collections.abc import Callable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import StatusError
from pocketkube.objects import Obj
from pocketkube.resources.base import DeleteOptions
from pocketkube.scheduler.events import NAME, SchedulingEvents
from pocketkube.scheduler.preemption import BY_SCHEDULER


def not_scheduled(client: Client, pod: Obj, reason: str, message: str, nominated: str | None) -> None:
    """Say why a pod has no node. `nominated`: the node it is to get room on, "" for none, None to leave it as it is."""
    old = objects.condition(pod, "PodScheduled")
    known = objects.status(pod).get("nominatedNodeName", "")
    same = old is not None and (old["status"], old.get("reason"), old.get("message")) == ("False", reason, message)
    if same and nominated in (None, known):
        return

    def change(copy: Obj) -> None:
        if not same:
            _set(copy, "PodScheduled", "False", reason, message, client.clock.now())
        _nominate(copy, nominated)

    _write(client, pod, change)


def nominate(client: Client, pod: Obj, node: str) -> None:
    """Say which node a pod is to get."""
    if objects.status(pod).get("nominatedNodeName", "") != node:
        _write(client, pod, lambda copy: _nominate(copy, node))


def preempt(client: Client, events: SchedulingEvents, victim: Obj, preemptor: Obj, node: str) -> None:
    """Make a pod go, gracefully, and say for whom."""
    if objects.is_terminating(victim):
        return
    scheduler = objects.spec(preemptor).get("schedulerName", NAME)
    message = f"{scheduler}: preempting to accommodate a higher priority pod"

    def target(copy: Obj) -> None:
        _set(copy, "DisruptionTarget", "True", BY_SCHEDULER, message, client.clock.now())

    if not _write(client, victim, target):
        return
    try:
        client.delete("pods", objects.key(victim), DeleteOptions(uid=objects.uid(victim)))
    except StatusError:
        return  # gone meanwhile
    text = f"Preempted by pod {objects.uid(preemptor)} on node {node}"
    events.record(victim, "Normal", "Preempted", "Preempting", text, related=preemptor)


def _write(client: Client, pod: Obj, change: Callable[[Obj], None]) -> bool:
    try:
        client.patch("pods", objects.key(pod), change, subresource="status")
    except StatusError:
        return False  # gone meanwhile
    return True


def _nominate(copy: Obj, node: str | None) -> None:
    status = copy.setdefault("status", {})
    if node:
        status["nominatedNodeName"] = node
    elif node is not None:
        status.pop("nominatedNodeName", None)


def _set(pod: Obj, type_: str, value: str, reason: str, message: str, now: str) -> None:
    """A condition in place of the one there is; it keeps the time since which it has been so."""
    old = objects.condition(pod, type_)
    status = pod.setdefault("status", {})
    condition = {
        "type": type_,
        "observedGeneration": pod["metadata"].get("generation", 0),
        "status": value,
        "lastProbeTime": None,
        "lastTransitionTime": old["lastTransitionTime"] if old is not None and old["status"] == value else now,
        "reason": reason,
        "message": message,
    }
    status["conditions"] = [*(c for c in status.get("conditions") or () if c["type"] != type_), condition]
