"""What is used of a quota: which objects it is about, and how much they use together.

Models generic.Matches, CalculateUsageStats and quota.CalculateUsage of apiserver/pkg/quota/v1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from pocketkube import amounts, objects
from pocketkube.amounts import ZERO, Amount
from pocketkube.objects import Obj
from pocketkube.quota.base import Evaluator
from pocketkube.quota.pods import Pods
from pocketkube.quota.services import Services
from pocketkube.quota.storage import Claims
from pocketkube.resources.base import Resource

_OWN: Final[dict[str, type[Evaluator]]] = {"pods": Pods, "services": Services, "persistentvolumeclaims": Claims}


def evaluator(kind: Resource) -> Evaluator | None:
    """Who counts objects of a kind; None for kinds without a namespace, and for events."""
    if not kind.namespaced or kind.plural == "events":
        return None
    made = Evaluator if kind.group else _OWN.get(kind.plural, Evaluator)
    return made(kind)


def is_about(quota: Obj, counted_by: Evaluator, obj: Obj) -> bool:
    """Whether all scopes of a quota take an object; one without scopes takes every object."""
    return all(counted_by.in_scope(scope, obj) for scope in _scopes(quota))


def counted(hard: Iterable[str], counted_by: Evaluator) -> list[str]:
    """Those of a quota's names that the objects of a kind use."""
    return [name for name in hard if counted_by.counts(name)]


def of_namespace(
    quota: Obj, kinds: Iterable[Resource], listed: Callable[[Resource], Iterable[Obj]], now: float
) -> dict[str, Amount]:
    """What is used of everything the quota names and a kind that is there uses.

    `listed`: the objects of a kind in the quota's namespace. `now`: seconds since the epoch."""
    used: dict[str, Amount] = {}
    for kind in kinds:
        counted_by = evaluator(kind)
        names = counted(objects.spec(quota).get("hard") or (), counted_by) if counted_by else []
        if counted_by is None or not names:
            continue
        used.update({name: used.get(name, ZERO) for name in names})
        for obj in listed(kind):
            if is_about(quota, counted_by, obj):
                amounts.add(used, amounts.only(counted_by.usage(obj, now), names))
    return used


def _scopes(quota: Obj) -> list[Obj]:
    spec = objects.spec(quota)
    selector = spec.get("scopeSelector") or {}
    return [
        *({"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()),
        *(selector.get("matchExpressions") or ()),
    ]
