"""How endpoints are spread over EndpointSlices with as few writes as possible.

Models reconcileByPortMapping of staging/src/k8s.io/endpointslice/reconciler.go: endpoints stay in the slice they
are in, changed slices are filled first, one unchanged slice takes the rest if it can, else slices are added.
Slices that have become sparse are not merged, as upstream does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from pocketkube.objects import Obj

Identity = tuple[str, ...]


@dataclass
class Plan:
    """Endpoints of the slices to create, of those to update (by name), and names of those to delete."""

    create: list[list[Obj]] = field(default_factory=list)
    update: dict[str, list[Obj]] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)


def identity(endpoint: Obj) -> Identity:
    """What makes two versions of an endpoint the same one: pod, hostname and addresses."""
    target = endpoint.get("targetRef") or {}
    addresses = sorted(endpoint["addresses"])
    return target.get("namespace", ""), target.get("name", ""), endpoint.get("hostname") or "", *addresses


def pack(existing: Mapping[str, list[Obj]], relabelled: Set[str], endpoints: dict[Identity, Obj], limit: int) -> Plan:
    """`existing`: endpoints by slice name; `relabelled`: slices to be written anyway; `limit`: endpoints per slice."""
    plan = Plan()
    left = dict(endpoints)
    unchanged: dict[str, list[Obj]] = {}
    for name, held in existing.items():
        wanted = [left.pop(identity(endpoint), None) for endpoint in held]
        kept = [endpoint for endpoint in wanted if endpoint is not None]
        if kept == held:
            (plan.update if name in relabelled else unchanged)[name] = kept
        elif kept:
            plan.update[name] = kept
        else:
            plan.delete.append(name)
    rest = list(left.values())
    for held in sorted(plan.update.values(), key=len, reverse=True):
        room = max(0, limit - len(held))
        held += rest[:room]
        rest = rest[room:]
    while rest:
        chosen = _fullest_with_room(unchanged, len(rest), limit) if len(rest) < limit else None
        if chosen is not None:
            plan.update[chosen] = unchanged[chosen] + rest
            break
        plan.create.append(rest[:limit])
        rest = rest[limit:]
    return plan


def _fullest_with_room(slices: Mapping[str, list[Obj]], room: int, limit: int) -> str | None:
    fitting = {name: len(held) for name, held in slices.items() if len(held) + room <= limit}
    return max(fitting, key=lambda name: fitting[name], default=None)
