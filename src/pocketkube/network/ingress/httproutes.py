"""HTTPRoutes as routing rules: to which listeners they attach, what they match, what happens, who answers.

Models the Gateway API's HTTPRoute (v1, standard channel). What cannot be served answers 500, as the specification
asks, and is named in the route's conditions. Left out: extension filters, retries, session persistence, backends other
than Services, BackendTLSPolicy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pocketkube import objects
from pocketkube.duration import go_seconds
from pocketkube.network.ingress import routes as routing
from pocketkube.network.ingress.gateways import GROUP, ROUTES, OpenListener, World, granted
from pocketkube.objects import Obj

_NOWHERE = 500
_SCHEMES = {
    "http": "http",
    "https": "https",
    "kubernetes.io/h2c": "h2c",
    "kubernetes.io/ws": "http",
    "kubernetes.io/wss": "https",
}
"""By appProtocol, in lower case."""

Reason = tuple[bool, str, str]
"""(status, reason, message) of a condition. Like Traefik's, those that are true have no message."""

RESOLVED: Reason = (True, "ResolvedRefs", "")


@dataclass
class Attachment:
    """What became of one parentRef of a route: its conditions by type."""

    parent: Obj
    accepted: Reason
    resolved: Reason


@dataclass
class Attached:
    """A route, where it stands, and its rules by listener (position in the list of listeners)."""

    route: Obj
    attachments: list[Attachment] = field(default_factory=list)
    rules: dict[int, list[routing.Rule]] = field(default_factory=dict)


def attach(world: World, listeners: Sequence[OpenListener]) -> list[Attached]:
    """Every route with a parent among the listeners' Gateways. Counts `attached` on the listeners."""
    found = []
    for route in world.list(ROUTES):
        attached = Attached(route)
        for parent in objects.spec(route).get("parentRefs") or ():
            if (parent.get("group", GROUP), parent.get("kind", "Gateway")) != (GROUP, "Gateway"):
                continue
            at = (parent.get("namespace") or objects.namespace(route), parent["name"])
            own = [(n, one) for n, one in enumerate(listeners) if objects.key(one.gateway) == at]
            if own:  # a Gateway of another controller is not ours to judge
                attached.attachments.append(_attach(world, attached, parent, own))
        if attached.attachments:
            found.append(attached)
    return found


def _attach(world: World, attached: Attached, parent: Obj, own: list[tuple[int, OpenListener]]) -> Attachment:
    """Attach to the listeners that `parent` names, counting on each; accepted by those that can be served."""
    route = attached.route
    reason, serving = "NoMatchingParent", False
    rules, resolved = _rules(world, route)
    for n, one in own:
        if parent.get("sectionName") not in (None, "", one.name) or parent.get("port") not in (None, one.spec["port"]):
            continue
        if not one.admits(world, route):
            reason = "NotAllowedByListeners"
            continue
        hosts = hostnames(one.hostname, objects.spec(route).get("hostnames") or [])
        if hosts is None:
            reason = "NoMatchingListenerHostname"
            continue
        one.attached += 1
        if not one.wrong:
            serving = True
            attached.rules.setdefault(n, []).extend(replace(rule, hosts=hosts) for rule in rules)
    accepted: Reason = (True, "Accepted", "") if serving else (False, reason, "")
    return Attachment(parent, accepted, resolved)


def hostnames(listener: str, route: list[str]) -> tuple[str, ...] | None:
    """The names a route serves on a listener: the intersection, () for all names, None for no common one."""
    names = [name.lower() for name in route]
    if not listener:
        return tuple(names)
    if not names:
        return (listener,)
    both = [b for name in names if (b := _common(listener, name))]
    return tuple(both) or None


def _common(one: str, other: str) -> str:
    if one == other:
        return one
    for wide, narrow in ((one, other), (other, one)):
        if wide.startswith("*.") and narrow.endswith(wide[1:]):
            return narrow
    return ""


