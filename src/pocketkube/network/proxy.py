"""kube-proxy: which endpoint a Service address stands for, decided anew for every connection.

Models the iptables proxier's rules (pkg/proxy/iptables/proxier.go): endpoints come from EndpointSlices by port name,
never from selectors, and are of the family of the address asked; nothing usable is refused; a Local traffic policy
without a local endpoint drops, and so does a load balancer's address for who is outside its source ranges. The index
is kept from events, a lookup is one dict access. One proxy object serves all nodes, told apart by the sender's.

What comes from outside to an external or a load balancer's address enters at the first worker that is ready, as with
MetalLB in layer 2 mode; with policy Local it enters wherever there is an endpoint. Left out: SCTP.
"""

from __future__ import annotations

import random

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.network.proxy_affinity import Affinity
from pocketkube.network.proxy_endpoints import Endpoint, Slice, family, merge, usable_anywhere, usable_locally
from pocketkube.network.proxy_services import (
    BALANCER,
    CLUSTER,
    NODE_PORT,
    NOT_OURS,
    Frontend,
    ServicePort,
    frontends,
    proxied_ports,
)
from pocketkube.network.route import Dropped, Route, Sender
from pocketkube.network.sockets import refused
from pocketkube.objects import Key, Obj
from pocketkube.store import DELETED, Event

SERVICE_NAME = "kubernetes.io/service-name"
ZONE = "topology.kubernetes.io/zone"
Claim = tuple[ServicePort, str]
"""A Service's port, and what its address is to it."""
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


