"""The DaemonSet controller: one pod on every node that should run one.

Models pkg/controller/daemon. Its modules: daemonset_look (where it should run, what its status counts), daemonset_steps
(what follows from that), daemonset_pods (what its pods are), daemonset_history (revisions). The default scheduler binds
the pods, each to the one node that its node affinity names.

Of our own: a node that vanishes wakes the sets; upstream sees it when they are looked at for another reason.
Left out: expectations and slow start (reads here are never stale; the first pod that is refused ends the step), and
nodes' selectors of namespaces (an annotation that no controller manager is built to read).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import daemonset_pods, ownership, podcontrol
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.controllers.daemonset_history import History
from pocketkube.controllers.daemonset_look import Look
from pocketkube.controllers.daemonset_steps import Failures, Steps, placing, updating
from pocketkube.controllers.revisions import REVISIONS
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.selectors import from_label_selector
from pocketkube.store import Event

BATCH = 10
"""Pods created or deleted before the event loop gets its turn."""
BURST = 250
"""Pods created, and pods deleted, by one step at most."""


class DaemonSetController(Controller):
    name = "daemonset-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._failed = Failures()

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "daemonsets", own_key
        yield "pods", ownership.controllers_of(self.client, "daemonsets", "DaemonSet")
        yield REVISIONS, self._set_of_revision
        yield "nodes", self._all_sets

    def _set_of_revision(self, event: Event) -> Iterable[Key]:
        """As upstream, a new revision that has its owner already changes nothing until the set is looked at next."""
        if event.type == "ADDED" and objects.controller_ref(event.object) is not None:
            return ()
        return ownership.controllers_of(self.client, "daemonsets", "DaemonSet")(event)

    def _all_sets(self, event: Event) -> Iterable[Key]:
        """A node's labels and taints decide who runs there; its heartbeats concern nobody."""
        old, new = event.old, event.object
        if event.type == "MODIFIED" and old is not None:
            taints = [objects.spec(node).get("taints") or [] for node in (old, new)]
            if objects.labels(old) == objects.labels(new) and taints[0] == taints[1]:
                return
        for found in self.client.list("daemonsets"):
            yield objects.key(found)

    async def reconcile(self, at: Key) -> float | None:
        found = self.client.find("daemonsets", *at)
        if found is None or objects.is_terminating(found):
            return None
        try:
            history = History(self.client, found)
            history.merge_equal(lambda: self._members(found))
        except StatusError as error:
            if namespace_is_terminating(error):
                return None
            raise
        rest: float | None = None
        now = self.clock.time()  # of both looks: what becomes available between them is to be looked at again
        try:
            rest = await self._take_steps(found, history, now)
        finally:  # what was reached counts, also when something was refused
            wait = self._write_status(found, history, now)
        return min((seconds for seconds in (rest, wait) if seconds is not None), default=None)

    def _members(self, found: Obj) -> list[Obj]:
        """The set's pods, after adopting orphans that match and releasing what does not."""
        fits = from_label_selector(found["spec"]["selector"])
        candidates = self.client.list("pods", objects.namespace(found))
        return ownership.claim(self.client, "pods", found, candidates, lambda pod: fits(objects.labels(pod)))

    def _look(self, found: Obj, history: History, now: float) -> Look:
        nodes, members = self.client.list("nodes"), self._members(found)
        return Look(found, nodes, members, history.update_hash, now)

    async def _take_steps(self, found: Obj, history: History, now: float) -> float | None:
        """Returns after how many seconds there is more to do, if there is."""
        look = self._look(found, history, now)
        steps = placing(look, self._failed)
        for event in steps.events:
            self.client.record(found, *event)
        if steps:
            more = await self._take(found, history, steps)
            return more if more is not None else steps.rest
        if found["spec"]["updateStrategy"]["type"] == "RollingUpdate" and (update := updating(look)):
            more = await self._take(found, history, update)
            return more if more is not None else steps.rest
        history.clean_up(look.members)
        return steps.rest

    async def _take(self, found: Obj, history: History, steps: Steps) -> float | None:
        """Create and delete pods; the first that is refused ends the one, not the other.

        The loop gets its turn between batches; when the set changes meanwhile the rest is left to the next reconcile,
        which the change has queued."""
        failure: StatusError | None = None
        done = 0
        for node in steps.create[:BURST]:
            if done and done % BATCH == 0 and not await self._is_unchanged(found):
                return None
            try:
                made = podcontrol.create(self.client, found, daemonset_pods.new_pod(found, node, history.update_hash))
            except StatusError as error:
                failure = error
                break
            if made is None:  # the namespace is going
                break
            done += 1
        for pod in steps.delete[:BURST]:
            if done and done % BATCH == 0 and not await self._is_unchanged(found):
                return None
            podcontrol.delete(self.client, found, pod)
            done += 1
        if failure is not None:
            raise failure
        return 0.0 if len(steps.create) > BURST or len(steps.delete) > BURST else None

    async def _is_unchanged(self, found: Obj) -> bool:
        await asyncio.sleep(0)
        current = self.client.find("daemonsets", *objects.key(found))
        return current is not None and (objects.uid(current), current["metadata"]["generation"]) == (
            objects.uid(found),
            found["metadata"]["generation"],
        )

    def _write_status(self, found: Obj, history: History, now: float) -> float | None:
        """Count and write when something differs. Returns seconds until a ready pod becomes available, if one will."""
        current = self.client.find("daemonsets", *objects.key(found))
        if current is None or objects.uid(current) != objects.uid(found) or objects.is_terminating(current):
            return None
        look = self._look(found, history, now)
        old = objects.status(current)
        new = {**look.status(), "observedGeneration": found["metadata"]["generation"]}
        if history.collisions or "collisionCount" in old:
            new["collisionCount"] = max(history.collisions, old.get("collisionCount", 0))
        if "conditions" in old:
            new["conditions"] = old["conditions"]
        if new != old:
            self.client.patch(
                "daemonsets", objects.key(found), lambda copy: copy.update(status=new), subresource="status"
            )
        return look.wait()


CONTROLLER = DaemonSetController
