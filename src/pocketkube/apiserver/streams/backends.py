"""Where a proxy request goes: `[scheme:]name[:port]` of a Service, a pod or a node, to an address and a port.

Models ResourceLocation of pkg/registry/core/{service,pod,node} and apimachinery's SplitSchemeNamePort. A Service's
endpoints are read from its EndpointSlices (upstream: from Endpoints, which mirror them), and only those that are pods.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import ip_address

from pocketkube import objects
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Target
from pocketkube.apiserver.streams.dialing import Backend
from pocketkube.errors import BadRequest, NotFound, ServiceUnavailable
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

SERVICE_NAME = "kubernetes.io/service-name"
KUBELET_PORT = 10250


def locate(api: Api, kind: Resource, target: Target) -> Backend:
    """Raises BadRequest, NotFound, ServiceUnavailable (no endpoint)."""
    scheme, name, port = _split(target.name, kind)
    if kind.plural == "services":
        return _service(api, target, scheme, name, port)
    if kind.plural == "pods":
        return _pod(api, target, scheme, name, port)
    return _node(api, scheme, name, port)


def _split(text: str, kind: Resource) -> tuple[str, str, str]:
    parts = text.split(":")
    scheme, name, port = "", parts[0], ""
    if len(parts) == 2:
        port = parts[1]
    elif len(parts) == 3:
        scheme, name, port = parts
    if len(parts) > 3 or not name or scheme not in ("", "http", "https"):
        raise BadRequest(f'invalid {kind.singular} request "{text}"')
    return scheme, name, port


def _service(api: Api, target: Target, scheme: str, name: str, port: str) -> Backend:
    service = api.registry.get("services", target.namespace, name)
    if port.isascii() and port.isdigit():
        number = int(port)
        named = [p.get("name", "") for p in objects.spec(service).get("ports") or () if p["port"] == number]
        if not named:
            raise ServiceUnavailable(f'no service port {number} found for service "{name}"')
        port = named[0]
    found = list(_endpoints(api, target.namespace, name))
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    fitting = [(address, number) for address, called, number in found if called == port]
    if not fitting:
        raise ServiceUnavailable(f'no endpoints available for service "{target.name}"')
    address, number = random.choice(fitting)
    return Backend(address, number, scheme == "https")


def _endpoints(api: Api, namespace: str, service: str) -> Iterator[tuple[str, str, int]]:
    """(address, port name, port) of every ready pod behind a Service."""
    for found in api.registry.objects("endpointslices", namespace):
        if objects.labels(found).get(SERVICE_NAME) != service or found["addressType"] == "FQDN":
            continue
        for endpoint in found.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is False or not endpoint["addresses"]:
                continue
            address = str(endpoint["addresses"][0])
            if not _is_pod(api, namespace, endpoint.get("targetRef") or {}, address):
                continue
            for port in found.get("ports") or ():
                if port.get("port"):
                    yield address, port.get("name") or "", port["port"]


def _is_pod(api: Api, namespace: str, reference: Obj, address: str) -> bool:
    if reference.get("namespace") != namespace:
        return False
    pod = api.registry.find("pods", namespace, reference.get("name", ""))
    return pod is not None and any(ip["ip"] == address for ip in objects.status(pod).get("podIPs") or ())


def _pod(api: Api, target: Target, scheme: str, name: str, port: str) -> Backend:
    pod = api.registry.get("pods", target.namespace, name)
    if not port:
        declared = (c["ports"][0] for c in objects.spec(pod).get("containers") or () if c.get("ports"))
        port = str(next((first["containerPort"] for first in declared), ""))
    address = str(objects.status(pod).get("podIP") or "")
    _require_proxyable(address)
    return Backend(address, _number(target, port, scheme, "pod"), scheme == "https")


def _node(api: Api, scheme: str, name: str, port: str) -> Backend:
    node = api.registry.find("nodes", "", name)
    if node is None:
        raise NotFound.of("nodes", name)
    given = objects.status(node).get("addresses") or ()
    address = next((str(a["address"]) for a in given if a["type"] == "InternalIP"), "")
    _require_proxyable(address)
    if port in ("", str(KUBELET_PORT)):
        return Backend(address, KUBELET_PORT, secure=True)
    return Backend(address, _number(Target("", "v1", "nodes", name=name), port, scheme, "node"), scheme == "https")


def _number(target: Target, port: str, scheme: str, what: str) -> int:
    if not port:
        return 443 if scheme == "https" else 80
    if port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return int(port)
    # upstream panics at a port that is no number; only ports of Services have names here
    raise BadRequest(f'invalid {what} request "{target.name}": the port must be a number')


def _require_proxyable(address: str) -> None:
    """Raises BadRequest for what is no unicast address of the network: a pod without one, loopback, link-local."""
    try:
        ip = ip_address(address)
    except ValueError:
        ip = None
    if ip is None or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        raise BadRequest("address not allowed")
