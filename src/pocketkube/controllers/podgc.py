"""The pod garbage collector: removes pods bound to nodes that have not existed for 40 seconds, terminating ones of
nodes that are out of service, and the oldest finished ones when there are very many.

Models pkg/controller/podgc/gc_controller.go; upstream looks every 20 seconds for all but orphans. Its keys are
("", node), and ("", "") when there are more finished pods than --terminated-pod-gc-threshold. Left out: terminating
pods on no node are removed by the API server at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import pods
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import DeleteOptions
from pocketkube.resources.nodes import OUT_OF_SERVICE
from pocketkube.store import Event

QUARANTINE = 40.0
"""Seconds of cluster time a node must have been missing."""
THRESHOLD = 12_500
"""Finished pods that are kept, as kube-controller-manager's default is."""


class PodGarbageCollector(Controller):
    name = "pod-garbage-collector-controller"

    threshold = THRESHOLD

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._missing_since: dict[str, float] = {}
        self._finished: set[Key] = set()

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "nodes", _node
        yield "pods", self._of_pod

    def _of_pod(self, event: Event) -> Iterable[Key]:
        yield from self._missing_node(event)
        if event.type == "DELETED" or not pods.is_terminal(event.object):
            self._finished.discard(objects.key(event.object))
            return
        self._finished.add(objects.key(event.object))
        if len(self._finished) > self.threshold:
            yield "", ""

    def _missing_node(self, event: Event) -> Iterable[Key]:
        name = objects.spec(event.object).get("nodeName", "")
        if not name or event.type == "DELETED":
            return
        node = self.client.find("nodes", "", name)
        if node is None or (objects.is_terminating(event.object) and _is_out_of_service(node)):
            yield "", name

    async def reconcile(self, at: Key) -> float | None:
        name = at[1]
        if not name:
            self._remove_the_oldest()
            return None
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

    def _remove_the_oldest(self) -> None:
        """Evicted ones first."""
        finished = [pod for pod in self.client.list("pods") if pods.is_terminal(pod)]
        for pod in sorted(finished, key=_rank)[: max(0, len(finished) - self.threshold)]:
            self._fail_and_delete(pod, None)

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
            status["phase"] = "Failed"
            if condition is not None:
                others = [c for c in status.get("conditions") or () if c["type"] != condition["type"]]
                status["conditions"] = [*others, condition]

        key = objects.key(pod)
        try:
            if not pods.is_terminal(pod):
                self.client.patch("pods", key, fail, subresource="status")
            self.client.delete("pods", key, DeleteOptions(grace_period_seconds=0))
        except NotFound:
            return


def _node(event: Event) -> Iterable[Key]:
    yield "", objects.name(event.object)


def _rank(pod: Obj) -> tuple[bool, str, str]:
    evicted = objects.status(pod).get("phase") == "Failed" and objects.status(pod).get("reason") == "Evicted"
    return not evicted, pod["metadata"]["creationTimestamp"], objects.name(pod)


def _is_out_of_service(node: Obj) -> bool:
    """Not ready, and somebody says that it will not come back as it is."""
    tainted = any(taint["key"] == OUT_OF_SERVICE for taint in objects.spec(node).get("taints") or ())
    return tainted and objects.condition_status(node, "Ready") != "True"


CONTROLLER = PodGarbageCollector
