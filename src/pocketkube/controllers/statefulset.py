"""The StatefulSet controller: pods with names and claims of their own, one after the other or all at once.

Models pkg/controller/statefulset (stateful_set, stateful_set_control). Its modules: statefulset_identity (names),
statefulset_claims, statefulset_pods (what is written), statefulset_history (revisions). One reconcile takes the steps
that order allows; what it wrote brings the next one.

Of our own: a claim that vanishes wakes the set that waits for it (upstream tries again after a while), and pods made
all at once are made BATCH at a time. Left out: rollingUpdate.maxUnavailable, whose feature gate is off by default.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import ownership, pods
from pocketkube.controllers import statefulset_identity as identity
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.controllers.statefulset_claims import CLAIMS
from pocketkube.controllers.statefulset_history import History
from pocketkube.controllers.statefulset_pods import StatefulPods
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.selectors import from_label_selector
from pocketkube.store import Event

BATCH = 10
"""Pods created by one reconcile at most, so that the event loop gets its turn."""


class StatefulSetController(Controller):
    name = "statefulset-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "statefulsets", own_key
        yield "pods", ownership.controllers_of(self.client, "statefulsets", "StatefulSet")
        yield CLAIMS, self._set_of_gone_claim

    def _set_of_gone_claim(self, event: Event) -> Iterable[Key]:
        if event.type != "DELETED":
            return
        rest, number = identity.parent_and_ordinal(objects.name(event.object))
        if number < 0:
            return
        for found in self.client.list("statefulsets", objects.namespace(event.object)):
            if rest.endswith(f"-{objects.name(found)}"):
                yield objects.key(found)

    async def reconcile(self, at: Key) -> float | None:
        found = self.client.find("statefulsets", *at)
        if found is None:
            return None
        try:
            return self._sync(found)
        except StatusError as error:
            if namespace_is_terminating(error):
                return None
            raise

    def _sync(self, found: Obj) -> float | None:
        history = History(self.client, found)
        selector = from_label_selector(found["spec"]["selector"])
        members = ownership.claim(
            self.client,
            "pods",
            found,
            self.client.list("pods", objects.namespace(found)),
            lambda pod: identity.is_member(found, pod) and selector(objects.labels(pod)),
        )
        step = _Step(self, found, history, members)
        try:
            if not objects.is_terminating(found):
                step.take()
        finally:  # what was reached counts, also when something was refused
            step.write_status()
            history.clean_up(members)
        return step.again()


class _Step:
    """What follows from one look at a set and its pods."""

    def __init__(self, controller: Controller, found: Obj, history: History, members: list[Obj]) -> None:
        self.client = controller.client
        self.found = found
        self.spec = found["spec"]
        self.history = history
        self.members = members
        self.now = controller.clock.time()
        self.writes = StatefulPods(controller.client, found)
        self.in_order = self.spec["podManagementPolicy"] != "Parallel"
        self.replicas = self._replicas()
        """One pod for each ordinal, created or still to be created."""
        unwanted = [pod for pod in members if not identity.is_wanted(found, pod)]
        self.condemned = sorted(unwanted, key=identity.ordinal, reverse=True)
        self.given_up = 0
        """Pods deleted for an update."""
        self.created = 0

    def _replicas(self) -> list[Obj]:
        there = {identity.ordinal(pod): pod for pod in self.members}
        first = identity.start(self.found)
        return [there.get(number) or self._new_pod(number) for number in range(first, first + self.spec["replicas"])]

    def _new_pod(self, number: int) -> Obj:
        """At the current revision below the partition (without one: as many as are still at it), else at the new."""
        strategy, history = self.spec["updateStrategy"], self.history
        rolling = strategy.get("rollingUpdate")
        below = objects.status(self.found).get("currentReplicas", 0)
        if rolling is not None:
            below = rolling.get("partition", 0)
        elif strategy["type"] != "RollingUpdate":
            below = 0
        if number < identity.start(self.found) + below:
            return identity.new_pod(history.current_set(), number, objects.name(history.current))
        return identity.new_pod(self.found, number, objects.name(history.update))

    # -- the steps

    def take(self) -> None:
        """Pods that are wanted first, then those that are not, then the update; in order each waits for the one
        before."""
        for pod in self.replicas:
            if self._tend(pod) and self.in_order:
                return
            if self.created == BATCH:
                return
        for pod in self.condemned:
            if not self.writes.claims.are_owned_as_asked(pod):
                self.writes.claims.own_as_asked(pod)
        for pod in self.condemned:
            if self._remove(pod) and self.in_order:
                return
        if self.spec["updateStrategy"]["type"] != "OnDelete":
            self._update()

    def _tend(self, pod: Obj) -> bool:
        """Bring one wanted pod a step further. True when the next one has to wait for it."""
        if pods.is_terminal(pod):
            if not objects.is_terminating(pod):
                self.writes.delete(pod)
            return True
        if not _exists(pod):
            if not self.writes.claims.are_stale(pod):
                self.writes.create(pod)
                self.created += 1
            return True
        if objects.status(pod).get("phase") == "Pending":
            self.writes.complete_claims(pod)
        if self.in_order and (objects.is_terminating(pod) or not _is_running(pod) or not self._is_available(pod)):
            return True
        if not self.writes.is_right(pod):
            self.writes.correct(pod)
        return False

    def _remove(self, pod: Obj) -> bool:
        """Delete one pod that is not wanted any more. True when the next one has to wait for it."""
        if objects.is_terminating(pod):
            return True
        healthy = _is_running(pod) and self._is_available(pod)
        if not self.in_order or healthy or pod is self._first_unavailable():
            self.writes.delete(pod)
        return True

    def _first_unavailable(self) -> Obj | None:
        return next((p for p in (*self.replicas, *reversed(self.condemned)) if self._is_unavailable(p)), None)

    def _update(self) -> None:
        """Give up the pod with the highest ordinal that is at another revision, one at a time."""
        partition = (self.spec["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0)
        for pod in reversed(self.replicas[partition:]):
            behind = identity.revision(pod) != objects.name(self.history.update)
            if behind and not objects.is_terminating(pod):
                self.writes.delete(pod)
                self.given_up += 1
                return
            if self._is_unavailable(pod):
                return

    # -- judging a pod

    def _is_available(self, pod: Obj) -> bool:
        return pods.available_in(pod, self.spec.get("minReadySeconds", 0), self.now) == 0

    def _is_unavailable(self, pod: Obj) -> bool:
        return objects.is_terminating(pod) or not self._is_available(pod)

    # -- status

    def write_status(self) -> None:
        """Count what was found, and write when something differs."""
        update, current = objects.name(self.history.update), objects.name(self.history.current)
        there = [pod for pod in self.members if _exists(pod)]
        ready = [pod for pod in there if _is_running(pod)]
        staying = [identity.revision(pod) for pod in there if not objects.is_terminating(pod)]
        wanted, updated = self.spec["replicas"], staying.count(update)
        at_current = max(0, staying.count(current) - self.given_up)
        rolling = self.spec["updateStrategy"]["type"] == "RollingUpdate"
        if rolling and updated == len(ready) == len(there) == wanted:
            current, at_current = update, updated
        counts = {
            "observedGeneration": self.found["metadata"]["generation"],
            "replicas": len(there),
            "readyReplicas": len(ready),
            "currentReplicas": at_current,
            "updatedReplicas": updated,
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": self.history.collisions,
            "availableReplicas": sum(map(self._is_available, ready)),
        }
        always = ("replicas", "availableReplicas", "collisionCount")
        status = {name: count for name, count in counts.items() if count or name in always}
        old = objects.status(self.found)
        if any(status.get(name) != old.get(name) for name in counts if name != "collisionCount"):
            body = {**self.found, "metadata": {**self.found["metadata"]}, "status": status}
            self.client.update_status("statefulsets", body)

    def again(self) -> float | None:
        """Seconds until there is more to do that no event tells of."""
        if self.created == BATCH:
            return 0.0
        waits = (pods.available_in(pod, self.spec.get("minReadySeconds", 0), self.now) for pod in self.members)
        return min((wait for wait in waits if wait), default=None)


def _exists(pod: Obj) -> bool:
    """Whether the API server has it."""
    return bool(objects.status(pod).get("phase"))


def _is_running(pod: Obj) -> bool:
    return objects.status(pod).get("phase") == "Running" and pods.is_ready(pod)


CONTROLLER = StatefulSetController