def _rules(world: World, route: Obj) -> tuple[list[routing.Rule], Reason]:
    """(the rules of a route, for every host, and whether all it refers to is there)."""
    rules: list[routing.Rule] = []
    resolved = RESOLVED
    at = "/".join(objects.key(route))
    created = route["metadata"].get("creationTimestamp", "")
    for number, rule in enumerate(objects.spec(route).get("rules") or ()):
        filters, wrong, fatal = _filters(world, route, rule.get("filters") or ())
        backends: tuple[routing.Backend, ...] = ()
        if fatal:
            backends = (_dead(),)
        elif not any(isinstance(f, routing.Redirect) for f in filters):
            backends, trouble = _backends(world, route, rule)
            wrong = wrong or trouble
        resolved = wrong or resolved
        timeouts = rule.get("timeouts") or {}
        for place, match in enumerate(rule.get("matches") or [{}]):
            rules.append(
                routing.Rule(
                    owner=f"HTTPRoute {at}",
                    match=_match(match),
                    backends=backends,
                    wide=True,
                    filters=filters,
                    order=(created, at, number * 1000 + place),
                    request_timeout=_seconds(timeouts.get("request")),
                    backend_timeout=_seconds(timeouts.get("backendRequest")),
                )
            )
    return rules, resolved


def _match(match: Obj) -> routing.Match:
    path = match.get("path") or {}
    return routing.Match(
        path=path.get("value", "/"),
        path_kind=routing.PathKind(path.get("type", "PathPrefix")),
        method=match.get("method", ""),
        headers=tuple(_value_matches(match.get("headers"))),
        query=tuple(_value_matches(match.get("queryParams"))),
    )


def _value_matches(given: list[Obj] | None) -> Iterator[routing.ValueMatch]:
    for one in given or ():
        yield routing.ValueMatch(one["name"], one["value"], one.get("type", "Exact") == "RegularExpression")


# -- filters


def _filters(world: World, route: Obj, given: Sequence[Obj]) -> tuple[tuple[routing.Filter, ...], Reason | None, bool]:
    """(filters, what is wrong with one, whether requests must fail for it): a mirror that leads nowhere is left out,
    a filter nobody knows may not be skipped."""
    found: list[routing.Filter] = []
    wrong: Reason | None = None
    fatal = False
    for one in given:
        match one["type"]:
            case "RequestHeaderModifier":
                found.append(_header_change(one["requestHeaderModifier"], response=False))
            case "ResponseHeaderModifier":
                found.append(_header_change(one["responseHeaderModifier"], response=True))
            case "RequestRedirect":
                found.append(_redirect(one["requestRedirect"]))
            case "URLRewrite":
                rewrite = one["urlRewrite"]
                if not rewrite.get("hostname") and not rewrite.get("path"):
                    wrong, fatal = (False, "UnsupportedValue", "Invalid filter URLRewrite: empty configuration"), True
                found.append(routing.Rewrite(rewrite.get("hostname"), _path_change(rewrite.get("path"))))
            case "RequestMirror":
                backend, trouble = _backend(world, route, one["requestMirror"]["backendRef"])
                wrong = wrong or trouble
                if backend.answer is None:
                    found.append(routing.Mirror(backend, _percent(one["requestMirror"])))
            case kind:
                ref = one.get("extensionRef") or {}
                text = f"Unsupported filter {kind} {ref.get('group', '')}/{ref.get('kind', '')} {ref.get('name', '')}"
                wrong, fatal = wrong or (False, "InvalidKind", text.strip()), True
    return tuple(found), wrong, fatal


def _header_change(given: Obj, *, response: bool) -> routing.HeaderChange:
    def pairs(key: str) -> tuple[tuple[str, str], ...]:
        return tuple((h["name"], h["value"]) for h in given.get(key) or ())

    return routing.HeaderChange(pairs("set"), pairs("add"), tuple(given.get("remove") or ()), response)


def _redirect(given: Obj) -> routing.Redirect:
    return routing.Redirect(
        scheme=given.get("scheme"),
        hostname=given.get("hostname"),
        port=given.get("port"),
        path=_path_change(given.get("path")),
        status=given.get("statusCode", 302),
    )


