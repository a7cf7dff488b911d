"""kube-proxy: which endpoint a Service address stands for, decided anew for every connection.

Models pkg/proxy (topology.go, endpointslicecache.go) and the iptables proxier's rules: endpoints come from
EndpointSlices by port name, never from selectors; ready ones at random, serving terminating ones when no other is
left; nothing usable is refused; a Local traffic policy without a local endpoint drops. The index is kept from events,
a lookup is one dict access. Left out: IPv6, SCTP, loadBalancerSourceRanges, health check node ports; one proxy object
serves all nodes, told apart by the sender's.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.network.route import Dropped, Route, Sender
from pocketkube.network.sockets import refused
from pocketkube.objects import Key, Obj
from pocketkube.store import DELETED, Event

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
ZONE = "topology.kubernetes.io/zone"
AFFINITY_SECONDS = 10800

Frontend = tuple[str, int, str]
"""(address, port, protocol); the address of a node port is the empty string."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port of a slice, with its conditions filled in as kube-proxy reads them."""

    address: str
    port: int
    node: str | None
    ready: bool
    serving: bool
    terminating: bool
    zones: frozenset[str]
    """The zones and nodes it is hinted for."""
    nodes: frozenset[str]


@dataclass(slots=True)
class ServicePort:
    """One port of a Service and what was learned about its endpoints."""

    service: Obj
    port: Obj
    endpoints: tuple[list[Endpoint], list[Endpoint]] | None = None
    """(ready, serving while terminating); None: to be read from the slices again."""

    @property
    def internal_local(self) -> bool:
        return objects.spec(self.service).get("internalTrafficPolicy") == "Local"

    @property
    def external_local(self) -> bool:
        return objects.spec(self.service).get("externalTrafficPolicy") == "Local"


