"""The names of what can be requested, limited and counted: `cpu`, `requests.storage`, `example.com/gpu`, `count/pods`.

Models validateResourceName and its kin (pkg/apis/core/validation) and the sets of pkg/apis/core/helper.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, quantity
from pocketkube.errors import Cause
from pocketkube.podamounts import HUGE, is_of_pods
from pocketkube.resources import formats

CONTAINER: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
COUNTED: Final = frozenset(
    {"pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims"}
    | {"services.nodeports", "services.loadbalancers"}
)
"""What is counted in whole objects."""
_QUOTA: Final = (
    CONTAINER
    | {f"{side}.{name}" for side in ("requests", "limits") for name in CONTAINER}
    | COUNTED
    | {"requests.storage"}
)
_STANDARD: Final = _QUOTA | {"storage"}


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    return not is_native(name) and not name.startswith("requests.") and not formats.qualified_name(f"requests.{name}")


def overcommit_allowed(name: str) -> bool:
    return is_native(name) and not name.startswith(HUGE)


def is_standard_quota(name: str) -> bool:
    """Whether quotas know the name (names with a domain apart)."""
    return name in _QUOTA or _is_huge(name)


def validate(at: str, name: str) -> Iterator[Cause]:
    """Field errors of a name, whatever it is used for."""
    problems = formats.qualified_name(name)
    if problems:
        yield from (fields.invalid(at, name, problem) for problem in problems)
    elif "/" not in name and name not in _STANDARD and not _is_huge(name):
        yield fields.invalid(at, name, "must be a standard resource type or fully qualified")


def validate_of_container(at: str, name: str) -> Iterator[Cause]:
    """Field errors of a name that a container requests."""
    yield from validate(at, name)
    if "/" not in name:
        if name not in CONTAINER and not name.startswith(HUGE):
            yield fields.invalid(at, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield fields.invalid(at, name, "doesn't follow extended resource name standard")


def validate_of_pod(at: str, name: str) -> Iterator[Cause]:
    """Field errors of a name that a pod requests as a whole."""
    wrong = list(validate(at, name))
    yield from wrong
    if not wrong and not is_of_pods(name):
        yield fields.not_supported(at, name, ("cpu", HUGE, "memory"))


def validate_of_quota(at: str, name: str) -> Iterator[Cause]:
    """Field errors of a name that a quota limits."""
    yield from validate(at, name)
    if "/" not in name and not is_standard_quota(name):
        yield fields.invalid(at, name, "must be a standard resource for quota")


def validate_amount(at: str, name: str, amount: str) -> Iterator[Cause]:
    """Field errors of how much of it: below zero, or a part of what is counted in whole units."""
    value = quantity.parse(amount)
    if value < 0:
        yield fields.invalid(at, quantity.canonical(amount), formats.NOT_NEGATIVE)
    if (is_extended(name) or name in COUNTED) and value != value.to_integral_value():
        yield fields.invalid(at, quantity.canonical(amount), "must be an integer")


def validate_huge(at: str, name: str, amount: str) -> Iterator[Cause]:
    """Field errors of an amount that is not so many whole huge pages of its size."""
    if not name.startswith(HUGE):
        return
    try:
        size = quantity.value(name.removeprefix(HUGE))
    except quantity.InvalidQuantity:
        size = 0
    if size <= 0 or quantity.value(amount) % size:
        shown = quantity.canonical(amount)
        yield fields.invalid(at, shown, f"{shown} is not positive integer multiple of {name}")


def _is_huge(name: str) -> bool:
    return name.removeprefix("requests.").startswith(HUGE)
