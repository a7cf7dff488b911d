"""How endpoints are spread over EndpointSlices with as few writes as possible.

Models reconcileByPortMapping of staging/src/k8s.io/endpointslice/reconciler.go: endpoints stay in the slice they
are in, changed slices are filled first, then the fullest unchanged one with room, then slices are added. (Upstream
adds a slice when no unchanged one has room for all that is left; endpoints come one by one there, which ends in the
same slices. Here they come in bursts.) Slices that have become sparse are not merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cache

from pocketkube.objects import Obj

Identity = tuple[str, ...]


@dataclass
class Plan:
    """Endpoints of the slices to create, of those to update and to leave (by name), and names of those to delete."""

    create: list[list[Obj]] = field(default_factory=list)
    update: dict[str, list[Obj]] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    unchanged: dict[str, list[Obj]] = field(default_factory=dict)


def identity(endpoint: Obj) -> Identity:
    """What makes two versions of an endpoint the same one: pod, hostname and addresses."""
    target = endpoint.get("targetRef") or {}
    addresses = sorted(endpoint["addresses"])
    return target.get("namespace", ""), target.get("name", ""), endpoint.get("hostname") or "", *addresses


_FNV_PRIME, _FNV_OFFSET = 0x1000000000000000000013B, 0x6C62272E07BB014262B821756295C58D


def in_order(ports: list[Obj]) -> list[Obj]:
    """The ports of a slice in the order upstream keeps them: by the FNV-1a hash of what Go prints of each."""
    return sorted(
        ports, key=lambda port: _hash(tuple(port.get(f) for f in ("name", "protocol", "port", "appProtocol")))
    )


@cache
def _hash(port: tuple[object, ...]) -> int:
    name, protocol, number, app = port
    fields = f"Name:(*string){name} Protocol:(*v1.Protocol){protocol} Port:(*int32){number}"
    value = _FNV_OFFSET
    for byte in f"(v1.EndpointPort){{{fields} AppProtocol:(*string){'<nil>' if app is None else app}}}".encode():
        value = (value ^ byte) * _FNV_PRIME % (1 << 128)
    return value


def pack(existing: Mapping[str, list[Obj]], relabelled: Set[str], endpoints: dict[Identity, Obj], limit: int) -> Plan:
    """`existing`: endpoints by slice name; `relabelled`: slices to be written anyway; `limit`: endpoints per slice.

    Hints make no difference here: they are given afterwards.
    """
    plan = Plan()
    left = dict(endpoints)
    for name, held in existing.items():
        wanted = [left.pop(identity(endpoint), None) for endpoint in held]
        kept = [endpoint for endpoint in wanted if endpoint is not None]
        if len(kept) == len(held) and all(map(_same, kept, held)):
            if name in relabelled:
                plan.update[name] = kept
            else:
                plan.unchanged[name] = held
        elif kept:
            plan.update[name] = kept
        else:
            plan.delete.append(name)
    rest = list(left.values())
    for held in sorted(plan.update.values(), key=len, reverse=True):
        room = max(0, limit - len(held))
        held += rest[:room]
        rest = rest[room:]
    while rest and (chosen := _fullest_with_room(plan.unchanged, limit)):
        held = plan.unchanged.pop(chosen)
        room = limit - len(held)
        plan.update[chosen] = held + rest[:room]
        rest = rest[room:]
    plan.create = [rest[start : start + limit] for start in range(0, len(rest), limit)]
    return plan


def _same(one: Obj, other: Obj) -> bool:
    """Whether two versions of an endpoint differ in nothing but hints."""
    if "hints" not in one and "hints" not in other:
        return one == other
    return all(one.get(field) == other.get(field) for field in one.keys() | other.keys() if field != "hints")


def _fullest_with_room(slices: Mapping[str, list[Obj]], limit: int) -> str | None:
    fitting = {name: len(held) for name, held in slices.items() if len(held) < limit}
    return max(fitting, key=lambda name: fitting[name], default=None)
