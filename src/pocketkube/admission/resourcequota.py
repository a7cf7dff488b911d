"""ResourceQuota: what a namespace's quotas do not cover is refused; what they cover is charged to them.

Models apiserver/pkg/admission/plugin/resourcequota. The charge is written right before the object itself, in the same
step of the event loop, so no two writes can use the same rest. Left out: resources that are limited though no quota
names them, which is a configuration of the plugin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from pocketkube import amounts, objects
from pocketkube.admission.base import Commit, Plugin
from pocketkube.amounts import Amount, Amounts
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.quota.base import Evaluator
from pocketkube.quota.usage import counted, evaluator, is_about
from pocketkube.resources.base import Resource

Refuse = Callable[[str], Forbidden]


class PLUGIN(Plugin):
    order: ClassVar[int] = 990
    """The last one: what is charged is not refused by another."""

    def validate(
        self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "", *, dry_run: bool
    ) -> Commit | None:
        quotas = self.world.objects("resourcequotas", objects.namespace(new)) if kind.namespaced else []
        counted_by = evaluator(kind) if quotas else None
        if counted_by is None or not counted_by.is_charged(new, old, subresource):
            return None

        def refuse(why: str) -> Forbidden:
            return Forbidden.of(kind.qualified, objects.name(new), why)

        now = self.world.clock.time()
        concerned = [quota for quota in quotas if _concerns(quota, counted_by, new, refuse)]
        uses = counted_by.usage(new, now)
        if negative := [name for name, one in uses.items() if one.value < 0]:
            raise refuse(f"quota usage is negative for resource(s): {amounts.listed(negative)}")
        charges = []
        for quota in concerned:
            had = counted_by.usage(old, now) if old is not None and is_about(quota, counted_by, old) else {}
            if more := amounts.only(amounts.growth(uses, had), objects.status(quota).get("hard") or {}):
                charges.append((quota, _charged(quota, more, refuse)))

        def commit() -> None:
            for quota, used in charges:
                self._write(quota, used)

        return commit if charges else None

    def _write(self, quota: Obj, used: Amounts) -> None:
        status = {**objects.status(quota), "used": amounts.texts(used)}
        charged = {**quota, "metadata": {**quota["metadata"]}, "status": status}
        self.world.update("resourcequotas", charged, subresource="status")


def _concerns(quota: Obj, counted_by: Evaluator, new: Obj, refuse: Refuse) -> bool:
    """Whether a quota is about the object. Raises where that cannot be told what it uses, or not yet what is used."""
    status = objects.status(quota)
    hard = counted(status.get("hard") or (), counted_by)
    if not hard or not is_about(quota, counted_by, new):
        return False
    if missing := counted_by.missing(new, hard):
        raise refuse(f"failed quota: {objects.name(quota)}: {missing}")
    if not set(hard) <= (status.get("used") or {}).keys():
        raise refuse(f"status unknown for quota: {objects.name(quota)}, resources: {amounts.listed(hard)}")
    return True


def _charged(quota: Obj, more: Amounts, refuse: Refuse) -> dict[str, Amount]:
    """What is used of a quota with this much more. Raises where it is too much."""
    status = objects.status(quota)
    hard, used = amounts.of(status.get("hard")), amounts.of(status.get("used"))
    charged = dict(used)
    amounts.add(charged, more)
    exceeded = [name for name in more if charged[name].value > hard[name].value]
    if exceeded:
        raise refuse(
            f"exceeded quota: {objects.name(quota)}, "
            f"requested: {amounts.shown(amounts.only(more, exceeded))}, "
            f"used: {amounts.shown(amounts.only(used, exceeded))}, "
            f"limited: {amounts.shown(amounts.only(hard, exceeded))}"
        )
    return charged
