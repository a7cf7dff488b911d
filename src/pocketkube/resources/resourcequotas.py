"""ResourceQuotas.

Models pkg/registry/core/resourcequota, its defaults, ValidateResourceQuota* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube import fields, objects, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import resource_names
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

_PODS: Final = frozenset(
    {"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"},
)
_ABOUT: Final = {
    "Terminating": _PODS,
    "NotTerminating": _PODS,
    "NotBestEffort": _PODS,
    "PriorityClass": _PODS,
    "CrossNamespacePodAffinity": _PODS,
    "BestEffort": frozenset({"pods"}),
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
"""The scopes, and what a quota of each may count."""
_WITHOUT_VALUES: Final = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_EXCLUSIVE: Final = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_MUST_EXIST: Final = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


class RESOURCE(Resource):
    kind = "ResourceQuota"
    plural = "resourcequotas"
    short_names = ("quota",)
    has_status = True
    returns_deleted = True
    columns = described("resourcequotas", NAME, Column("Request"), Column("Limit"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        status = objects.status(obj)
        hard, used = status.get("hard") or {}, status.get("used") or {}
        requests: list[str] = []
        limits: list[str] = []
        for name in sorted(hard):
            shown = limits if name.startswith("limits.") else requests
            shown.append(f"{name}: {quantity.canonical(used.get(name, '0'))}/{quantity.canonical(hard[name])}")
        return [objects.name(obj), ", ".join(requests), ", ".join(limits), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        _default(obj.setdefault("spec", {}), "hard")

    def prepare_status(self, new: Obj, old: Obj) -> None:
        _default(new.setdefault("status", {}), "hard", "used")

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from _amounts("spec.hard", spec.get("hard"))
        yield from _scopes(spec)
        yield from _scope_selector(spec)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        scopes = objects.spec(new).get("scopes")
        if set(scopes or ()) != set(objects.spec(old).get("scopes") or ()):
            yield fields.invalid("spec.scopes", scopes, "field is immutable")

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        for field in ("hard", "used"):
            yield from _amounts(f"status.{field}", objects.status(new).get(field))

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        if old is not None:
            return
        hard = objects.spec(new).get("hard") or {}
        for name in ("cpu", "memory", "storage", "ephemeral-storage"):
            request, limit = f"requests.{name}", f"limits.{name}"
            if request not in hard and name in ("cpu", "memory"):
                request = name
            if request in hard and limit in hard and quantity.compare(hard[request], hard[limit]) > 0:
                yield (
                    f"ResourceQuota {request} ({quantity.canonical(hard[request])}) should be less than "
                    f"{limit} ({quantity.canonical(hard[limit])})"
                )


def _default(holder: Obj, *names: str) -> None:
    for name in names:
        if holder.get(name):
            holder[name] = quantity.resource_list(holder[name])


def _amounts(path: str, amounts: Obj | None) -> Iterator[Cause]:
    for name, amount in sorted((amounts or {}).items()):
        at = f"{path}[{name}]"
        yield from resource_names.validate_of_quota(at, name)
        yield from resource_names.validate_amount(at, name, amount)


def _counts_others(scope: str, spec: Obj) -> Iterator[str]:
    """What the quota counts that has nothing to do with the scope."""
    for name in sorted(spec.get("hard") or ()):
        if scope in _ABOUT and resource_names.is_standard_quota(name) and name not in _ABOUT[scope]:
            yield name


def _scopes(spec: Obj) -> Iterator[Cause]:
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _ABOUT:
            yield fields.invalid("spec.scopes", scopes, "unsupported scope")
        for _ in _counts_others(scope, spec):
            yield fields.invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    for pair in _EXCLUSIVE:
        if set(pair) <= set(scopes):
            yield fields.invalid("spec.scopes", scopes, "conflicting scopes")


def _scope_selector(spec: Obj) -> Iterator[Cause]:
    selector = spec.get("scopeSelector")
    if selector is None:
        return
    path, expressions = "spec.scopeSelector.matchExpressions", selector.get("matchExpressions") or []
    for expression in expressions:
        scope, operator = expression.get("scopeName", ""), expression.get("operator", "")
        values = expression.get("values")
        if scope not in _ABOUT:
            yield fields.invalid(f"{path}.scopeName", scope, "unsupported scope")
        for _ in _counts_others(scope, spec):
            yield fields.invalid(path, _shown(expressions), "unsupported scope applied to resource")
        if scope in _WITHOUT_VALUES and operator != "Exists":
            yield fields.invalid(f"{path}.operator", operator, _MUST_EXIST)
        if operator in ("In", "NotIn"):
            if not values:
                why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield fields.required(f"{path}.values", why)
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                yield fields.invalid(f"{path}.values", values, why)
        else:
            yield fields.invalid(f"{path}.operator", operator, "not a valid selector operator")
    for pair in _EXCLUSIVE:
        if set(pair) <= {expression.get("scopeName", "") for expression in expressions}:
            yield fields.invalid(path, spec.get("scopes"), "conflicting scopes")


def _shown(expressions: list[Obj]) -> Obj:
    """A selector as Go prints it: by the names of its fields there."""
    shown = [
        {"ScopeName": e.get("scopeName", ""), "Operator": e.get("operator", ""), "Values": e.get("values")}
        for e in expressions
    ]
    return {"MatchExpressions": shown}
