"""Ports: those of Services and those that containers say they listen on, numbers and names."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.editing import Edit, Path, containers, dropping, put, setting, value
from kindlab.mutate.world import World


def _ports(obj: Obj) -> Iterator[tuple[Path, Obj]]:
    if obj["kind"] == "Service":
        for number, one in enumerate(obj["spec"].get("ports") or ()):
            yield ("spec", "ports", number), one


def port(obj: Obj, world: World) -> Iterator[Edit]:
    for path, one in _ports(obj):
        yield from setting(obj, (*path, "port"), one["port"] + 1)
        if isinstance(one.get("targetPort"), int):
            yield from setting(obj, (*path, "port"), one["targetPort"])


def target_port(obj: Obj, world: World) -> Iterator[Edit]:
    for path, one in _ports(obj):
        target = one.get("targetPort")
        yield from dropping(obj, (*path, "targetPort"))
        if isinstance(target, int):
            yield from setting(obj, (*path, "targetPort"), target + 1)
            yield from setting(obj, (*path, "targetPort"), one["port"])
        elif target:
            yield from setting(obj, (*path, "targetPort"), f"{target}s")


def by_name(obj: Obj, world: World) -> Iterator[Edit]:
    """A name for the number that it stands for, and the number for the name: to who asks it is all the same."""
    asked = (value(obj, ("spec", "selector")) or {}).items()
    declared = {
        (one.get("name"), one["containerPort"])
        for other in world.objects
        for _, container in containers(other)
        for one in container.get("ports") or ()
        if asked and asked <= (value(other, ("spec", "template", "metadata", "labels")) or {}).items()
    }
    for path, one in _ports(obj):
        for name, number in sorted((n, m) for n, m in declared if n):
            if one.get("targetPort") == number:
                yield from setting(obj, (*path, "targetPort"), name)
            elif one.get("targetPort") == name:
                yield from setting(obj, (*path, "targetPort"), number)


def protocol(obj: Obj, world: World) -> Iterator[Edit]:
    for path, one in _ports(obj):
        yield from setting(obj, (*path, "protocol"), "TCP" if one.get("protocol") == "UDP" else "UDP")


def name(obj: Obj, world: World) -> Iterator[Edit]:
    for path, one in _ports(obj):
        if one.get("name"):
            yield from setting(obj, (*path, "name"), f"{one['name']}-x")


def node_port(obj: Obj, world: World) -> Iterator[Edit]:
    for path, one in _ports(obj):
        yield from dropping(obj, (*path, "nodePort"))
        if one.get("nodePort"):
            yield from setting(obj, (*path, "nodePort"), one["nodePort"] + 1)


def container_port(obj: Obj, world: World) -> Iterator[Edit]:
    """What a container says it listens on: only its name means anything to others."""
    for path, container in containers(obj):
        for number, one in enumerate(container.get("ports") or ()):
            yield from setting(obj, (*path, "ports", number, "containerPort"), one["containerPort"] + 1)
            if one.get("name"):
                yield from setting(obj, (*path, "ports", number, "name"), f"{one['name'][:13]}-x")
        if container.get("ports"):
            yield from dropping(obj, (*path, "ports"))


def one_more(obj: Obj, world: World) -> Iterator[Edit]:
    """A second port beside the only one; the API wants names for both."""
    found = list(_ports(obj))
    if len(found) == 1:
        first = {**found[0][1], "name": found[0][1].get("name", "first")}
        second = {"name": "second", "port": 8999, "targetPort": first.get("targetPort", first["port"])}
        yield Edit("spec.ports", "one port", "one more, 8999", (put(obj, ("spec", "ports"), [first, second]),))


OPERATORS = {
    "port": port,
    "target-port": target_port,
    "target-port-by-name": by_name,
    "protocol": protocol,
    "port-name": name,
    "node-port": node_port,
    "container-port": container_port,
    "port-one-more": one_more,
}
