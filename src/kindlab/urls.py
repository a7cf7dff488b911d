"""`kindlab url`: addresses a browser on this machine can open for what runs in the cluster."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kindlab.api import Api, Obj
from kindlab.clusters.base import Provider
from kindlab.errors import Problem, UsageProblem
from kindlab.trace import INGRESSES, SERVICES
from kindlab.trace.ingress import routes


@dataclass
class Found:
    """`urls` in the order of ports or rules; `notes`: what must be known to open them, one sentence each."""

    urls: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def for_target(provider: Provider, api: Api, namespace: str, target: str) -> Found:
    """The URLs of svc/NAME or ingress/NAME. Raises Problem for what is not open to the outside, UsageProblem."""
    kind, _, name = target.partition("/")
    if name and kind.lower() in SERVICES:
        return _service(provider, api, namespace, name)
    if name and kind.lower() in INGRESSES:
        return _ingress(provider, api, namespace, name)
    raise UsageProblem(
        f"kindlab url does not know {target!r}.",
        "It takes svc/NAME and ingress/NAME.",
        f"For example: kindlab url svc/{target if target.isidentifier() else 'web'}",
    )


def _service(provider: Provider, api: Api, namespace: str, name: str) -> Found:
    service = _get(api, "Service", name, namespace)
    urls = provider.service_urls(api, service)
    if urls:
        return Found(urls)
    spec = service["spec"]
    kind = "headless" if spec.get("clusterIP") == "None" else f"of type {spec.get('type', 'ClusterIP')}"
    port = (spec.get("ports") or [{"port": 80}])[0]["port"]
    outside = spec.get("type") in ("NodePort", "LoadBalancer")
    raise Problem(
        f"Service {name} cannot be opened from this machine.",
        f"It is {kind}, and none of its ports is open here."
        if outside
        else f"It is {kind}, which has addresses inside the cluster only.",
        ("" if outside else "Make it a NodePort or a LoadBalancer, put an Ingress before it, or ")
        + f"forward a port to it: kindlab kubectl port-forward -n {namespace} svc/{name} 8000:{port}",
    )


def _ingress(provider: Provider, api: Api, namespace: str, name: str) -> Found:
    ingress = _get(api, "Ingress", name, namespace)
    doors = provider.ingress_urls(api, ingress)
    if not doors:
        raise Problem(
            f"No port of this machine leads to the controller of Ingress {name}.",
            "The cluster's HTTP ports are not open here.",
            f"kindlab status says why; inside the cluster it may work: kindlab why ingress/{name} -n {namespace}",
        )
    secured = {host for entry in ingress["spec"].get("tls") or () for host in entry.get("hosts") or ("",)}
    found, unknown = Found(), []
    for route in routes(ingress):
        host = route.host.replace("*", "any")
        scheme = "https" if "https" in doors and ("" in secured or route.host in secured) else "http"
        door = urlsplit(doors.get(scheme) or next(iter(doors.values())))
        port = f":{door.port}" if door.port not in (None, 80 if door.scheme == "http" else 443) else ""
        url = f"{door.scheme}://{host or door.hostname}{port}{route.path or '/'}"
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