class Proxy:
    """A `Router` for a Fabric. Follows Services and EndpointSlices from the moment it is made."""

    def __init__(self, client: Client, rng: random.Random | None = None) -> None:
        self._client = client
        self._rng = rng or random.Random()
        self._claims: dict[Frontend, dict[Key, Claim]] = {}
        self._claimed: dict[Key, dict[Frontend, Claim]] = {}
        self._ports: dict[Key, list[ServicePort]] = {}
        self._slices: dict[Key, dict[str, Slice]] = {}
        self._affinity = Affinity(client.clock)
        self._entrance: str | None = None
        client.subscribe("services", self._service_changed)
        client.subscribe("endpointslices", self._slice_changed)
        client.subscribe("nodes", self._node_changed)
        for piece in client.list("endpointslices"):
            self._add_slice(piece)
        for service in client.list("services"):
            self._add_service(service)

    def route(self, sender: Sender, address: str, port: int, protocol: str, *, node: str | None) -> Route | None:
        """See Router.route."""
        kind = family(address)
        found = self._find(address, port, protocol, at_node=node is not None)
        if found is None:
            return None
        service_port, what = found
        if what == CLUSTER:
            if sender.node is None:
                return None  # a cluster address means nothing outside
            return self._internal(service_port, sender, kind)
        if what == BALANCER and not service_port.admits(sender.address):
            raise Dropped
        return self._external(service_port, sender, kind, node or sender.node)

    def keeps(self, address: str, port: int, protocol: str, endpoint: tuple[str, int], *, at_node: bool) -> bool:
        """Whether a flow of datagrams may go on to the endpoint it was sent to (pkg/proxy/conntrack/cleanup.go).

        It may while the endpoint serves; `at_node`: `address` is a node's. What no Service has is not the proxy's.
        """
        found = self._find(address, port, protocol, at_node=at_node)
        if found is None:
            return False
        known = self._endpoints(found[0], family(address))
        return any(e.serving and (e.address, e.port) == endpoint for e in known)

    def local_endpoints(self, service: Key, node: str) -> int:
        """How many ready addresses of a Service are on a node: what its health check node port says."""
        ports = self._ports.get(service, ())
        known = (e for port in ports for kind in NODE_PORT for e in self._endpoints(port, kind))
        return len({e.address for e in known if e.ready and e.node == node})

    def _find(self, address: str, port: int, protocol: str, *, at_node: bool) -> Claim | None:
        claims = self._claims.get((address, port, protocol))
        if not claims and at_node:
            claims = self._claims.get((NODE_PORT[family(address)], port, protocol))
        return next(iter(claims.values())) if claims else None  # of two Services claiming it the first has it

    def _internal(self, port: ServicePort, sender: Sender, kind: str) -> Route:
        endpoints = self._usable(port, kind, sender.node, local=port.internal_local)
        chosen = self._choose(port, sender, sender.node, endpoints)
        return Route(chosen.address, chosen.port, sender.is_node or chosen.address == sender.address)

    def _external(self, port: ServicePort, sender: Sender, kind: str, node: str | None) -> Route:
        local = port.external_local
        from_here = sender.node is not None and sender.node == node  # pods and the node itself skip a Local policy
        if node is None and not local:
            node = self._enters_at()
        endpoints = self._usable(port, kind, node, local=local and not from_here)
        chosen = self._choose(port, sender, node, endpoints)
        hidden = not local or (from_here and sender.is_node) or chosen.address == sender.address
        return Route(chosen.address, chosen.port, hidden, node)

    def _usable(self, port: ServicePort, kind: str, node: str | None, *, local: bool) -> list[Endpoint]:
        """Endpoints to balance over, never empty. Raises ConnectionRefusedError, Dropped."""
        usable = port.usable.get((kind, node, local))
        if usable is None:
            known = self._endpoints(port, kind)
            usable = usable_locally(known, node) if local else usable_anywhere(known, node, self._zone(node))
            port.usable[kind, node, local] = usable
        if usable:
            return usable
        if local and usable_locally(self._endpoints(port, kind), None):
            raise Dropped  # there are endpoints, only not here
        raise refused()

    def _choose(self, port: ServicePort, sender: Sender, node: str | None, endpoints: list[Endpoint]) -> Endpoint:
        seconds = port.affinity
        if seconds is None:
            return self._rng.choice(endpoints)
        name = f"{port.port.get('name', '')}/{port.port.get('protocol', 'TCP')}"
        client = objects.key(port.service), (name, sender.address, node)
        last = self._affinity.last(client)
        chosen = None
        if last is not None:
            chosen = next((e for e in endpoints if (e.address, e.port) == last), None)
        if chosen is None:
            chosen = self._rng.choice(endpoints)
        self._affinity.remember(client, (chosen.address, chosen.port), seconds)
        return chosen

    def _endpoints(self, port: ServicePort, kind: str) -> list[Endpoint]:
        found = port.endpoints.get(kind)
        if found is None:
            key = (kind, port.port.get("name") or "", port.port.get("protocol", "TCP"))
            found = port.endpoints[kind] = merge(self._slices.get(objects.key(port.service), {}).values(), key)
        return found

    def _zone(self, node: str | None) -> str:
        found = self._client.find("nodes", "", node) if node is not None else None
        return objects.labels(found).get(ZONE, "") if found is not None else ""

    def _enters_at(self) -> str | None:
        if self._entrance is None:
            nodes = self._client.list("nodes")
            ranked = sorted(
                (not _is_ready(node), CONTROL_PLANE in objects.labels(node), objects.name(node)) for node in nodes
            )
            self._entrance = ranked[0][-1] if ranked else None
        return self._entrance

    # -- keeping the index

    def _service_changed(self, event: Event) -> None:
        at = objects.key(event.object)
        if event.type == DELETED:
            self._affinity.forget(at)
            self._claim(at, {})
            self._ports.pop(at, None)
        else:
            self._add_service(event.object)

    def _add_service(self, service: Obj) -> None:
        ports = self._ports[objects.key(service)] = [ServicePort(service, port) for port in proxied_ports(service)]
        claims: dict[Frontend, Claim] = {}
        for port in ports:
            for frontend, what in frontends(service, port.port):
                claims.setdefault(frontend, (port, what))
        self._claim(objects.key(service), claims)

    def _claim(self, at: Key, claims: dict[Frontend, Claim]) -> None:
        for frontend in self._claimed.pop(at, {}).keys() - claims.keys():
            held = self._claims[frontend]
            del held[at]
            if not held:
                del self._claims[frontend]
        for frontend, claim in claims.items():
            self._claims.setdefault(frontend, {})[at] = claim
        if claims:
            self._claimed[at] = claims

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
            self._slices.setdefault(at, {})[objects.name(piece)] = Slice(piece)
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
            port.forget()

    def _node_changed(self, event: Event) -> None:
        if event.old is None or _is_ready(event.old) != _is_ready(event.object):
            self._entrance = None
        if event.old is not None and objects.labels(event.old) == objects.labels(event.object):
            return  # only its zone matters here, and nodes report their health all the time
        self._entrance = None
        for ports in self._ports.values():
            for port in ports:
                port.usable.clear()


def _is_ready(node: Obj) -> bool:
    return objects.condition_status(node, "Ready") == "True"


def _owner(piece: Obj) -> Key | None:
    labels = objects.labels(piece)
    name = labels.get(SERVICE_NAME) if NOT_OURS.isdisjoint(labels) else None
    return (objects.namespace(piece), name) if name else None
