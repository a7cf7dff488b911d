"""LimitRanges.

Models pkg/registry/core/limitrange, SetDefaults_LimitRangeItem and ValidateLimitRange.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, resource_names
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import CREATED, NAME, described

_TYPES: Final = ("Pod", "Container", "PersistentVolumeClaim")
_LISTS: Final = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_MILLI: Final = 2**63 // 1000
"""Above it, amounts are compared in whole units."""


class RESOURCE(Resource):
    kind = "LimitRange"
    plural = "limitranges"
    short_names = ("limits",)
    create_on_update = True
    columns = described("limitranges", NAME, CREATED)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), obj["metadata"].get("creationTimestamp")]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("limits", None)
        for limit in spec["limits"] or ():
            for field in _LISTS:
                if limit.get(field):
                    limit[field] = quantity.resource_list(limit[field])
            if limit.get("type") == "Container":
                _default(limit)

    def prepare_create(self, obj: Obj) -> None:
        if not obj["metadata"].get("name"):
            obj["metadata"]["name"] = objects.new_uid()

    def validate(self, obj: Obj) -> Iterator[Cause]:
        seen: set[str] = set()
        for index, limit in enumerate(objects.spec(obj).get("limits") or ()):
            path, type_ = f"spec.limits[{index}]", limit.get("type", "")
            yield from _type(f"{path}.type", type_)
            if type_ in seen:
                yield fields.duplicate(f"{path}.type", type_)
            seen.add(type_)
            yield from _names(path, type_, limit)
            for name in sorted({name for field in _LISTS for name in limit.get(field) or ()}):
                yield from _amounts(path, name, limit)


def _default(limit: Obj) -> None:
    """Of a container's limits, those not given: the limit is the maximum, the request the limit or the minimum."""
    default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
    requests = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
    for field, amounts in (("default", default), ("defaultRequest", requests)):
        if amounts:
            limit[field] = amounts


def _type(at: str, type_: str) -> Iterator[Cause]:
    problems = formats.qualified_name(type_)
    if problems:
        yield from (fields.invalid(at, type_, problem) for problem in problems)
    elif "/" not in type_ and type_ not in _TYPES:
        yield fields.invalid(at, type_, "must be a standard limit type or fully qualified")


def _names(path: str, type_: str, limit: Obj) -> Iterator[Cause]:
    check = resource_names.validate_of_container if type_ in ("Pod", "Container") else resource_names.validate
    for field in ("max", "min"):
        for name in sorted(limit.get(field) or ()):
            yield from check(f"{path}.{field}[{name}]", name)
    for field in ("default", "defaultRequest"):
        if type_ == "Pod" and limit.get(field):
            yield fields.forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
        elif type_ != "Pod":
            for name in sorted(limit.get(field) or ()):
                yield from check(f"{path}.{field}[{name}]", name)
    if type_ == "PersistentVolumeClaim" and not any("storage" in (limit.get(field) or ()) for field in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        yield fields.required(f"{path}.limits", why)
    for name in sorted(limit.get("maxLimitRequestRatio") or ()):
        yield from check(f"{path}.maxLimitRequestRatio[{name}]", name)


def _amounts(path: str, name: str, limit: Obj) -> Iterator[Cause]:
    """Field errors of what contradicts itself. The value shown is the one upstream shows."""
    least, most, default, request, ratio = (
        (limit.get(field) or {}).get(name) for field in ("min", "max", "default", "defaultRequest", _LISTS[-1])
    )
    if limit.get("type") == "Pod":
        default = request = None
    at_request, at_default = f"{path}.defaultRequest[{name}]", f"{path}.default[{name}]"
    if _exceeds(least, most):
        yield fields.invalid(f"{path}.min[{name}]", least, f"min value {least} is greater than max value {most}")
    if _exceeds(least, request):
        why = f"min value {least} is greater than default request value {request}"
        yield fields.invalid(at_request, request, why)
    if _exceeds(request, most):
        why = f"default request value {request} is greater than max value {most}"
        yield fields.invalid(at_request, request, why)
    if _exceeds(request, default):
        why = f"default request value {request} is greater than default limit value {default}"
        yield fields.invalid(at_request, request, why)
    if _exceeds(least, default):
        yield fields.invalid(at_default, least, f"min value {least} is greater than default value {default}")
    if _exceeds(default, most):
        yield fields.invalid(at_default, most, f"default value {default} is greater than max value {most}")
    yield from _ratio(f"{path}.maxLimitRequestRatio[{name}]", ratio, least, most)
    differs = default is not None and request is not None and quantity.compare(default, request) != 0
    if differs and not resource_names.overcommit_allowed(name):
        why = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield fields.invalid(at_request, request, why)


def _exceeds(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and quantity.compare(one, other) > 0


def _ratio(at: str, ratio: str | None, least: str | None, most: str | None) -> Iterator[Cause]:
    if ratio is None:
        return
    if quantity.parse(ratio) < 1:
        yield fields.invalid(at, ratio, f"ratio {ratio} is less than 1")
    if least is None or most is None:
        return
    low, high, asked = quantity.value(least), quantity.value(most), float(quantity.value(ratio))
    if max(low, high, quantity.value(ratio)) < _MILLI:
        low, high, asked = quantity.milli(least), quantity.milli(most), quantity.milli(ratio) / 1000
    possible = high / low if low else float("inf")
    if asked > possible:
        yield fields.invalid(at, ratio, f"ratio {ratio} is greater than max/min = {possible:f}")
