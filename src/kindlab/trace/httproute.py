"""The path of a request through an HTTPRoute: Gateway -> listener -> accepted? -> references -> Service -> answer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.client import Client
from kindlab.checks.door import Door
from kindlab.checks.verdict import CouldNotGrade
from kindlab.rights import visible
from kindlab.trace import gateway, ingress, service
from kindlab.trace.answer import redirect
from kindlab.trace.gateway import GROUP, NEXT
from kindlab.trace.hops import Trace

KIND = f"HTTPRoute.{GROUP}"
WHY_NOT = {
    "NoMatchingParent": "no listener of the Gateway has the sectionName or port that the route asks for, "
    "or the one that has it is not served",
    "NotAllowedByListeners": "the listener takes no routes of this kind or namespace (its allowedRoutes)",
    "NoMatchingListenerHostname": "none of the route's hostnames is one of the listener's",
}
"""What a reason of Accepted=False means."""


@dataclass(frozen=True)
class Way:
    """One match of one rule, for one host ("" is every host)."""

    host: str
    rule: Obj
    match: Obj

    @property
    def path(self) -> str:
        return str((self.match.get("path") or {}).get("value", "/"))

    @property
    def kind(self) -> str:
        return str((self.match.get("path") or {}).get("type", "PathPrefix"))

    def __str__(self) -> str:
        more = [f"{h['name']}: {h['value']}" for h in self.match.get("headers") or ()]
        more += [f"?{q['name']}={q['value']}" for q in self.match.get("queryParams") or ()]
        return " ".join([f"{self.match.get('method', '')} {self.host or '*'}{self.path}".strip(), *more])

    @property
    def plain(self) -> bool:
        """Whether a GET that takes this way can be made up: no patterns, no other method."""
        values = [*(self.match.get("headers") or ()), *(self.match.get("queryParams") or ())]
        regular = self.kind == "RegularExpression" or any(v.get("type") == "RegularExpression" for v in values)
        return not regular and self.match.get("method", "GET") == "GET"

    def takes(self, host: str, where: str) -> tuple[int, int, int] | None:
        """How closely it fits a GET of host and path without further headers: the larger the closer."""
        if not self.plain or self.match.get("headers") or self.match.get("queryParams"):
            return None
        wide = self.host.startswith("*.") and host.endswith(self.host[1:])
        if self.host and self.host != host and not wide:
            return None
        rank = 0 if not self.host else 1 if wide else 2
        where = where.partition("?")[0]
        if self.kind == "Exact":
            return (rank, 1, len(self.path)) if where == self.path else None
        whole = self.path.rstrip("/")
        return (rank, 0, len(whole)) if where == whole or where.startswith(f"{whole}/") else None


def ways(route: Obj, hosts: list[str] | None = None) -> Iterator[Way]:
    spec = route["spec"]
    for host in hosts or spec.get("hostnames") or [""]:
        for rule in spec.get("rules") or ():
            for match in rule.get("matches") or [{}]:
                yield Way(host, rule, match)


def served(api: Api) -> bool:
    """Whether the cluster knows HTTPRoutes."""
    try:
        api.path(KIND)
    except ApiError:
        return False
    return True


def find(api: Api, namespace: str, host: str, where: str) -> Obj | None:
    """The HTTPRoute that takes a host and a path most closely; its own namespace's first."""
    if not served(api):
        return None
    best: tuple[tuple[int, int, int], bool] | None = None
    found = None
    for route in visible(api, KIND, namespace):
        own = route["metadata"]["namespace"] == namespace
        for way in ways(route):
            fits = way.takes(host, where)
            if fits is not None and (best is None or (fits, own) > best):
                best, found = (fits, own), route
    return found


def hosts(api: Api, namespace: str) -> set[str]:
    """The names that HTTPRoutes are for."""
    every = visible(api, KIND, namespace) if served(api) else []
    return {h for route in every for h in route["spec"].get("hostnames") or ()}


