"""The scheduling loop: one pod at a time, highest priority first; what does not fit waits for the world to change.

Models pkg/scheduler/{schedule_one,eventhandlers}.go and the FitError text of framework/types.go. Pods that do not fit
are tried again at once when a node changes or a pod leaves (upstream: after a back-off of 1 to 10 s).
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections import Counter
from collections.abc import Iterable
from itertools import count

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.recorder import REMEMBERED
from pocketkube.scheduler import filters, topology
from pocketkube.scheduler.filters import Cycle, Filter, Refusal
from pocketkube.scheduler.nodes import NodeState
from pocketkube.scheduler.scores import best
from pocketkube.store import Event

log = logging.getLogger(__name__)

NAME = "default-scheduler"
FILTERS: tuple[Filter, ...] = (
    filters.unschedulable,
    filters.taints,
    filters.node_affinity,
    filters.ports,
    filters.resources,
    topology.spread,
    topology.pod_affinity,
)
NO_NODES = "no nodes available to schedule pods"
BATCH = 5
"""Pods placed before the event loop gets its turn."""


class Scheduler:
    """`client`: in the name of default-scheduler."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._nodes: dict[str, NodeState] = {}
        self._places: dict[str, str] = {}
        """Name of the node by uid of the pod on it."""
        self._strays: dict[str, dict[str, Obj]] = {}
        """Pods on nodes that do not exist (yet), by name of the node and uid."""
        self._queue: list[tuple[int, int, Key]] = []
        self._queued: set[Key] = set()
        self._waiting: dict[Key, bool] = {}
        """Pods that did not fit; True: room on a node would not help them (upstream: the plugins' queueing hints)."""
        self._order = count()
        self._wake = asyncio.Event()
        self._events: dict[tuple[str, str], Key] = {}
        """Where the last FailedScheduling event of a pod with that text is."""

    async def run(self) -> None:
        """Work until cancelled."""
        stops = [self.client.subscribe("nodes", self._on_node), self.client.subscribe("pods", self._on_pod)]
        try:
            for resource, notify in (("nodes", self._on_node), ("pods", self._on_pod)):
                for obj in self.client.list(resource):
                    notify(Event("ADDED", resource, obj, None, int(obj["metadata"]["resourceVersion"])))
            done = 0
            while True:
                while not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                key = heapq.heappop(self._queue)[2]
                self._queued.discard(key)
                self._attempt(key)
                done += 1
                if done % BATCH == 0:
                    await asyncio.sleep(0)
        finally:
            for stop in stops:
                stop()

    # -- the world

    def _on_node(self, event: Event) -> None:
        name = objects.name(event.object)
        if event.type == "DELETED":
            gone = self._nodes.pop(name, None)
            if gone is not None and gone.pods:
                self._strays[name] = gone.pods
        elif name in self._nodes:
            self._nodes[name].node = event.object
            if event.old is not None and _placing(event.object) == _placing(event.old):
                return  # a heartbeat
        else:
            state = self._nodes[name] = NodeState(event.object)
            for pod in self._strays.pop(name, {}).values():
                state.add(pod)
        self._retry()

    def _on_pod(self, event: Event) -> None:
        pod, key = event.object, objects.key(event.object)
        uid, node = objects.uid(pod), objects.spec(pod).get("nodeName", "")
        over = event.type == "DELETED" or objects.status(pod).get("phase") in ("Succeeded", "Failed")
        if over or not node:
            if self._leave(uid):
                self._retry(room=True)
        else:
            self._enter(node, pod)
        if over or node:
            self._waiting.pop(key, None)
            if event.type == "ADDED" or node != objects.spec(event.old or {}).get("nodeName", ""):
                self._retry(affine=True)
        elif objects.spec(pod).get("schedulerName", NAME) == NAME and self._concerns(event):
            self._enqueue(key, pod)

    def _concerns(self, event: Event) -> bool:
        """Whether a pending pod's event may change the decision about it; writing the condition does not."""
        if event.type == "ADDED" or event.old is None:
            return True
        new, old = event.object, event.old
        return objects.spec(new) != objects.spec(old) or objects.labels(new) != objects.labels(old)

    def _enter(self, node: str, pod: Obj) -> None:
        uid = objects.uid(pod)
        if self._places.get(uid) not in (None, node):
            self._leave(uid)
        self._places[uid] = node
        if node in self._nodes:
            self._nodes[node].add(pod)
        else:
            self._strays.setdefault(node, {})[uid] = pod

    def _leave(self, uid: str) -> bool:
        node = self._places.pop(uid, None)
        if node is None:
            return False
        if node in self._nodes:
            self._nodes[node].remove(uid)
        else:
            self._strays.get(node, {}).pop(uid, None)
        return True

    def _retry(self, *, affine: bool = False, room: bool = False) -> None:
        """Try waiting pods again.

        `affine`: a pod has come, which only helps those that look for company; `room`: one has left.
        """
        for key, hopeless in list(self._waiting.items()):
            if room and hopeless:
                continue
            pod = self.client.find("pods", *key)
            if pod is None:
                self._waiting.pop(key, None)
            elif not affine or objects.spec(pod).get("affinity") or objects.spec(pod).get("topologySpreadConstraints"):
                self._waiting.pop(key, None)
                self._enqueue(key, pod)

    def _enqueue(self, key: Key, pod: Obj) -> None:
        if key not in self._queued:
            self._queued.add(key)
            heapq.heappush(self._queue, (-objects.spec(pod).get("priority", 0), next(self._order), key))
            self._wake.set()

    # -- one pod

    def _attempt(self, key: Key) -> None:
        try:
            self._schedule(key)
        except Exception:  # one pod that cannot be judged must not stop the others
            log.exception("cannot schedule %s/%s", *key)
            self._waiting[key] = False

    def _schedule(self, key: Key) -> None:
        pod = self.client.find("pods", *key)
        if pod is None or objects.is_terminating(pod) or objects.spec(pod).get("nodeName"):
            return
        if objects.spec(pod).get("schedulingGates"):
            return  # the condition is the API server's to write
        cycle = Cycle(pod, self._nodes)
        missing = self._missing_claim(pod)
        refusals = {name: self._refusal(cycle, state) for name, state in self._nodes.items()}
        fitting = [self._nodes[name] for name, refusal in refusals.items() if refusal is None]
        if not self._nodes:
            self._fail(pod, NO_NODES)
        elif missing:
            self._fail(pod, f"0/{len(self._nodes)} nodes are available: {missing}. not found")
        elif not fitting:
            found = [r for r in refusals.values() if r is not None]
            self._fail(pod, fit_error(pod, found), hopeless=all(r.for_good for r in found))
        else:
            self._bind(pod, best(cycle, fitting).name)

    def _refusal(self, cycle: Cycle, state: NodeState) -> Refusal | None:
        return next((refusal for each in FILTERS if (refusal := each(cycle, state)) is not None), None)

    def _missing_claim(self, pod: Obj) -> str | None:
        for volume in objects.spec(pod).get("volumes") or ():
            if claim := objects.dig(volume, "persistentVolumeClaim", "claimName"):
                if self.client.find("persistentvolumeclaims", objects.namespace(pod), claim) is None:
                    return f'persistentvolumeclaim "{claim}" not found'
            elif "ephemeral" in volume:
                claim = f"{objects.name(pod)}-{volume['name']}"
                if self.client.find("persistentvolumeclaims", objects.namespace(pod), claim) is None:
                    return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{claim}"'
        return None

    def _bind(self, pod: Obj, node: str) -> None:
        def assign(copy: Obj) -> None:
            copy["spec"]["nodeName"] = node

        try:
            self.client.patch("pods", objects.key(pod), assign, subresource="binding")
        except StatusError as error:
            self._fail(pod, f"binding rejected: {error.message}")
            return
        name = f"{objects.namespace(pod)}/{objects.name(pod)}"
        self._record(pod, "Normal", "Scheduled", "Binding", f"Successfully assigned {name} to {node}")

    def _fail(self, pod: Obj, message: str, *, hopeless: bool = False) -> None:
        key = objects.key(pod)
        self._waiting[key] = hopeless
        self._record(pod, "Warning", "FailedScheduling", "Scheduling", message)
        old = objects.condition(pod, "PodScheduled")
        if old is not None and (old["status"], old.get("reason"), old.get("message")) == _unschedulable(message):
            return
        since = self.client.clock.now()
        if old is not None and old["status"] == "False":
            since = old["lastTransitionTime"]
        status, reason, _ = _unschedulable(message)
        condition = {
            "type": "PodScheduled",
            "observedGeneration": pod["metadata"].get("generation", 0),
            "status": status,
            "lastProbeTime": None,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }

        def change(copy: Obj) -> None:
            state = copy.setdefault("status", {})
            others = [c for c in state.get("conditions") or () if c["type"] != "PodScheduled"]
            state["conditions"] = [*others, condition]

        try:
            self.client.patch("pods", key, change, subresource="status")
        except StatusError:
            return  # gone meanwhile

    def _record(self, pod: Obj, type_: str, reason: str, action: str, message: str) -> None:
        """An Event as events.k8s.io writes it (no source, no count); repeats of a text become a series."""
        key = (objects.uid(pod), message)
        now = self.client.clock.now_micro()
        try:
            at = self._events.get(key)
            if at is not None and self.client.find("events", *at) is not None:

                def again(copy: Obj) -> None:
                    seen = (copy.get("series") or {}).get("count", 1)
                    copy["series"] = {"count": seen + 1, "lastObservedTime": now}

                self.client.patch("events", at, again)
                return
            name = f"{objects.name(pod)}.{time.time_ns():x}"
            self.client.create("events", _event(pod, name, type_, reason, action, message, now))
            if type_ == "Warning":
                if len(self._events) >= REMEMBERED:
                    self._events.pop(next(iter(self._events)))
                self._events[key] = objects.namespace(pod), name
        except StatusError:
            return  # the namespace is going or gone: there is nobody left to tell


