"""The scheduling loop: one pod at a time, highest priority first; what does not fit waits for the world to change.

Models pkg/scheduler/{schedule_one,eventhandlers}.go. Pods that do not fit are tried again at once when a node changes,
a pod leaves or their volumes do better (upstream: after a back-off of 1 to 10 s). A pod whose claims have to be bound
first holds its place on the node meanwhile, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Mapping
from itertools import count

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.podphase import is_terminal
from pocketkube.scheduler import devices, fitting, preemption, writing
from pocketkube.scheduler.cache import Cache
from pocketkube.scheduler.events import NAME, SchedulingEvents, histogram
from pocketkube.scheduler.filters import Cycle, Refusal
from pocketkube.scheduler.nodes import NodeState, PodInfo
from pocketkube.scheduler.prebinding import BindingFailed, Prebinding
from pocketkube.scheduler.preemption import Candidate
from pocketkube.scheduler.scores import best
from pocketkube.scheduler.volumes import Plan, Unresolvable, look
from pocketkube.scheduler.waiting import WATCHED, WaitingPods
from pocketkube.store import DELETED, Event

log = logging.getLogger(__name__)

NO_NODES = "no nodes available to schedule pods"
BATCH = 5
"""Pods placed before the event loop gets its turn."""
FIRST_BACK_OFF, LONGEST_BACK_OFF = 1.0, 10.0
"""Seconds before a pod is placed anew after an error: doubling."""
UNSCHEDULABLE, ERROR = "Unschedulable", "SchedulerError"


class Scheduler:
    """`client`: in the name of default-scheduler."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._cache = Cache()
        self._queue: list[tuple[int, int, Key]] = []
        self._queued: set[Key] = set()
        self._waiting = WaitingPods()
        """Those that did not fit."""
        self._order = count()
        self._wake = asyncio.Event()
        self._events = SchedulingEvents(client)
        self._prebinding = Prebinding(client, self._claims_changed)
        self._to_check: dict[Key, None] = {}
        """Pods whose claims may be bound by now."""
        self._errors: dict[Key, tuple[int, asyncio.TimerHandle]] = {}
        """How often placing a pod ended in an error, and when it is tried again."""

    async def run(self) -> None:
        """Work until cancelled."""
        stops = [self.client.subscribe("nodes", self._on_node), self.client.subscribe("pods", self._on_pod)]
        stops += [self.client.subscribe(resource, self._on_storage) for resource in WATCHED]
        try:
            for resource, notify in (("nodes", self._on_node), ("pods", self._on_pod)):
                for obj in self.client.list(resource):
                    notify(Event("ADDED", resource, obj, None, int(obj["metadata"]["resourceVersion"])))
            done = 0
            while True:
                while not self._queue and not self._to_check:
                    self._wake.clear()
                    await self._wake.wait()
                if self._to_check:
                    key = next(iter(self._to_check))
                    del self._to_check[key]
                    self._attempt(key, self._finish)
                else:
                    key = heapq.heappop(self._queue)[2]
                    self._queued.discard(key)
                    self._attempt(key, self._schedule)
                done += 1
                if done % BATCH == 0:
                    await asyncio.sleep(0)
        finally:
            for stop in stops:
                stop()
            self._prebinding.stop()
            for _, timer in self._errors.values():
                timer.cancel()

    # -- the world

    def _on_node(self, event: Event) -> None:
        name = objects.name(event.object)
        if event.type == DELETED:
            self._cache.drop_node(name)
        else:
            known = name in self._cache.nodes
            self._cache.put_node(event.object)
            if known and event.old is not None and _placing(event.object) == _placing(event.old):
                return  # a heartbeat
        self._retry()

    def _on_pod(self, event: Event) -> None:
        pod, key = event.object, objects.key(event.object)
        uid, node = objects.uid(pod), objects.spec(pod).get("nodeName", "")
        over = event.type == DELETED or is_terminal(pod)
        over = over or (objects.is_terminating(pod) and not node)  # it will never be placed
        if not over and not node and key in self._prebinding:
            return  # it holds its place
        if over or not node:
            room = self._cache.leave(uid)
        else:
            room = False
            self._cache.enter(node, pod)
        mine = objects.spec(pod).get("schedulerName", NAME) == NAME
        if over or node:
            self._drop(key)
            room = self._cache.forget(uid) or room
            if event.type == "ADDED" or self._may_draw(event):
                self._retry(affine=True)
        elif mine:
            room = self._cache.nominate(pod) or room
            if self._concerns(event):
                self._enqueue(key, pod)
        if room:
            self._retry(room=True)

    def _may_draw(self, event: Event) -> bool:
        """Whether pods that look for company may find it in this one now."""
        new, old = event.object, event.old or {}
        moved = objects.spec(new).get("nodeName", "") != objects.spec(old).get("nodeName", "")
        return moved or objects.labels(new) != objects.labels(old)

    def _on_storage(self, event: Event) -> None:
        if event.resource in ("persistentvolumes", "persistentvolumeclaims"):
            self._prebinding.touched(event)
        for key in self._waiting.helped_by(event):
            self._again(key)

    def _claims_changed(self, pod: Key) -> None:
        self._to_check[pod] = None
        self._wake.set()

    def _drop(self, key: Key) -> None:
        """It is placed, or gone."""
        self._waiting.discard(key)
        self._prebinding.forget(key)
        if (failed := self._errors.pop(key, None)) is not None:
            failed[1].cancel()

    def _concerns(self, event: Event) -> bool:
        """Whether a pending pod's event may change the decision about it; writing the condition does not."""
        if event.type == "ADDED" or event.old is None:
            return True
        new, old = event.object, event.old
        if objects.status(new).get("resourceClaimStatuses") != objects.status(old).get("resourceClaimStatuses"):
            return True
        return objects.spec(new) != objects.spec(old) or objects.labels(new) != objects.labels(old)

    def _retry(self, *, affine: bool = False, room: bool = False) -> None:
        """Try waiting pods again.

        `affine`: a pod has come, which only helps those that look for company; `room`: one has left.
        """
        for key, hopeless in self._waiting.items():
            if room and hopeless:
                continue
            pod = self.client.find("pods", *key)
            if pod is None:
                self._waiting.discard(key)
            elif not affine or objects.spec(pod).get("affinity") or objects.spec(pod).get("topologySpreadConstraints"):
                self._waiting.discard(key)
                self._enqueue(key, pod)

    def _again(self, key: Key) -> None:
        self._waiting.discard(key)
        pod = self.client.find("pods", *key)
        if pod is not None:
            self._enqueue(key, pod)

    def _enqueue(self, key: Key, pod: Obj) -> None:
        if key not in self._queued:
            self._queued.add(key)
            heapq.heappush(self._queue, (-objects.spec(pod).get("priority", 0), next(self._order), key))
            self._wake.set()

    # -- one pod

    def _attempt(self, key: Key, step: Callable[[Key], None]) -> None:
        try:
            step(key)
        except Exception:  # one pod that cannot be judged must not stop the others
            log.exception("cannot schedule %s/%s", *key)
            pod = self.client.find("pods", *key)
            if pod is not None:
                self._waiting.add(pod, hopeless=False)

    def _schedule(self, key: Key) -> None:
        pod = self.client.find("pods", *key)
        if pod is None or objects.is_terminating(pod) or objects.spec(pod).get("nodeName"):
            return
        if objects.spec(pod).get("schedulingGates") or key in self._prebinding:
            return  # the condition of a gated pod is the API server's to write
        if not devices.are_there(self.client, pod):
            self._waiting.add(pod, hopeless=True)  # who is to make its claims tells why there are none
            return
        nodes = self._cache.nodes
        if not nodes:
            self._fail(pod, NO_NODES, nominated="")
            return
        try:
            volumes = look(self.client, pod)
        except Unresolvable as refused:
            self._fail(pod, f"0/{len(nodes)} nodes are available: {refused}. not found", hopeless=True)
            return
        if (why := devices.problem(self.client, pod)) is not None:
            helpless = histogram(len(nodes), [preemption.USELESS] * len(nodes))
            text = f"0/{len(nodes)} nodes are available: {why}. {devices.NOTHING_TO_FREE}, preemption: {helpless}"
            self._fail(pod, text, hopeless=True, nominated="")
            return
        cycle = Cycle(self.client, PodInfo(pod), nodes, volumes)
        fits, refusals = self._look_around(cycle)
        if not fits:
            self._make_room(cycle, refusals)
            return
        node = best(cycle, fits).name
        plan = volumes.plans.get(node) if volumes is not None else None
        if plan:
            self._reserve(pod, node, plan)
        else:
            self._bind(pod, node)

    def _look_around(self, cycle: Cycle) -> tuple[list[NodeState], dict[str, Refusal]]:
        """The nodes that fit, and what the others say; when the node that the pod waits for fits, it alone."""
        hoped = cycle.nodes.get(objects.status(cycle.pod).get("nominatedNodeName", ""))
        if hoped is not None and self._refusal(cycle, hoped) is None:
            return [hoped], {}
        fits, refusals = [], {}
        for name, state in cycle.nodes.items():
            refused = self._refusal(cycle, state)
            if refused is None:
                fits.append(state)
            else:
                refusals[name] = refused
        return fits, refusals

    def _refusal(self, cycle: Cycle, state: NodeState) -> Refusal | None:
        return fitting.refusal(cycle, state, self._cache.nominated)

    def _make_room(self, cycle: Cycle, refusals: Mapping[str, Refusal]) -> None:
        """No node takes the pod: let less important ones go where that helps, and say what came of it."""
        pod, number = cycle.pod, len(refusals)
        text = histogram(number, (reason for refused in refusals.values() for reason in refused.reasons))
        nominated: str | None = None
        chosen: Candidate | None = None
        why = preemption.ineligible(cycle.info, cycle.nodes, refusals)
        if why is None:
            budgets = self.client.list("poddisruptionbudgets")
            found, reasons = preemption.candidates(cycle, refusals, self._refusal, budgets)
            chosen = preemption.least_harmful(found) if found else None
            nominated = chosen.node if chosen is not None else ""
            why = histogram(number, reasons)
        if chosen is None:
            freed = devices.STILL_NOT if devices.claimed(pod) else devices.NOTHING_TO_FREE
            text = f"{text} {freed}, preemption: {why}"
        hopeless = all(refused.for_good for refused in refusals.values())
        self._fail(pod, text, hopeless=hopeless, nominated=nominated)
        if chosen is not None:
            self._preempt(pod, chosen)

    def _preempt(self, pod: Obj, chosen: Candidate) -> None:
        """The pod waits already: it is tried again when the victims are gone."""
        priority = objects.spec(pod).get("priority") or 0
        for info in self._cache.nominated(chosen.node):
            if info.priority < priority:  # another node may have room for it sooner
                writing.nominate(self.client, info.pod, "")
                self._again(objects.key(info.pod))
        for victim in chosen.victims:
            key = objects.key(victim.pod)
            if key in self._prebinding:  # it is on the node in our mind only
                self._prebinding.forget(key)
                self._cache.leave(victim.uid)
                writing.nominate(self.client, victim.pod, "")
                self._again(key)
                self._retry(room=True)
            else:
                writing.preempt(self.client, self._events, victim.pod, pod, chosen.node)

    def _reserve(self, pod: Obj, node: str, plan: Plan) -> None:
        """Have the pod's claims bound; it counts as being on the node from now on."""
        self._cache.enter(node, pod)
        self._cache.forget(objects.uid(pod))
        try:
            self._prebinding.start(pod, node, plan)
        except StatusError as error:
            self._unreserve(pod, error.message)
        else:
            writing.nominate(self.client, pod, node)

    def _finish(self, key: Key) -> None:
        """Bind a pod whose claims are bound."""
        if key not in self._prebinding:
            return
        pod = self.client.get("pods", *key)  # one that goes has left by its event
        try:
            done = self._prebinding.check(key)
        except BindingFailed as failed:
            self._unreserve(pod, f"binding volumes: {failed}")
        else:
            if done is not None:
                self._bind(pod, done.node)

    def _unreserve(self, pod: Obj, message: str) -> None:
        self._cache.leave(objects.uid(pod))
        self._fail(pod, f'running PreBind plugin "VolumeBinding": {message}', reason=ERROR, nominated="")
        self._retry(room=True)
        self._back_off(objects.key(pod))

    def _back_off(self, key: Key) -> None:
        """Take a pod up again in a while, later each time."""
        failures, earlier = self._errors.pop(key, (0, None))
        if earlier is not None:
            earlier.cancel()
        delay = min(FIRST_BACK_OFF * 2**failures, LONGEST_BACK_OFF) / self.client.clock.speed
        timer = asyncio.get_running_loop().call_later(delay, self._again, key)
        self._errors[key] = failures + 1, timer

    def _bind(self, pod: Obj, node: str) -> None:
        def assign(copy: Obj) -> None:
            copy["spec"]["nodeName"] = node

        try:
            self.client.patch("pods", objects.key(pod), assign, subresource="binding")
        except StatusError as error:
            self._fail(pod, f'running Bind plugin "DefaultBinder": {error.message}', reason=ERROR)
            self._back_off(objects.key(pod))
            return
        name = f"{objects.namespace(pod)}/{objects.name(pod)}"
        self._events.record(pod, "Normal", "Scheduled", "Binding", f"Successfully assigned {name} to {node}")

    def _fail(
        self,
        pod: Obj,
        message: str,
        *,
        hopeless: bool = False,
        reason: str = UNSCHEDULABLE,
        nominated: str | None = None,
    ) -> None:
        """`nominated`: the node where room is being made for the pod, "" for none, None to leave it as it is."""
        self._waiting.add(pod, hopeless=hopeless)
        self._events.record(pod, "Warning", "FailedScheduling", "Scheduling", message)
        writing.not_scheduled(self.client, pod, reason, message, nominated)


def _placing(node: Obj) -> tuple[object, ...]:
    """What of a node decides about pods."""
    status = objects.status(node)
    return objects.spec(node), objects.labels(node), status.get("allocatable"), status.get("capacity")
