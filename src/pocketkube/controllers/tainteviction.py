"""The taint eviction controller: deletes pods from nodes whose NoExecute taints they do not tolerate, or no longer.

Models pkg/controller/tainteviction/taint_eviction.go: a pod that tolerates all of them for a time goes when the
shortest of these times is over, counted from when it was first seen so; a later change of taints or tolerations cancels
that, or leaves it as it is. Keys are pods.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.placement import toleration_of
from pocketkube.store import DELETED, Event


class TaintEvictionController(Controller):
    name = "taint-eviction-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._due: dict[Key, float] = {}
        """When (cluster time) a pod goes."""
        self._done: set[Key] = set()
        """Pods that were deleted for the taints their node has."""
        self._uids: dict[Key, str] = {}
        """Which pod of that name the two above tell of: a StatefulSet makes the next one as soon as one is gone."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "nodes", self._of_node
        yield "pods", self._of_pod

    def _of_node(self, event: Event) -> Iterable[Key]:
        if event.type == DELETED or (event.old is not None and _taints(event.old) == _taints(event.object)):
            return
        if event.old is None and not _taints(event.object):
            return
        name = objects.name(event.object)
        for pod in self.client.list("pods"):
            if objects.spec(pod).get("nodeName") == name:
                yield objects.key(pod)

    def _of_pod(self, event: Event) -> Iterable[Key]:
        spec, old = objects.spec(event.object), objects.spec(event.old or {})
        at = objects.key(event.object)
        if event.type == DELETED:
            if at in self._due or at in self._done:
                yield at
            return
        if old and all(spec.get(field) == old.get(field) for field in ("nodeName", "tolerations")):
            return
        node = self.client.find("nodes", "", spec.get("nodeName") or "")
        if node is not None and _taints(node):
            yield at

    async def reconcile(self, at: Key) -> float | None:
        pod, now = self.client.find("pods", *at), self.clock.monotonic()
        if pod is None or self._uids.get(at, objects.uid(pod)) != objects.uid(pod):
            self._cancel(at)
        if pod is None:
            return None
        node = self.client.find("nodes", "", objects.spec(pod).get("nodeName") or "")
        if node is not None:  # of one that is gone, what was to come still comes
            seconds = _tolerated_for(pod, _taints(node))
            if seconds is None:
                self._cancel(at)
            elif at not in self._done and (at not in self._due or seconds <= 0):
                if seconds <= 0 and self._due.get(at, now) > now:
                    self._cancel(at)
                self._due[at] = now + seconds
                self._uids[at] = objects.uid(pod)
        due = self._due.get(at)
        if due is None:
            return None
        if due > now:
            return due - now
        del self._due[at]
        self._done.add(at)
        self._evict(pod)
        return None

    def _cancel(self, at: Key) -> None:
        self._done.discard(at)
        self._uids.pop(at, None)
        if self._due.pop(at, None) is not None:
            self._tell(at, f"Cancelling deletion of Pod {'/'.join(at)}")

    def _evict(self, pod: Obj) -> None:
        at = objects.key(pod)
        self._tell(at, f"Marking for deletion Pod {'/'.join(at)}")
        now = self.clock.now()

        def target(copy: Obj) -> None:
            status = copy.setdefault("status", {})
            held = objects.condition(copy, "DisruptionTarget") or {}
            condition = {
                "type": "DisruptionTarget",
                "observedGeneration": copy["metadata"].get("generation", 1),
                "status": "True",
                "lastProbeTime": held.get("lastProbeTime"),
                "lastTransitionTime": held.get("lastTransitionTime") if held.get("status") == "True" else now,
                "reason": "DeletionByTaintManager",
                "message": "Taint manager: deleting due to NoExecute taint",
            }
            others = [c for c in status.get("conditions") or () if c["type"] != condition["type"]]
            status["conditions"] = [*others, condition]

        with suppress(NotFound):
            self.client.patch("pods", at, target, subresource="status")
            self.client.delete("pods", at)

    def _tell(self, at: Key, message: str) -> None:
        """As upstream: about a name, not about one object of that name."""
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": at[0], "name": at[1]}}
        self.client.record(about, "Normal", "TaintManagerEviction", message)


def _taints(node: Obj) -> list[Obj]:
    """Those that evict."""
    return [taint for taint in objects.spec(node).get("taints") or () if taint["effect"] == "NoExecute"]


def _tolerated_for(pod: Obj, taints: Iterable[Obj]) -> float | None:
    """Seconds a pod may stay where these taints are: 0 for not at all, None for ever."""
    limits: list[float] = []
    for taint in taints:
        toleration = toleration_of(objects.spec(pod), taint)
        if toleration is None:
            return 0.0
        if (seconds := toleration.get("tolerationSeconds")) is not None:
            limits.append(max(0.0, seconds))
    return min(limits, default=None)


CONTROLLER = TaintEvictionController
