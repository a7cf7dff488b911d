"""The node lifecycle controller, as far as taints by condition go: what keeps new pods off a node that is not well.

Models doNoScheduleTaintingPass of pkg/controller/nodelifecycle/node_lifecycle_controller.go. Of our own: a node nobody
has said anything about keeps the taint it was created with (upstream takes it off, and has another one put on a minute
later). Left out: node leases that are not renewed (nodes here live and die with the cluster's process), NoExecute
taints and eviction.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.resources.nodes import NOT_READY

PREFIX = "node.kubernetes.io/"
BY_CONDITION = {
    ("Ready", "False"): "not-ready",
    ("Ready", "Unknown"): "unreachable",
    ("MemoryPressure", "True"): "memory-pressure",
    ("DiskPressure", "True"): "disk-pressure",
    ("PIDPressure", "True"): "pid-pressure",
    ("NetworkUnavailable", "True"): "network-unavailable",
}
UNSCHEDULABLE = f"{PREFIX}unschedulable"
MANAGED = frozenset({UNSCHEDULABLE, *(PREFIX + name for name in BY_CONDITION.values())})


class NodeLifecycleController(Controller):
    name = "node-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "nodes", own_key

    async def reconcile(self, at: Key) -> float | None:
        node = self.client.find("nodes", *at)
        if node is None or objects.is_terminating(node):
            return None
        held = objects.spec(node).get("taints") or []
        taints = self._taints(node, held)
        if taints != held:

            def update(copy: Obj) -> None:
                copy.setdefault("spec", {}).pop("taints", None)
                if taints:
                    copy["spec"]["taints"] = taints

            self.client.patch("nodes", at, update)
        return None

    def _taints(self, node: Obj, held: list[Obj]) -> list[Obj]:
        wanted = {
            PREFIX + BY_CONDITION[key]
            for condition in objects.status(node).get("conditions") or ()
            if (key := (condition["type"], condition["status"])) in BY_CONDITION
        }
        if objects.condition(node, "Ready") is None:
            wanted |= {taint["key"] for taint in held if taint["key"] == NOT_READY}
        if objects.spec(node).get("unschedulable"):
            wanted.add(UNSCHEDULABLE)
        kept = [t for t in held if not _is_managed(t) or t["key"] in wanted]
        there = {taint["key"] for taint in kept if _is_managed(taint)}
        now = self.clock.now()
        return kept + [{"key": key, "effect": "NoSchedule", "timeAdded": now} for key in sorted(wanted - there)]


def _is_managed(taint: Obj) -> bool:
    return taint["effect"] == "NoSchedule" and taint["key"] in MANAGED


CONTROLLER = NodeLifecycleController
