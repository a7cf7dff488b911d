"""The ReplicaSet controller: as many pods as spec.replicas asks for, and a status that counts them.

Models pkg/controller/replicaset/*.go and controller_ref_manager.go (adoption and release).
Of our own: pods that end at once are not replaced as fast as they end (replacements.py).
Left out: expectations and slow start: reads here are never stale, and pods are made one after the other until one is
refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import ownership, podcontrol, pods, ranking
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.controllers.replacements import Replacements
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj

BATCH = 10
"""Pods created or deleted before the event loop gets its turn."""
BURST = 500
"""Pods created or deleted by one reconcile at most."""


class ReplicaSetController(Controller):
    name = "replicaset-controller"
    resource: ClassVar[str] = "replicasets"
    kind: ClassVar[str] = "ReplicaSet"
    counts_terminating: ClassVar[bool] = True
    """Whether the status has terminatingReplicas."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._replacements = Replacements()

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield self.resource, own_key
        yield "pods", ownership.controllers_of(self.client, self.resource, self.kind)

    async def reconcile(self, at: Key) -> float | None:
        replicaset = self.client.find(self.resource, *at)
        if replicaset is None:
            self._replacements.forget(at)
            return None
        active, terminating, ended = self._claim(replicaset)
        failure: StatusError | None = None
        rest: float | None = None
        if not objects.is_terminating(replicaset):
            try:
                rest = await self._manage(replicaset, active, ended)
            except StatusError as error:
                failure = error
            current = self.client.find(self.resource, *at)
            if current is None or objects.uid(current) != objects.uid(replicaset):
                return None
            replicaset = current
        wait = self._write_status(replicaset, active, terminating, failure)
        if failure is not None:
            raise failure
        return min((delay for delay in (rest, wait) if delay is not None), default=None)

    # -- whose pods

    def _claim(self, replicaset: Obj) -> tuple[list[Obj], list[Obj], set[str]]:
        """(active pods, terminating pods, uids of those that have ended) of the set, after adopting orphans that match
        and releasing what does not."""
        selector = ownership.selects(replicaset)
        there = self.client.list("pods", objects.namespace(replicaset))
        terminating = [
            pod
            for pod in there
            if objects.is_terminating(pod)
            and not pods.is_terminal(pod)
            and ownership.is_controlled_by(pod, replicaset)
            and selector(objects.labels(pod))
        ]
        candidates = filter(pods.is_active, there)
        active = ownership.claim(self.client, "pods", replicaset, candidates, lambda pod: selector(objects.labels(pod)))
        ended = {
            objects.uid(pod)
            for pod in there
            if pods.is_terminal(pod) and not objects.is_terminating(pod) and ownership.is_controlled_by(pod, replicaset)
        }
        return active, terminating, ended

    # -- how many pods

    async def _manage(self, replicaset: Obj, active: list[Obj], ended: set[str]) -> float | None:
        """Create or delete pods. `active` stays what it was: the status shows what was found, as upstream's does.

        Returns after how many seconds there is more to do, if there is. The loop gets its turn between batches; when
        the set changes meanwhile the rest is left to the next reconcile (the change has queued it).
        """
        wanted = replicaset["spec"].get("replicas", 1)
        missing = wanted - len(active)
        generation = replicaset["metadata"].get("generation")
        chosen = [] if missing >= 0 else self._to_delete(replicaset, active, -missing)[:BURST]
        may_make, rest = self._replacements.make(objects.key(replicaset), ended, missing, wanted, self.clock.time())
        count = min(may_make, BURST) if missing > 0 else len(chosen)
        for done in range(count):
            if done and done % BATCH == 0:
                await asyncio.sleep(0)
                current = self.client.find(self.resource, *objects.key(replicaset))
                if current is None or current["metadata"].get("generation") != generation:
                    return None
            if missing > 0:
                pod = pods.from_template(replicaset, replicaset["spec"]["template"])
                if podcontrol.create(self.client, replicaset, pod) is None:
                    return None
            else:
                podcontrol.delete(self.client, replicaset, chosen[done])
        return 0.0 if (may_make if missing > 0 else -missing) > count else rest

    def _to_delete(self, replicaset: Obj, active: list[Obj], count: int) -> list[Obj]:
        if count >= len(active):
            return active
        return ranking.by_use(active, self._related(replicaset), self.clock.time())[:count]

    def _related(self, replicaset: Obj) -> list[Obj]:
        """Active pods of all sets with the same controller: doubled-up nodes are counted over the whole rollout."""
        owner = objects.controller_ref(replicaset)
        namespace = objects.namespace(replicaset)
        family = {objects.uid(replicaset)}
        if owner is not None:
            for found in self.client.list(self.resource, namespace):
                ref = objects.controller_ref(found)
                if ref is not None and ref["uid"] == owner["uid"]:
                    family.add(objects.uid(found))
        related = []
        for pod in self.client.list("pods", namespace):
            ref = objects.controller_ref(pod)
            if ref is not None and ref["uid"] in family and pods.is_active(pod):
                related.append(pod)
        return related

    # -- status

    def _write_status(
        self, replicaset: Obj, active: list[Obj], terminating: list[Obj], failure: StatusError | None
    ) -> float | None:
        """Count and write when something differs. Returns seconds until a ready pod becomes available, if one will."""
        new, wait = self._status(replicaset, active, terminating, failure)
        if new != objects.status(replicaset):
            self.client.update_status(
                self.resource, {**replicaset, "metadata": {**replicaset["metadata"]}, "status": new}
            )
        return wait

    def _status(
        self, replicaset: Obj, active: list[Obj], terminating: list[Obj], failure: StatusError | None
    ) -> tuple[Obj, float | None]:
        spec = replicaset["spec"]
        labels = objects.labels(spec["template"]).items()
        now = self.clock.time()
        waits = [pods.available_in(pod, spec.get("minReadySeconds", 0), now) for pod in active]
        counts = {
            "replicas": len(active),
            "fullyLabeledReplicas": sum(labels <= objects.labels(pod).items() for pod in active),
            "readyReplicas": sum(wait is not None for wait in waits),
            "availableReplicas": sum(wait == 0 for wait in waits),
        }
        new: Obj = {field: count for field, count in counts.items() if count or field == "replicas"}
        if self.counts_terminating:
            new["terminatingReplicas"] = len(terminating)
        new["observedGeneration"] = replicaset["metadata"].get("generation", 0)
        conditions = self._conditions(replicaset, len(active), failure)
        if conditions:
            new["conditions"] = conditions
        return new, min((wait for wait in waits if wait), default=None)

    def _conditions(self, replicaset: Obj, found: int, failure: StatusError | None) -> list[Obj]:
        old = objects.status(replicaset).get("conditions") or []
        others = [c for c in old if c["type"] != "ReplicaFailure"]
        if failure is None:
            return others
        if len(others) < len(old):
            return old  # upstream keeps the first failure until it is over
        return [
            *others,
            {
                "type": "ReplicaFailure",
                "status": "True",
                "lastTransitionTime": self.clock.now(),
                "reason": "FailedCreate" if found < replicaset["spec"].get("replicas", 1) else "FailedDelete",
                "message": failure.message,
            },
        ]


CONTROLLER = ReplicaSetController