def trace(
    api: Api, namespace: str, name: str, *, host: str | None = None, where: str = "/", tls: bool | None = None
) -> Trace:
    """Trace HTTPRoute `name`: all its ways, or the one that `host` and path `where` take. `tls`: ask https only, http
    only, or (None) as its listener is."""
    path = Trace(f"httproute/{name}", namespace)
    if not served(api):
        path.fail("HTTPRoute", "this cluster does not know HTTPRoutes", "kubectl api-resources --api-group=" + GROUP)
        return path
    route = api.get(KIND, name, namespace)
    if route is None:
        there = [r["metadata"]["name"] for r in api.list(KIND, namespace)]
        path.missing("HTTPRoute", name, namespace, there, "httproutes")
        return path
    every = list(ways(route))
    path.ok("HTTPRoute", f"{len(every)} way{'s' * (len(every) != 1)}: {'; '.join(map(str, every[:6]))}")
    parents = route["spec"].get("parentRefs") or ()
    if not parents:
        path.fail("Parent", "the route names no Gateway (spec.parentRefs): nobody serves it", "kubectl get gateways -A")
    for parent in parents:
        if parent.get("kind", "Gateway") != "Gateway":
            path.ok("Parent", f"{parent['kind']} {parent['name']}: not followed")
            continue
        opened = _parent(api, route, parent, path, tls)
        if opened is None:
            break
        at, listener = opened
        if not _ways(api, route, listener, at, path, (host, where)):
            break
    return path


def _parent(api: Api, route: Obj, parent: Obj, path: Trace, tls: bool | None) -> tuple[Door, Obj] | None:
    """Add the hops from a route to its Gateway's listener; None where the path ends."""
    meta = route["metadata"]
    space = parent.get("namespace") or meta["namespace"]
    found = gateway.get(api, space, parent["name"], path)
    at = gateway.door(api, found, path) if found is not None else None
    if found is None or at is None:
        return None
    named = [
        one
        for one in found["spec"]["listeners"]
        if parent.get("sectionName") in (None, "", one["name"]) and parent.get("port") in (None, one["port"])
    ]
    preferred = sorted(named, key=lambda one: (one["protocol"] == "HTTPS") != bool(tls))
    if preferred and not gateway.listener(api, found, preferred[0], path):
        return None
    if not _accepted(route, parent, path):
        return None
    fitting = [one for one in preferred if _common(one.get("hostname") or "", route)]
    return at, (fitting or preferred)[0]


def _accepted(route: Obj, parent: Obj, path: Trace) -> bool:
    """The hops Accepted and References: what the controller says of the route and this parent."""
    meta = route["metadata"]
    look = f"kubectl describe httproute {meta['name']} -n {meta['namespace']}"
    wanted = {key: parent[key] for key in ("name", "namespace", "sectionName", "port") if parent.get(key)}
    said = next(
        (
            each["conditions"]
            for each in (route.get("status") or {}).get("parents") or ()
            if {key: each["parentRef"][key] for key in wanted if key in each["parentRef"]} == wanted
        ),
        None,
    )
    if said is None:
        path.fail("Accepted", f"the controller has said nothing of the route and Gateway {parent['name']} yet", look)
        return False
    refused = gateway.bad(said, ("Accepted",))
    if refused is not None:
        why = WHY_NOT.get(refused["reason"], refused["message"])
        path.fail("Accepted", f"Gateway {parent['name']} does not take the route: {refused['reason']}: {why}", look)
        return False
    path.ok("Accepted", f"Gateway {parent['name']} takes the route")
    unresolved = gateway.bad(said, ("ResolvedRefs",))
    if unresolved is not None:
        what = f"{unresolved['reason']}: {unresolved['message']}; requests that should go there are answered with 500"
        path.fail("References", what, NEXT.get(unresolved["reason"], look))
        return False
    path.ok("References", "every backend the route names is there and may be used")
    return True


def _common(listener: str, route: Obj) -> list[str]:
    """The hosts of a route on a listener; [""] for every host."""
    names = route["spec"].get("hostnames") or []
    if not listener or not names:
        return names or [listener]
    both = []
    for name in names:
        for wide, narrow in ((listener, name), (name, listener)):
            if wide == narrow or (wide.startswith("*.") and narrow.endswith(wide[1:])):
                both.append(narrow)
                break
    return both


