"""`kindlab url`: addresses a browser on this machine can open for what runs in the cluster."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kindlab.api import Api, Obj
from kindlab.clusters.base import Provider
from kindlab.errors import Problem, UsageProblem
from kindlab.ingresses import routes
from kindlab.trace import INGRESSES, ROUTES, SERVICES, annotated, httproute, ingressclass
from kindlab.trace.gateway import GROUP


@dataclass
class Found:
    """`urls` in the order of ports or rules; `notes`: what must be known to open them, one sentence each."""

    urls: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def for_target(provider: Provider, api: Api, namespace: str, target: str) -> Found:
    """The URLs of svc/NAME, ingress/NAME or httproute/NAME. Raises Problem for what is not open to the outside,
    UsageProblem."""
    kind, _, name = target.partition("/")
    if name and kind.lower() in SERVICES:
        return _service(provider, api, namespace, name)
    if name and kind.lower() in INGRESSES:
        return _ingress(provider, api, namespace, name)
    if name and kind.lower() in ROUTES and httproute.served(api):
        return _route(provider, api, namespace, name)
    raise UsageProblem(
        f"kindlab url does not know {target!r}.",
        "It takes svc/NAME, ingress/NAME and (where the Gateway API is installed) httproute/NAME.",
        f"For example: kindlab url svc/{target if target.isidentifier() else 'web'}",
    )


def _service(provider: Provider, api: Api, namespace: str, name: str) -> Found:
    service = _get(api, "Service", name, namespace)
    urls, spec = provider.service_urls(api, service), service["spec"]
    if urls:
        let = ", ".join(spec.get("loadBalancerSourceRanges") or ()) if spec.get("type") == "LoadBalancer" else ""
        kept = (
            f"Only clients of {let} pass at its LoadBalancer address (spec.loadBalancerSourceRanges): a time-out there"
        )
        return Found(urls, [f"{kept} is that rule at work; its node port is open to all."] if let else [])
    if spec.get("type") == "ExternalName":
        raise Problem(
            f"Service {name} cannot be opened from this machine.",
            f"It is of type ExternalName: an alias inside the cluster's DNS of {spec.get('externalName')}.",
            "Open that name itself, where this machine knows it; inside the cluster: "
            f"kindlab why svc/{name} -n {namespace}",
        )
    kind = "headless" if spec.get("clusterIP") == "None" else f"of type {spec.get('type', 'ClusterIP')}"
    port = (spec.get("ports") or [{"port": 80}])[0]["port"]
    outside = spec.get("type") in ("NodePort", "LoadBalancer")
    forward = f"forward a port to it: kindlab kubectl port-forward -n {namespace} svc/{name} 8000:{port}"
    if not spec.get("selector"):  # kubectl finds the Pod to forward to by the selector
        forward = "forward a port to one of its Pods: kindlab kubectl port-forward pod/NAME 8000:PORT"
    raise Problem(
        f"Service {name} cannot be opened from this machine.",
        f"It is {kind}, and none of its ports is open here: another program, or another cluster, may have them."
        if outside
        else f"It is {kind}, which has addresses inside the cluster only.",
        forward[0].upper() + forward[1:]
        if outside
        else f"Make it a NodePort or a LoadBalancer, put an Ingress before it, or {forward}",
    )


def _ingress(provider: Provider, api: Api, namespace: str, name: str) -> Found:
    ingress = _get(api, "Ingress", name, namespace)
    of, there = ingressclass.named(ingress), ingressclass.controllers(api)
    opened = annotated.schemes(ingress, there.get(of, ""))
    if not opened:
        raise Problem(
            f"Ingress {name} cannot be opened.",
            "Its annotations ask for TLS, and for an entry point without TLS only: no request takes it.",
            f"kindlab why ingress/{name} -n {namespace}",
        )
    doors = {s: door for s, door in provider.ingress_urls(api, ingress).items() if s in opened}
    if not doors:
        raise _closed("Ingress", name, namespace, "" if opened == annotated.BOTH else min(opened))
    secured = {host for entry in ingress["spec"].get("tls") or () for host in entry.get("hosts") or ("",)}
    ways = [
        (route.host, route.path or "/", bool({"", route.host} & secured) and "https" in doors)
        for route in routes(ingress)
    ]
    found = _through(doors, ways)
    if of and of not in there:
        why = f"kindlab why ingress/{name} -n {namespace}"
        found.notes.insert(0, f"There is no IngressClass {of}: no controller serves this Ingress ({why}).")
    return found


def _route(provider: Provider, api: Api, namespace: str, name: str) -> Found:
    """Every way of an HTTPRoute, with https where only listeners with TLS take it."""
    route = _get(api, httproute.KIND, name, namespace)
    doors: dict[str, str] = {}
    protocols: set[str] = set()
    for parent in route["spec"].get("parentRefs") or ():
        gateway = api.get(f"Gateway.{GROUP}", parent["name"], parent.get("namespace") or namespace)
        for one in gateway["spec"]["listeners"] if gateway else ():
            if parent.get("sectionName") in (None, "", one["name"]):
                protocols.add(one["protocol"])
        addresses = ((gateway or {}).get("status") or {}).get("addresses") or ()
        balanced = [{"ip" if a.get("type") == "IPAddress" else "hostname": a["value"]} for a in addresses]
        at = {"metadata": route["metadata"], "spec": {}, "status": {"loadBalancer": {"ingress": balanced}}}
        doors |= provider.ingress_urls(api, at)
    if not doors:
        raise _closed("HTTPRoute", name, namespace)
    secured = "HTTP" not in protocols and "https" in doors
    return _through(doors, [(way.host, way.path, secured) for way in httproute.ways(route)])


def _closed(kind: str, name: str, namespace: str, only: str = "") -> Problem:
    """`only`: the one scheme that its annotations open it for."""
    return Problem(
        f"No port of this machine leads to the controller of {kind} {name}.",
        f"Its annotations open it for {only} only, and the cluster's {only} port is not open here."
        if only
        else "The cluster's HTTP ports are not open here.",
        f"kindlab status says why; inside the cluster it may work: kindlab why {kind.lower()}/{name} -n {namespace}",
    )


def _through(doors: dict[str, str], ways: list[tuple[str, str, bool]]) -> Found:
    """The URLs of (host, path, with TLS?) through a controller's doors, and the names this machine does not know."""
    found, unknown = Found(), []
    for pattern, path, secured in ways:
        host = pattern.replace("*", "any")
        door = urlsplit(doors.get("https" if secured else "http") or next(iter(doors.values())))
        port = f":{door.port}" if door.port not in (None, 80 if door.scheme == "http" else 443) else ""
        url = f"{door.scheme}://{host or door.hostname}{port}{path}"
        if url not in found.urls:
            found.urls.append(url)
        if host and not _known(host) and (host, door.hostname, door.port) not in unknown:
            unknown.append((host, door.hostname, door.port))
    for host, address, number in unknown:
        found.notes.append(
            f"This machine does not know the name {host}. With curl: --resolve {host}:{number}:{address}; "
            f"in a browser: add the line '{address} {host}' to your hosts file, or let the host end in .localhost."
        )
    return found


def _known(host: str) -> bool:
    """Whether the name leads to this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True  # browsers and curl know these themselves
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(ipaddress.ip_address(address).is_loopback for address in addresses)


def _get(api: Api, kind: str, name: str, namespace: str) -> Obj:
    found = api.get(kind, name, namespace)
    if found is not None:
        return found
    there = ", ".join(o["metadata"]["name"] for o in api.list(kind, namespace)) or "none"
    raise Problem(
        f"There is no {kind} {name} in namespace {namespace}.",
        f"Those there are: {there}.",
        "Name one of those, or another namespace with -n.",
    )
