"""The pod garbage collector: removes pods bound to nodes that have not existed for 40 seconds, and terminating ones
of nodes that are out of service.

Models gcOrphaned and gcTerminating of pkg/controller/podgc/gc_controller.go; upstream looks every 20 seconds for the
latter. Its keys are ("", node). Left out: finished pods above --terminated-pod-gc-threshold (12500); terminating pods
on no node are removed by the API server at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import pods
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import DeleteOptions
from pocketkube.resources.nodes import OUT_OF_SERVICE
from pocketkube.store import Event

QUARANTINE = 40.0
"""Seconds of cluster time a node must have been missing."""


class PodGarbageCollector(Controller):
    name = "pod-garbage-collector-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        self._missing_since: dict[str, float] = {}
        yield "nodes", _node
        yield "pods", self._missing_node

    def _missing_node(self, event: Event) -> Iterable[Key]:
        name = objects.spec(event.object).get("nodeName", "")
        if not name or event.type == "DELETED":
            return
        node = self.client.find("nodes", "", name)
        if node is None or (objects.is_terminating(event.object) and _is_out_of_service(node)):
            yield "", name

    async def reconcile(self, at: Key) -> float | None:
        name = at[1]
        node = self.client.find("nodes", *at)
        if node is not None:
            self._missing_since.pop(name, None)
            for pod in self._pods(name) if _is_out_of_service(node) else ():
                if objects.is_terminating(pod):
                    self._fail_and_delete(pod, None)
            return None
        orphans = self._pods(name)
        if not orphans:
            self._missing_since.pop(name, None)
            return None
        now = self.clock.monotonic()
        left = self._missing_since.setdefault(name, now) + QUARANTINE - now
        if left > 0:
            return left
        for pod in orphans:
            self._fail_and_delete(pod, self._orphaned())
        return None

    def _pods(self, node: str) -> list[Obj]:
        return [pod for pod in self.client.list("pods") if objects.spec(pod).get("nodeName") == node]

    def _orphaned(self) -> Obj:
        return {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self.clock.now(),
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
        }

    def _fail_and_delete(self, pod: Obj, condition: Obj | None) -> None:
        def fail(copy: Obj) -> None:
            status = copy.setdefault("status", {})
            if not pods.is_terminal(copy):
                status["phase"] = "Failed"
            if condition is not None:
                others = [c for c in status.get("conditions") or () if c["type"] != condition["type"]]
                status["conditions"] = [*others, condition]

        key = objects.key(pod)
        try:
            self.client.patch("pods", key, fail, subresource="status")
            self.client.delete("pods", key, DeleteOptions(grace_period_seconds=0))
        except NotFound:
            return


def _node(event: Event) -> Iterable[Key]:
    yield "", objects.name(event.object)


def _is_out_of_service(node: Obj) -> bool:
    """Not ready, and somebody says that it will not come back as it is."""
    tainted = any(taint["key"] == OUT_OF_SERVICE for taint in objects.spec(node).get("taints") or ())
    return tainted and objects.condition_status(node, "Ready") != "True"


CONTROLLER = PodGarbageCollector