class Proxy:
    """A `Router` for a Fabric. Follows Services and EndpointSlices from the moment it is made."""

    def __init__(self, client: Client, rng: random.Random | None = None) -> None:
        self._client = client
        self._rng = rng or random.Random()
        self._frontends: dict[Frontend, tuple[ServicePort, bool]] = {}  # -> (port, is it for outside traffic)
        self._ports: dict[Key, list[ServicePort]] = {}
        self._addresses: dict[Key, list[Frontend]] = {}
        self._slices: dict[Key, dict[str, Obj]] = {}
        self._sticky: dict[tuple[Key, str, str, str | None], tuple[str, int, float]] = {}
        client.subscribe("services", self._service_changed)
        client.subscribe("endpointslices", self._slice_changed)
        for piece in client.list("endpointslices"):
            self._add_slice(piece)
        for service in client.list("services"):
            self._add_service(service)

    def route(self, sender: Sender, address: str, port: int, protocol: str, *, node: str | None) -> Route | None:
        """See Router.route."""
        found = self._frontends.get((address, port, protocol))
        if found is None and node is not None:
            found = self._frontends.get(("", port, protocol))
        if found is None:
            return None
        service_port, external = found
        if external:
            return self._external(service_port, sender, node or sender.node)
        if sender.node is None:
            return None  # a cluster address means nothing outside
        return self._internal(service_port, sender)

    def _internal(self, port: ServicePort, sender: Sender) -> Route:
        endpoints = self._usable(port, sender.node, local=port.internal_local)
        chosen = self._choose(port, sender, sender.node, endpoints)
        return Route(chosen.address, chosen.port, sender.is_node or chosen.address == sender.address)

    def _external(self, port: ServicePort, sender: Sender, node: str | None) -> Route:
        local = port.external_local
        from_here = sender.node is not None and sender.node == node  # pods and the node itself skip a Local policy
        endpoints = self._usable(port, node, local=local and not from_here and node is not None)
        chosen = self._choose(port, sender, node, endpoints)
        hidden = not local or (from_here and sender.is_node) or chosen.address == sender.address
        return Route(chosen.address, chosen.port, hidden)

    def _usable(self, port: ServicePort, node: str | None, *, local: bool) -> list[Endpoint]:
        """Endpoints to balance over, never empty. Raises ConnectionRefusedError, Dropped."""
        if port.endpoints is None:
            known = list(self._read_endpoints(port))
            port.endpoints = [e for e in known if e.ready], [e for e in known if e.serving and e.terminating]
        ready, fallback = port.endpoints
        if not ready and not fallback:
            raise refused()
        if local:
            usable = [e for e in ready if e.node == node] or [e for e in fallback if e.node == node]
            if not usable:
                raise Dropped
            return usable
        return self._near(ready, node) or fallback

    def _near(self, ready: list[Endpoint], node: str | None) -> list[Endpoint]:
        """What topology hints leave over: the same node's, else the same zone's, else all."""
        if node is None or not ready:
            return ready
        if all(e.nodes for e in ready):
            near = [e for e in ready if node in e.nodes]
            if near:
                return near
        if all(e.zones for e in ready):
            found = self._client.find("nodes", "", node)
            zone = objects.labels(found).get(ZONE, "") if found is not None else ""
            return [e for e in ready if zone in e.zones] or ready
        return ready

    def _choose(self, port: ServicePort, sender: Sender, node: str | None, endpoints: list[Endpoint]) -> Endpoint:
        spec = objects.spec(port.service)
        if spec.get("sessionAffinity") != "ClientIP":
            return self._rng.choice(endpoints)
        now = self._client.clock.monotonic()
        name = f"{port.port.get('name', '')}/{port.port.get('protocol', 'TCP')}"
        client = (objects.key(port.service), name, sender.address, node)
        limit = objects.dig(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", default=AFFINITY_SECONDS)
        address, number, until = self._sticky.get(client, ("", 0, 0.0))
        chosen = None
        if now < until:
            chosen = next((e for e in endpoints if (e.address, e.port) == (address, number)), None)
        if chosen is None:
            chosen = self._rng.choice(endpoints)
        self._sticky[client] = (chosen.address, chosen.port, now + limit)
        return chosen

    def _read_endpoints(self, port: ServicePort) -> Iterator[Endpoint]:
        name, protocol = port.port.get("name") or "", port.port.get("protocol", "TCP")
        seen: set[tuple[str, int]] = set()
        for piece in self._slices.get(objects.key(port.service), {}).values():
            if piece.get("addressType") != "IPv4":
                continue
            for target in piece.get("ports") or ():
                number = target.get("port")
                if number is None or (target.get("name") or "", target.get("protocol", "TCP")) != (name, protocol):
                    continue
                for endpoint in piece.get("endpoints") or ():
                    address = endpoint["addresses"][0]  # further addresses are never used
                    if (address, number) not in seen:
                        seen.add((address, number))
                        yield _endpoint(endpoint, address, number)

    # -- keeping the index

    def _service_changed(self, event: Event) -> None:
        self._drop_service(objects.key(event.object))
        if event.type != DELETED:
            self._add_service(event.object)

    def _drop_service(self, at: Key) -> None:
        for frontend in self._addresses.pop(at, ()):
            self._frontends.pop(frontend, None)
        self._ports.pop(at, None)
        if self._sticky and self._client.find("services", *at) is None:
            self._sticky = {k: v for k, v in self._sticky.items() if k[0] != at}

    def _add_service(self, service: Obj) -> None:
        at = objects.key(service)
        ports = self._ports[at] = [ServicePort(service, port) for port in _proxied_ports(service)]
        addresses = self._addresses[at] = []
        for port in ports:
            for frontend, external in _frontends(service, port.port):
                if frontend not in self._frontends:  # of two Services claiming an address the first keeps it
                    self._frontends[frontend] = (port, external)
                    addresses.append(frontend)

    def _slice_changed(self, event: Event) -> None:
        if event.old is not None:
            self._remove_slice(event.old)
        if event.type == DELETED:
            self._remove_slice(event.object)
        else:
            self._add_slice(event.object)

    def _add_slice(self, piece: Obj) -> None:
        at = _owner(piece)
        if at is not None:
            self._slices.setdefault(at, {})[objects.name(piece)] = piece
            self._forget_endpoints(at)

    def _remove_slice(self, piece: Obj) -> None:
        at = _owner(piece)
        if at is not None and at in self._slices:
            self._slices[at].pop(objects.name(piece), None)
            if not self._slices[at]:
                del self._slices[at]
            self._forget_endpoints(at)

    def _forget_endpoints(self, at: Key) -> None:
        for port in self._ports.get(at, ()):
            port.endpoints = None


def _owner(piece: Obj) -> Key | None:
    name = objects.labels(piece).get(SERVICE_NAME)
    return (objects.namespace(piece), name) if name else None


def _endpoint(endpoint: Obj, address: str, port: int) -> Endpoint:
    conditions = endpoint.get("conditions") or {}
    ready = conditions.get("ready") is not False  # unknown counts as ready, as the API asks of consumers
    serving = conditions.get("serving")
    hints = endpoint.get("hints") or {}
    return Endpoint(
        address,
        port,
        endpoint.get("nodeName"),
        ready,
        ready if serving is None else bool(serving),
        bool(conditions.get("terminating")),
        frozenset(hint["name"] for hint in hints.get("forZones") or ()),
        frozenset(hint["name"] for hint in hints.get("forNodes") or ()),
    )


def _proxied_ports(service: Obj) -> Iterable[Obj]:
    spec = objects.spec(service)
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") in (None, "", "None"):
        return ()
    if PROXY_NAME in objects.labels(service):
        return ()
    return spec.get("ports") or ()


def _frontends(service: Obj, port: Obj) -> Iterator[tuple[Frontend, bool]]:
    """((address, port, protocol), is it for outside traffic) of one Service port."""
    spec, number, protocol = objects.spec(service), port["port"], port.get("protocol", "TCP")
    for address in spec.get("clusterIPs") or [spec["clusterIP"]]:
        yield (address, number, protocol), False
    for address in spec.get("externalIPs") or ():
        yield (address, number, protocol), True
    for ingress in objects.dig(service, "status", "loadBalancer", "ingress", default=None) or ():
        if ingress.get("ip") and ingress.get("ipMode", "VIP") == "VIP":
            yield (ingress["ip"], number, protocol), True
    if port.get("nodePort"):
        yield ("", port["nodePort"], protocol), True