def _ways(api: Api, route: Obj, listener: Obj, door: Door, path: Trace, asked: tuple[str | None, str]) -> bool:
    """Add the hops of the ways on this listener; False when one of them is broken."""
    host, where = asked
    every = list(ways(route, _common(listener.get("hostname") or "", route)))
    if host is not None:
        fits = [(fit, way) for way in every if (fit := way.takes(host, where)) is not None]
        if not fits:
            path.fail(
                "Rule",
                f"no rule of the route takes {host}{where}; its rules are for: {', '.join(map(str, every))}",
                f"kubectl describe httproute {route['metadata']['name']} -n {route['metadata']['namespace']}",
            )
            return False
        every = [max(fits, key=lambda pair: pair[0])[1]]
        path.ok("Rule", f"{host}{where} takes {every[0]}")
    client = Client(api, route["metadata"]["namespace"])
    followed: dict[tuple[str, str, int], service.Found | None] = {}
    return all(_way(api, route, way, listener, door, client, path, asked, followed) for way in every)


def _way(
    api: Api,
    route: Obj,
    way: Way,
    listener: Obj,
    door: Door,
    client: Client,
    path: Trace,
    asked: tuple[str | None, str],
    followed: dict[tuple[str, str, int], service.Found | None],
) -> bool:
    part = path.within(f"{way}:")
    redirects = any(f["type"] == "RequestRedirect" for f in way.rule.get("filters") or ())
    backends = [b for b in way.rule.get("backendRefs") or () if b.get("weight", 1)]
    if not backends and not redirects:
        what = "has backends of weight 0 only" if way.rule.get("backendRefs") else "names no backend"
        part.fail("Backend", f"the rule {what}: every request is answered with 500", "give it a backendRef")
        return False
    found: list[service.Found] = []
    for backend in backends:
        space = backend.get("namespace") or route["metadata"]["namespace"]
        known = (space, backend["name"], backend["port"])
        if known not in followed:
            words = f"{way}:" if len(backends) == 1 else f"{way} -> {backend['name']}:"
            followed[known] = service.follow(api, *known[:2], path, port=known[2], within=words)
        one = followed[known]
        if one is None:
            return path.broken is None
        found.append(one)
    if not way.plain:
        part.ok("Answer", "matches by pattern or method: not tried")
        return True
    return _answer(api, way, listener, door, client, part, asked, found)


def _answer(
    api: Api,
    way: Way,
    listener: Obj,
    door: Door,
    client: Client,
    part: Trace,
    asked: tuple[str | None, str],
    found: list[service.Found],
) -> bool:
    host, where = asked
    query = "&".join(f"{quote(q['name'])}={quote(q['value'])}" for q in way.match.get("queryParams") or ())
    name = host or way.host.replace("*", "any") or "localhost"
    target = where if host else way.path + (f"?{query}" if query else "")
    given = [f"{h['name']}: {h['value']}" for h in way.match.get("headers") or ()]
    options = " ".join(f"-H {shlex.quote(header)}" for header in given)
    secured = listener["protocol"] == "HTTPS"
    url = f"http{'s' if secured else ''}://{name}{target}"
    try:
        replies = door.ask(client, name, target, secured, count=ingress.REQUESTS, options=options)
        bad = next((r for r in replies if r.exit or r.code >= 500 or r.code == 404), None)
        shown = f"{url} through Gateway: {ingress.summary(replies)}"
        if bad is None:
            part.ok("Answer", shown + redirect(replies, client.namespace))
            return True
        refusals = [ingress.refused(api, door, one) for one in found]
        held = ingress.kept_in(api, client, door) if bad.exit and not any(refusals) else None
        own = bad.code == 404 and any(ingress.asked_directly(client, one, target).code == 404 for one in found)
    except CouldNotGrade as error:
        part.fail("Client", str(error), f"kubectl describe pod {client.pod} -n {client.namespace}")
        return False
    refusal = next((one for one in refusals if one is not None), None)
    if refusal is not None:
        who = f"the controller's Pod (namespace {door.namespace}) cannot reach its backend"
        look = f"look at its rules: kubectl describe networkpolicies -n {refusal.namespace}"
        part.fail("NetworkPolicy", f"{shown}; {who}: {refusal}", look)
        return False
    if held is not None:
        part.ok("Answer", f"{url}: {held}; to try it: kindlab url {part.target} -n {part.namespace}")
        return True
    if own:
        part.ok("Answer", f"{shown}; the backend itself says 404 for {target}")
        return True
    meta = found[0].service["metadata"] if found else {"name": "it", "namespace": client.namespace}
    evidence, then = ingress.meaning(bad, door, meta["name"], meta["namespace"])
    part.fail("Answer", f"{shown}; {evidence}", then)
    return False