def fit_error(pod: Obj, refusals: list[Refusal]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, ... . no new claims to deallocate, preemption: ...`."""
    text = _histogram(len(refusals), (reason for refusal in refusals for reason in refusal.reasons))
    if objects.spec(pod).get("preemptionPolicy") == "Never":
        preemption = "not eligible due to preemptionPolicy=Never."
    else:
        useless, nobody = "Preemption is not helpful for scheduling", "No preemption victims found for incoming pod"
        preemption = _histogram(len(refusals), (useless if r.for_good else nobody for r in refusals))
    return f"{text} no new claims to deallocate, preemption: {preemption}"


def _histogram(nodes: int, reasons: Iterable[str]) -> str:
    counted = sorted(f"{number} {reason}" for reason, number in Counter(reasons).items())
    return f"0/{nodes} nodes are available: {', '.join(counted)}."


def _unschedulable(message: str) -> tuple[str, str, str]:
    return "False", "Unschedulable", message


def _placing(node: Obj) -> tuple[object, ...]:
    """What of a node decides about pods."""
    status = objects.status(node)
    return objects.spec(node), objects.labels(node), status.get("allocatable"), status.get("capacity")


def _event(pod: Obj, name: str, type_: str, reason: str, action: str, message: str, now: str) -> Obj:
    return {
        "metadata": {"name": name, "namespace": objects.namespace(pod)},
        "involvedObject": {
            "kind": "Pod",
            "namespace": objects.namespace(pod),
            "name": objects.name(pod),
            "uid": objects.uid(pod),
            "apiVersion": "v1",
            "resourceVersion": pod["metadata"]["resourceVersion"],
        },
        "reason": reason,
        "message": message,
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "type": type_,
        "eventTime": now,
        "action": action,
        "reportingComponent": NAME,
        "reportingInstance": f"{NAME}-pocket",
    }
