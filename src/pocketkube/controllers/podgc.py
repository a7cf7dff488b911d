"""The pod garbage collector: removes pods bound to nodes that have not existed for 40 seconds.

Models the gcOrphaned part of pkg/controller/podgc/gc_controller.go. Its keys are ("", node). Left out: finished pods
above --terminated-pod-gc-threshold (12500) and pods on nodes tainted out-of-service; terminating pods on no node are
removed by the API server at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import pods
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import DeleteOptions
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
        if name and event.type != "DELETED" and self.client.find("nodes", "", name) is None:
            yield "", name

    async def reconcile(self, at: Key) -> float | None:
        name = at[1]
        if self.client.find("nodes", *at) is not None:
            self._missing_since.pop(name, None)
            return None
        orphans = [pod for pod in self.client.list("pods") if objects.spec(pod).get("nodeName") == name]
        if not orphans:
            self._missing_since.pop(name, None)
            return None
        now = self.clock.monotonic()
        left = self._missing_since.setdefault(name, now) + QUARANTINE - now
        if left > 0:
            return left
        for pod in orphans:
            self._fail_and_delete(pod)
        return None

    def _fail_and_delete(self, pod: Obj) -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self.clock.now(),
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
        }

        def fail(copy: Obj) -> None:
            status = copy.setdefault("status", {})
            if not pods.is_terminal(copy):
                status["phase"] = "Failed"
            others = [c for c in status.get("conditions") or () if c["type"] != "DisruptionTarget"]
            status["conditions"] = [*others, condition]

        key = objects.key(pod)
        try:
            self.client.patch("pods", key, fail, subresource="status")
            self.client.delete("pods", key, DeleteOptions(grace_period_seconds=0))
        except NotFound:
            return


def _node(event: Event) -> Iterable[Key]:
    yield "", objects.name(event.object)


CONTROLLER = PodGarbageCollector
