"""The resourcequota controller: what is used of each quota, counted again whenever something may use less.

Models pkg/controller/resourcequota. What is created is charged by the admission plugin (admission/resourcequota.py);
this controller follows what goes, pods that end, Services that change type and quotas that change. Upstream's periodic
recount is kept: it mends what a write that failed half-way left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from pocketkube import amounts, objects
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.objects import Key, Obj
from pocketkube.quota.base import Evaluator
from pocketkube.quota.pods import stops_counting_at
from pocketkube.quota.usage import counted, evaluator, of_namespace
from pocketkube.resources.base import Resource
from pocketkube.store import Event

_RECOUNT: Final = 300.0
"""Seconds after which a quota is counted again in any case, --resource-quota-sync-period."""


class ResourceQuotaController(Controller):
    name = "resourcequota-controller"
    every_kind: ClassVar[bool] = True

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "resourcequotas", self._quota
        for resource, kind in self.client.kinds():
            counted_by = evaluator(kind)
            if counted_by is not None and "delete" in kind.verbs:
                yield resource, self._freed(counted_by)

    def _quota(self, event: Event) -> Iterable[Key]:
        """Quotas whose spec is not what is counted; their own status is nothing new."""
        quota = event.object
        if event.type == "DELETED" or (event.old is None or _hard(quota) != _hard(event.old)):
            yield objects.key(quota)

    def _freed(self, counted_by: Evaluator) -> Mapping:
        def quotas(event: Event) -> Iterable[Key]:
            gone = event.type == "DELETED"
            changed = event.old is not None and counted_by.is_changed(event.object, event.old, self.clock.time())
            if gone or changed:
                for quota in self.client.list("resourcequotas", objects.namespace(event.object)):
                    if counted(objects.status(quota).get("hard") or (), counted_by):
                        yield objects.key(quota)

        return quotas

    async def reconcile(self, at: Key) -> float | None:
        quota = self.client.find("resourcequotas", *at)
        if quota is None:
            return None
        now = self.clock.time()
        hard, status = objects.spec(quota).get("hard") or {}, objects.status(quota)

        def listed(kind: Resource) -> list[Obj]:
            return self.client.list(kind.resource_id(), at[0])

        used = amounts.of(status.get("used"))  # what nobody counts (any longer) stays as it was
        used.update(of_namespace(quota, (kind for _, kind in self.client.kinds()), listed, now))
        used = amounts.only(used, hard)
        same = amounts.equal(amounts.of(hard), amounts.of(status.get("hard")))
        if not same or "used" not in status or not amounts.equal(used, amounts.of(status.get("used"))):
            new = {"hard": hard, "used": amounts.texts(used)}
            self.client.update_status("resourcequotas", {**quota, "metadata": {**quota["metadata"]}, "status": new})
        return min((self._next_expiry(at[0], now), _RECOUNT))

    def _next_expiry(self, namespace: str, now: float) -> float:
        """Seconds until a pod that does not go in time is not counted any longer."""
        ends = (stops_counting_at(pod) for pod in self.client.list("pods", namespace) if objects.is_terminating(pod))
        return min((end - now + 1 for end in ends if end is not None and end >= now), default=_RECOUNT)


def _hard(quota: Obj) -> dict[str, amounts.Amount]:
    return amounts.of(objects.spec(quota).get("hard"))


CONTROLLER = ResourceQuotaController
