"""When a node was last heard of, and what is written about one that has fallen silent.

Models tryUpdateNodeHealth of pkg/controller/nodelifecycle: a sign of life is a renewed Lease or a new heartbeat in the
node's status, and counts from when it was seen here, so that clocks need not agree. Of our own: time that this whole
process was held up (a laptop that slept) is nobody's silence.
"""

from __future__ import annotations

from dataclasses import dataclass

from pocketkube import objects
from pocketkube.duration import parse_time
from pocketkube.objects import Obj

STARTUP_GRACE = 60.0
"""Seconds a new node has to say something."""
OF_THE_KUBELET = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
"""The conditions nobody else writes."""


@dataclass
class _Heard:
    uid: str
    at: float
    beat: str | None
    """lastHeartbeatTime of the Ready condition; None: there is no such condition."""
    renewed: str


class Health:
    """What was heard of each node, by name. Times are seconds since the epoch in cluster time."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self._heard: dict[str, _Heard] = {}

    def look(self, node: Obj, lease: Obj | None, now: float) -> float:
        """Seconds until the node counts as silent; 0 or less when it is."""
        name, ready = objects.name(node), objects.condition(node, "Ready")
        beat = (ready.get("lastHeartbeatTime") or "") if ready is not None else None
        renewed = objects.spec(lease or {}).get("renewTime") or ""
        heard = self._heard.get(name)
        if heard is None or heard.uid != objects.uid(node):
            began = parse_time(node["metadata"]["creationTimestamp"]).timestamp() if ready is None else now
            heard = self._heard[name] = _Heard(objects.uid(node), began, beat, renewed)
        elif heard.beat != beat or renewed > heard.renewed:
            heard.at, heard.beat, heard.renewed = now, beat, max(renewed, heard.renewed)
        return heard.at + (STARTUP_GRACE if ready is None else self.grace) - now

    def knows(self, name: str) -> bool:
        return name in self._heard

    def excuse(self, seconds: float) -> None:
        """Nobody could be heard for so long."""
        for heard in self._heard.values():
            heard.at += seconds

    def hear_all(self, now: float) -> None:
        """Everybody gets the whole of the grace period again."""
        for heard in self._heard.values():
            heard.at = now

    def forget(self, name: str) -> None:
        self._heard.pop(name, None)


def silence(node: Obj, now: str) -> None:
    """Write into a copy of a node that nothing is known of it any more."""
    conditions = node.setdefault("status", {}).setdefault("conditions", [])
    known = {condition["type"]: condition for condition in conditions}
    for type_ in OF_THE_KUBELET:
        condition = known.get(type_)
        if condition is None:
            conditions.append(
                {
                    "type": type_,
                    "status": "Unknown",
                    "lastHeartbeatTime": node["metadata"]["creationTimestamp"],
                    "lastTransitionTime": now,
                    "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                }
            )
        elif condition["status"] != "Unknown":
            condition |= {
                "status": "Unknown",
                "lastTransitionTime": now,
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
            }