def _path_change(given: Obj | None) -> routing.PathChange | None:
    if given is None:
        return None
    if given["type"] == "ReplaceFullPath":
        return routing.PathChange(given["replaceFullPath"])
    return routing.PathChange(given["replacePrefixMatch"], prefix=True)


def _percent(mirror: Obj) -> float:
    fraction = mirror.get("fraction")
    if fraction:
        return 100.0 * float(fraction["numerator"]) / float(fraction.get("denominator", 100))
    return float(mirror.get("percent", 100))


# -- backends


def _backends(world: World, route: Obj, rule: Obj) -> tuple[tuple[routing.Backend, ...], Reason | None]:
    found: list[routing.Backend] = []
    wrong: Reason | None = None
    for ref in rule.get("backendRefs") or ():
        backend, trouble = _backend(world, route, ref)
        wrong = wrong or trouble
        found.append(backend)
    if not any(backend.weight for backend in found):
        found = [_dead()]
    return tuple(found), wrong


def _dead() -> routing.Backend:
    return routing.Backend("", "", 0, answer=_NOWHERE)


def _backend(world: World, route: Obj, ref: Obj) -> tuple[routing.Backend, Reason | None]:
    """The backend of a reference; one that answers 500, and why, when it leads nowhere."""
    group, kind, name = ref.get("group") or "", ref.get("kind", "Service"), ref["name"]
    origin = objects.namespace(route)
    space, weight = ref.get("namespace") or origin, ref.get("weight", 1)
    shown = f"{group or 'core'}/{kind}/{space}/{name}"
    dead = routing.Backend(space, name, ref.get("port") or 0, weight, answer=_NOWHERE)
    if not granted(world, ("HTTPRoute", origin), (group, kind, name), space):
        return dead, (False, "RefNotPermitted", f"Cannot load HTTPBackendRef {shown}: missing ReferenceGrant")
    filters, wrong, fatal = _filters(world, route, ref.get("filters") or ())
    if wrong is not None and fatal:
        return dead, (False, "InvalidKind", f"Cannot load filters on HTTPBackendRef {shown}: {wrong[2]}")
    if (group, kind) != ("", "Service"):
        text = f"Cannot load HTTPBackendRef {shown}: unsupported HTTPBackendRef {group}/{kind}/{name}"
        return dead, (False, "InvalidKind", text)
    port, reason, problem = _port(world, space, name, ref.get("port"))
    if problem:
        return dead, (False, reason, f"Cannot load HTTPBackendRef {space}/{name}: {problem}")
    return routing.Backend(space, name, port["port"], weight, filters, _scheme(port)), wrong


def _port(world: World, namespace: str, name: str, number: int | None) -> tuple[Obj, str, str]:
    """(the Service's port, reason, what keeps requests from it)."""
    service = world.find("services", namespace, name)
    if service is None:
        return {}, "BackendNotFound", f'getting service: service "{name}" not found'
    if objects.spec(service).get("type") == "ExternalName":
        return {}, "BackendNotFound", "type ExternalName is not supported for Kubernetes Service reference"
    port: Obj | None = next((p for p in objects.spec(service).get("ports") or () if p["port"] == number), None)
    if port is None:
        return {}, "BackendNotFound", f"service port {number} not found"
    if port.get("protocol", "TCP") != "TCP":
        return {}, "UnsupportedProtocol", "only TCP protocol is supported"
    if not _scheme(port):
        return {}, "UnsupportedProtocol", f"unsupported application protocol {port['appProtocol'].lower()}"
    return port, "", ""


def _scheme(port: Obj) -> str:
    """What a Service's port speaks; "" for what the proxy does not."""
    if port.get("appProtocol") is None:
        return "https" if port["port"] == 443 or port.get("name", "").startswith("https") else "http"
    return _SCHEMES.get(port["appProtocol"].lower(), "")


def _seconds(text: str | None) -> float | None:
    """A GEP-2257 duration in seconds; 0 means none, as no duration does."""
    return (go_seconds(text) or None) if text else None
