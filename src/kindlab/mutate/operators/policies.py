"""Network policies: a peer too many or too few, a port, a direction, AND instead of OR."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.editing import Edit, Path, drop, dropping, put, setting, spelled, value
from kindlab.mutate.world import World

SIDES = {"ingress": "from", "egress": "to"}


def _rules(obj: Obj) -> Iterator[tuple[Path, Obj, str]]:
    """(where, the rule, the key of its peers)."""
    for side, key in SIDES.items() if obj["kind"] == "NetworkPolicy" else ():
        for number, rule in enumerate(obj["spec"].get(side) or ()):
            yield ("spec", side, number), rule, key


def peers(obj: Obj, world: World) -> Iterator[Edit]:
    for path, rule, key in _rules(obj):
        yield from dropping(obj, (*path, key))  # everybody
        for number, peer in enumerate(rule.get(key) or ()):
            at = (*path, key, number)
            yield from setting(obj, at, {"podSelector": {}})
            for part in ("podSelector", "namespaceSelector"):
                if part in peer:
                    yield from setting(obj, (*at, part), {})
            if "namespaceSelector" not in peer and "podSelector" in peer:
                yield from setting(obj, (*at, "namespaceSelector"), {})
        more = [*(rule.get(key) or ()), {"ipBlock": {"cidr": "10.0.0.0/8"}}]
        if rule.get(key):
            yield Edit(spelled((*path, key)), "as it was", "10.0.0.0/8 too", (put(obj, (*path, key), more),))


def and_or(obj: Obj, world: World) -> Iterator[Edit]:
    """One peer with two selectors is both at once; two peers with one each are either."""
    for path, rule, key in _rules(obj):
        found = rule.get(key) or []
        for number, peer in enumerate(found):
            if "podSelector" in peer and "namespaceSelector" in peer:
                apart = [{part: peer[part]} for part in ("namespaceSelector", "podSelector")]
                new = [*found[:number], *apart, *found[number + 1 :]]
                where = spelled((*path, key, number))
                yield Edit(where, "both selectors at once", "either", (put(obj, (*path, key), new),))
                for part in ("namespaceSelector", "podSelector"):
                    yield from dropping(obj, (*path, key, number, part))
        if len(found) == 2 and not found[0].keys() & found[1].keys():
            new = [{**found[0], **found[1]}]
            yield Edit(spelled((*path, key)), "either", "both at once", (put(obj, (*path, key), new),))


def ports(obj: Obj, world: World) -> Iterator[Edit]:
    for path, rule, _ in _rules(obj):
        yield from dropping(obj, (*path, "ports"))
        if "ports" not in rule:
            yield from setting(obj, (*path, "ports"), [{"port": 8999}])
        for number, one in enumerate(rule.get("ports") or ()):
            at = (*path, "ports", number)
            if isinstance(one.get("port"), int):
                yield from setting(obj, (*at, "port"), one["port"] + 1)
            yield from dropping(obj, (*at, "port"))
            yield from setting(obj, (*at, "protocol"), "TCP" if one.get("protocol") == "UDP" else "UDP")


def directions(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] != "NetworkPolicy":
        return
    types = obj["spec"].get("policyTypes")
    yield from dropping(obj, ("spec", "policyTypes"))
    for wrong in (["Ingress"], ["Egress"], ["Ingress", "Egress"]):
        if wrong != types:
            yield from setting(obj, ("spec", "policyTypes"), wrong)
    for side, key in SIDES.items():
        other = next(one for one in SIDES if one != side)
        if obj["spec"].get(side) and not obj["spec"].get(other):
            turned = [
                {SIDES[other] if part == key else part: one for part, one in rule.items()} for rule in obj["spec"][side]
            ]
            new = put(drop(obj, ("spec", side)), ("spec", other), turned)
            new = put(new, ("spec", "policyTypes"), [other.capitalize()])
            yield Edit("spec", side, other, (new,))


def blocks(obj: Obj, world: World) -> Iterator[Edit]:
    for path, rule, key in _rules(obj):
        for number, peer in enumerate(rule.get(key) or ()):
            if "ipBlock" in peer:
                yield from dropping(obj, (*path, key, number, "ipBlock", "except"))
                yield from setting(obj, (*path, key, number, "ipBlock", "cidr"), "192.0.2.0/24")


def everything(obj: Obj, world: World) -> Iterator[Edit]:
    """For every Pod of the namespace instead of some, and a rule that lets everything in."""
    if obj["kind"] != "NetworkPolicy":
        return
    yield from setting(obj, ("spec", "podSelector"), {})
    for side in SIDES:
        if side.capitalize() in (value(obj, ("spec", "policyTypes")) or ()):
            yield from setting(obj, ("spec", side), [{}])


OPERATORS = {
    "policy-peer": peers,
    "policy-and-or": and_or,
    "policy-port": ports,
    "policy-direction": directions,
    "policy-block": blocks,
    "policy-everything": everything,
}
