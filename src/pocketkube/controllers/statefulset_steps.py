"""What follows from one look at a StatefulSet and its pods: which are made, given up or replaced, and what it counts.

Models pkg/controller/statefulset/stateful_set_control.go. Of our own: pods made all at once are made BATCH at a time,
the first that is refused ends the step, and a pod that ends at once is replaced once a second at most (upstream does it
as fast as its requests go). Left out: rollingUpdate.maxUnavailable, whose feature gate is off by default.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import pods
from pocketkube.controllers import statefulset_identity as identity
from pocketkube.controllers.statefulset_history import History
from pocketkube.controllers.statefulset_pods import StatefulPods
from pocketkube.objects import Key, Obj

BATCH = 10
"""Pods created by one reconcile at most, so that the event loop gets its turn."""


REST = 1.0
"""Seconds between two replacements of the same pod that had ended: one a node refuses would keep everybody busy."""


class Replacements:
    """When each pod was last replaced because it had ended, by its key."""

    def __init__(self) -> None:
        self._last: dict[Key, float] = {}

    def wait(self, pod: Obj, now: float) -> float:
        """Seconds until the pod may be replaced; 0: now."""
        return max(0.0, self._last.get(objects.key(pod), 0.0) + REST - now)

    def note(self, pod: Obj, now: float) -> None:
        self._last = {key: then for key, then in self._last.items() if then + REST > now}
        self._last[objects.key(pod)] = now


class Step:
    """One look at a set and its pods. `members`: the pods it has, from a claim of ownership."""

    def __init__(
        self, client: Client, found: Obj, history: History, members: list[Obj], replacements: Replacements
    ) -> None:
        self.client = client
        self.found = found
        self.spec = found["spec"]
        self.history = history
        self.members = members
        self.now = client.clock.time()
        self.replacements = replacements
        self.rests: list[float] = []
        """Seconds until pods that have ended may be replaced."""
        self.writes = StatefulPods(client, found)
        self.in_order = self.spec["podManagementPolicy"] != "Parallel"
        self.there = {identity.ordinal(pod): pod for pod in members}
        first = identity.start(found)
        self.wanted = range(first, first + self.spec["replicas"])
        """The ordinals there are to be pods for."""
        unwanted = [pod for pod in members if not identity.is_wanted(found, pod)]
        self.condemned = sorted(unwanted, key=identity.ordinal, reverse=True)
        self.given_up = 0
        """Pods deleted for an update."""
        self.created = 0

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
        for number in self.wanted:
            if self._tend(number) and self.in_order:
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

    def _tend(self, number: int) -> bool:
        """Bring one wanted pod a step further. True when the next one has to wait for it."""
        pod = self.there.get(number)
        if pod is None:
            pod = self._new_pod(number)
            if not self.writes.claims.are_stale(pod):
                self.writes.create(pod)
                self.created += 1
            return True
        if pods.is_terminal(pod):
            if not objects.is_terminating(pod):
                self._replace(pod)
            return True
        if objects.status(pod).get("phase") == "Pending":
            self.writes.complete_claims(pod)
        if self.in_order and (objects.is_terminating(pod) or not _is_running(pod) or not self._is_available(pod)):
            return True
        if not self.writes.is_right(pod):
            self.writes.correct(pod)
        return False

    def _replace(self, pod: Obj) -> None:
        """Delete a pod that has ended; once it is gone it is made again."""
        if wait := self.replacements.wait(pod, self.now):
            self.rests.append(wait)
            return
        self.replacements.note(pod, self.now)
        self.writes.delete(pod)

    def _remove(self, pod: Obj) -> bool:
        """Delete one pod that is not wanted any more. True when the next one has to wait for it."""
        if objects.is_terminating(pod):
            return True
        healthy = _is_running(pod) and self._is_available(pod)
        if not self.in_order or healthy or pod is self._first_unavailable():
            self.writes.delete(pod)
        return True

    def _first_unavailable(self) -> Obj | None:
        """None also when that one is still to be created."""
        wanted = map(self.there.get, self.wanted)
        return next((pod for pod in (*wanted, *reversed(self.condemned)) if self._is_unavailable(pod)), None)

    def _update(self) -> None:
        """Give up the pod with the highest ordinal that is at another revision, one at a time."""
        partition = (self.spec["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0)
        for number in reversed(self.wanted[partition:]):
            pod = self.there.get(number)
            if pod is not None and not objects.is_terminating(pod) and not self._is_updated(pod):
                self.writes.delete(pod)
                self.given_up += 1
                return
            if self._is_unavailable(pod):
                return

    # -- judging a pod

    def _is_available(self, pod: Obj) -> bool:
        return pods.available_in(pod, self.spec.get("minReadySeconds", 0), self.now) == 0

    def _is_unavailable(self, pod: Obj | None) -> bool:
        return pod is None or objects.is_terminating(pod) or not self._is_available(pod)

    def _is_updated(self, pod: Obj) -> bool:
        return identity.revision(pod) == objects.name(self.history.update)

    # -- status

    def write_status(self) -> None:
        """Count what was found, and write when something differs."""
        update, current = objects.name(self.history.update), objects.name(self.history.current)
        ready = [pod for pod in self.members if _is_running(pod)]
        staying = [identity.revision(pod) for pod in self.members if not objects.is_terminating(pod)]
        wanted, updated = self.spec["replicas"], staying.count(update)
        at_current = max(0, staying.count(current) - self.given_up)
        rolling = self.spec["updateStrategy"]["type"] == "RollingUpdate"
        if rolling and updated == len(ready) == len(self.members) == wanted:
            current, at_current = update, updated
        counts = {
            "observedGeneration": self.found["metadata"]["generation"],
            "replicas": len(self.members),
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
        return min((wait for wait in (*waits, *self.rests) if wait), default=None)


def _is_running(pod: Obj) -> bool:
    return objects.status(pod).get("phase") == "Running" and pods.is_ready(pod)
