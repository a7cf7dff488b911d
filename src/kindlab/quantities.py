"""Quantities (`500m`, `1Gi`), and what Pods ask for of them.

Models k8s.io/kubectl's PodRequestsAndLimits (component-helpers/resource): containers, sidecars, init containers,
the Pod's own resources, overhead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from kindlab.api import Obj

_SUFFIXES = {True: (1024, ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")), False: (1000, ("", "k", "M", "G", "T", "P", "E"))}
Amounts = dict[str, str]
"""Quantities by resource."""


def number(text: str) -> Decimal:
    """A quantity (`1Gi`) as a number."""
    from kubernetes.utils.quantity import parse_quantity

    return Decimal(parse_quantity(text))


def amounts(spec: Obj, field: str) -> Amounts:
    """What a Pod asks for, or may use at most: as a whole where it says so, else its containers together, or an init
    container that takes more."""

    def of(holder: Obj) -> Amounts:
        return (holder.get("resources") or {}).get(field) or {}

    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars = total((sidecars, of(container)))
            peak = _most(peak, sidecars)
        else:
            peak = _most(peak, total((sidecars, of(container))))
    running = total((*(of(container) for container in spec.get("containers") or ()), sidecars))
    found = {**_most(running, peak), **of(spec)}
    overhead = spec.get("overhead") or {}
    return total((found, {n: v for n, v in overhead.items() if field == "requests" or n in found}))


def total(held: Iterable[Amounts]) -> Amounts:
    """All of them together."""
    return _merged(held, lambda one, other: one + other)


def _most(one: Amounts, other: Amounts) -> Amounts:
    return _merged((one, other), max)


def _merged(held: Iterable[Amounts], merge: Callable[[Decimal, Decimal], Decimal]) -> Amounts:
    found: Amounts = {}
    for amounts in held:
        for name, text in amounts.items():
            before = found.get(name, "0")
            binary = "i" in before or (before == "0" and "i" in str(text))
            found[name] = canonical(merge(number(before), number(str(text))), binary=binary)
    return found


def canonical(value: Decimal, *, binary: bool = False) -> str:
    """A quantity as Kubernetes writes it: with the largest unit that leaves no fraction."""
    if value != value.to_integral_value():
        return f"{(value * 1000).to_integral_value()}m"
    base, suffixes = _SUFFIXES[binary]
    whole, suffix = int(value), 0
    while whole and whole % base == 0 and suffix + 1 < len(suffixes):
        whole, suffix = whole // base, suffix + 1
    return f"{whole}{suffixes[suffix]}"
