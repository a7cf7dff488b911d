"""Who else takes a request that an Ingress' route takes, and whether the answers were theirs.

The specification does not say which of two Ingresses serves what both claim; so traffic is asked: what came back
through the controller is compared with what each backend answers itself. Pages that change with each request, or that
are the same everywhere, show nothing. Left out: HTTPRoutes on the same controller.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from kindlab.api import Api, Obj
from kindlab.checks.client import Client
from kindlab.checks.probe import Replies
from kindlab.ingresses import Route, described, fits, routes
from kindlab.rights import visible
from kindlab.trace import annotated, ingressclass
from kindlab.trace.hops import Trace

REQUESTS = 8
MOST = 4
"""Of the rivals that do not claim the very same, so many are asked."""


@dataclass(frozen=True)
class Rival:
    """A route of another Ingress. `same`: it claims the same host, path and path type, so that nothing decides."""

    ingress: Obj
    route: Route
    port: int
    same: bool

    def __str__(self) -> str:
        meta = self.ingress["metadata"]
        return f"Ingress {meta['name']} in namespace {meta['namespace']}"

    @property
    def backend(self) -> tuple[str, str, int]:
        return self.route.backend["service"]["name"], self.ingress["metadata"]["namespace"], self.port


@dataclass(frozen=True)
class Asked:
    """One request: the URL's parts, and what came back through the controller."""

    controller: str
    scheme: str
    host: str
    where: str
    replies: Replies


def judge(
    api: Api, ingress: Obj, route: Route, service: Obj, port: int, asked: Asked, client: Client, part: Trace
) -> bool:
    """Add a hop Rivals where other Ingresses take the request too, if that says anything; False when it is broken.
    `service` and its `port` are what the route leads to. Raises CouldNotGrade."""
    found = rivals(api, ingress, route, port, asked)
    if not found:
        return True
    seen = _pages(asked.replies)
    own = _pages(_direct(client, service["metadata"]["name"], service["metadata"]["namespace"], port, asked))
    for rival in found:
        theirs = _pages(_direct(client, *rival.backend, asked))
        look = (
            f"kubectl describe ingress {rival.ingress['metadata']['name']} -n {rival.ingress['metadata']['namespace']}"
        )
        what = f"{rival} has {described(rival.route)}"
        if seen & theirs and not seen & own:
            what = f"the requests were answered by another route: {what}"
            part.fail("Rivals", what, f"compare the two: {look}" if rival.same else f"see who serves it: {look}")
            return False
        shown = seen & own and not seen & theirs
        if rival.same and not shown:
            what = f"{what}: both claim it; which one serves it is the controller's choice"
            part.fail("Rivals", what, f"give one of them another host or path: {look}")
            return False
        if rival.same:
            part.ok("Rivals", f"{what}: both claim it; the requests were answered by this one's backend")
    return True


def rivals(api: Api, ingress: Obj, route: Route, port: int, asked: Asked) -> list[Rival]:
    """The routes of other Ingresses of the same controller that take the request and lead elsewhere; those that claim
    the very same come first, and all of them."""
    runs, found = ingressclass.controllers(api), []
    namespace = ingress["metadata"]["namespace"]
    own = (route.backend["service"]["name"], namespace, port)
    for other in visible(api, "Ingress", namespace):
        controller = runs.get(ingressclass.named(other))
        if other["metadata"]["uid"] == ingress["metadata"]["uid"] or controller != asked.controller:
            continue
        if asked.scheme not in annotated.schemes(other, controller):
            continue
        for each in routes(other):
            number = _port(api, each, other["metadata"]["namespace"])
            if number is None or fits(each, asked.host, asked.where) is None:
                continue
            rival = Rival(other, each, number, _claim(each) == _claim(route))
            if rival.backend != own:
                found.append(rival)
    same = [rival for rival in found if rival.same]
    return same + [rival for rival in found if not rival.same][:MOST]


def _claim(route: Route) -> tuple[str, str, str]:
    path = route.path if route.kind == "Exact" else route.path.rstrip("/")
    return route.host.lower(), path, route.kind


def _port(api: Api, route: Route, namespace: str) -> int | None:
    """The number of the Service's port a route leads to; None when there is no such Service or port: then the
    controller has no such route."""
    target = route.backend.get("service")
    service = api.get("Service", target["name"], namespace) if target else None
    for port in (service or {"spec": {}})["spec"].get("ports") or ():
        if target and (
            target["port"].get("number") == port["port"] or target["port"].get("name", "") == port.get("name")
        ):
            return int(port["port"])
    return None


def _direct(client: Client, name: str, namespace: str, port: int, asked: Asked) -> Replies:
    """What a backend's Service answers itself to the same request."""
    host = shlex.quote(f"Host: {asked.host}")
    return client.get_many(f"http://{name}.{namespace}:{port}{asked.where}", count=REQUESTS, options=f"-H {host}")


def _pages(replies: Replies) -> set[tuple[int, str]]:
    return {(reply.code, reply.body) for reply in replies if not reply.exit}
