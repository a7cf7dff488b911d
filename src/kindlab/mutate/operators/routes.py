"""Rules of Ingresses and HTTPRoutes: hosts, paths, their types, weights, certificates' hosts."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.editing import Edit, dropping, setting, walked
from kindlab.mutate.world import World

KINDS = ("Ingress", "HTTPRoute", "Gateway")
OTHER_TYPE = {"Prefix": "Exact", "Exact": "Prefix", "PathPrefix": "Exact", "ImplementationSpecific": "Exact"}


def host(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] not in KINDS:
        return
    for path, at in walked(obj):
        one = isinstance(at, str) and (path[-1] in ("host", "hostname") or path[-2:-1] in (("hosts",), ("hostnames",)))
        if one:
            yield from setting(obj, path, f"x{at}")
            yield from setting(obj, path, f"*.{str(at).partition('.')[2]}")
            if path[-1] == "host":
                yield from dropping(obj, path)


def path_of(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] not in KINDS:
        return
    for path, at in walked(obj):
        if path and isinstance(at, str) and (path[-1] == "path" or path[-2:] == ("path", "value")):
            yield from setting(obj, path, f"{at.rstrip('/')}/x")
            if at != "/":
                yield from setting(obj, path, "/")
                yield from setting(obj, path, f"{at.rstrip('/')}/")


def path_type(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] not in KINDS:
        return
    for path, at in walked(obj):
        if path and isinstance(at, str) and (path[-1] == "pathType" or path[-2:] == ("path", "type")):
            yield from setting(obj, path, OTHER_TYPE[at])


def backend_port(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] not in KINDS:
        return
    for path, at in walked(obj):
        if path[-2:] == ("port", "number") or (path and path[-1] == "port" and isinstance(at, int)):
            yield from setting(obj, path, at + 1)


def weight(obj: Obj, world: World) -> Iterator[Edit]:
    for path, at in walked(obj):
        if path and path[-1] == "weight" and obj["kind"] in KINDS:
            yield from setting(obj, path, 0)
            yield from setting(obj, path, at * 5)


OPERATORS = {"host": host, "path": path_of, "path-type": path_type, "backend-port": backend_port, "weight": weight}
