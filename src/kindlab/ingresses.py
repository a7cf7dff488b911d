"""The rules of an Ingress as routes, and the one a request takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kindlab.api import Obj
from kindlab.certificates import covers


@dataclass(frozen=True)
class Route:
    """One path of one rule, or (`path` "") the default backend. `host` "" is every host."""

    host: str
    path: str
    kind: str
    backend: Obj

    def __str__(self) -> str:
        return f"{self.host or '*'}{self.path}" if self.path else "default backend"

    @property
    def example(self) -> tuple[str, str]:
        """A (host, path) that takes this route."""
        return self.host.replace("*", "any") or "localhost", self.path or "/"


def routes(ingress: Obj) -> Iterator[Route]:
    spec = ingress["spec"]
    for rule in spec.get("rules") or ():
        for one in (rule.get("http") or {}).get("paths") or ():
            yield Route(rule.get("host") or "", one.get("path") or "/", one.get("pathType", ""), one["backend"])
    if spec.get("defaultBackend"):
        yield Route("", "", "", spec["defaultBackend"])


def match(every: list[Route], host: str, where: str) -> Route | None:
    """The route a request takes, by the specification: the exact host before a wildcard before none, then an exact
    path, then the longest prefix, element by element; the default backend last."""
    best: tuple[int, int, int] | None = None
    found = None
    for route in every:
        closeness = fits(route, host, where)
        if closeness and (best is None or closeness > best):
            best, found = closeness, route
    return found


def fits(route: Route, host: str, where: str) -> tuple[int, int, int] | None:
    if not route.path:
        return (-1, 0, 0)
    if route.host and not covers(route.host, host):
        return None
    rank = 0 if not route.host else 1 if route.host.startswith("*.") else 2
    where = where.partition("?")[0]
    if route.kind == "Exact":
        return (rank, 1, len(route.path)) if where == route.path else None
    elements = [e for e in route.path.split("/") if e]
    asked = [e for e in where.split("/") if e]
    return (rank, 0, len(elements)) if asked[: len(elements)] == elements else None


def described(route: Route) -> str:
    target = route.backend.get("service")
    if target is None:
        return f"{route} -> {(route.backend.get('resource') or {}).get('kind', 'a resource')}"
    port = target["port"].get("number") or target["port"].get("name")
    return f"{route} ({route.kind}) -> {target['name']}:{port}" if route.path else f"{route} -> {target['name']}:{port}"
