"""What containers ask for and may use.

Models validateResourceRequirements (pkg/apis/core/validation). Left out: claims of dynamic resource allocation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats

_CONTAINER: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED: Final = frozenset(
    {"pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims"}
    | {"services.nodeports", "services.loadbalancers"}
)
_STANDARD: Final = (
    _CONTAINER
    | {f"{side}.{name}" for side in ("requests", "limits") for name in _CONTAINER}
    | _COUNTED
    | {"storage", "requests.storage"}
)
_HUGE: Final = "hugepages-"


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    return not is_native(name) and not name.startswith("requests.") and not formats.qualified_name(f"requests.{name}")


def overcommit_allowed(name: str) -> bool:
    return is_native(name) and not name.startswith(_HUGE)


def requirements(path: str, resources: Obj) -> Iterator[Cause]:
    """Field errors of a container's resources."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        yield from _one(f"{path}.limits[{name}]", name, amount)
    for name, amount in requests.items():
        yield from _one(f"{path}.requests[{name}]", name, amount)
        limit = limits.get(name)
        at, shown = f"{path}.requests", quantity.canonical(amount)
        if limit is None:
            if not overcommit_allowed(name):
                yield fields.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        elif quantity.compare(amount, limit) != 0 and not overcommit_allowed(name):
            yield fields.invalid(at, shown, f"must be equal to {name} limit of {quantity.canonical(limit)}")
        elif quantity.compare(amount, limit) > 0:
            yield fields.invalid(
                at, shown, f"must be less than or equal to {name} limit of {quantity.canonical(limit)}"
            )
    names = {*limits, *requests}
    if any(name.startswith(_HUGE) for name in names) and not names & {"cpu", "memory"}:
        yield fields.forbidden(path, "HugePages require cpu or memory")


def _one(at: str, name: str, amount: str) -> Iterator[Cause]:
    yield from _name(at, name)
    value = quantity.parse(amount)
    if value < 0:
        yield fields.invalid(at, quantity.canonical(amount), formats.NOT_NEGATIVE)
    if (is_extended(name) or name in _COUNTED) and value != value.to_integral_value():
        yield fields.invalid(at, quantity.canonical(amount), "must be an integer")


def _name(at: str, name: str) -> Iterator[Cause]:
    problems = formats.qualified_name(name)
    if problems:
        yield from (fields.invalid(at, name, problem) for problem in problems)
    elif "/" not in name and name not in _STANDARD and not name.removeprefix("requests.").startswith(_HUGE):
        yield fields.invalid(at, name, "must be a standard resource type or fully qualified")
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith(_HUGE):
            yield fields.invalid(at, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield fields.invalid(at, name, "doesn't follow extended resource name standard")
