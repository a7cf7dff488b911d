"""What kube-proxy reads from EndpointSlices, and which of those endpoints a Service may use on a node.

Models pkg/proxy/endpointslicecache.go (endpoints by port name, the first address only, unknown conditions as the API
asks of consumers) and topology.go: ready endpoints, those hinted for the node or its zone when all are hinted and one
is; else those that still serve while terminating. Slices of FQDNs are inert: nothing is recorded of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address

from pocketkube.objects import Obj

FAMILIES = ("IPv4", "IPv6")
PortKey = tuple[str, str, str]
"""(address type, port name, protocol)."""


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


def family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def canonical(address: str) -> str:
    """The one spelling of an IPv6 address that the fabric knows; other addresses as they are."""
    if ":" not in address:
        return address
    try:
        return str(IPv6Address(address))
    except ValueError:
        return address


class Slice:
    """A slice, read when it is first asked for: of a Service with many slices only changed ones are read again."""

    def __init__(self, obj: Obj) -> None:
        self._obj = obj
        self._endpoints: dict[PortKey, list[Endpoint]] | None = None

    def endpoints(self, key: PortKey) -> list[Endpoint]:
        if self._endpoints is None:
            self._endpoints = self._read()
        return self._endpoints.get(key, [])

    def _read(self) -> dict[PortKey, list[Endpoint]]:
        kind = self._obj.get("addressType", "")
        if kind not in FAMILIES:
            return {}
        held = self._obj.get("endpoints") or ()
        return {
            (kind, port.get("name") or "", port.get("protocol", "TCP")): [_endpoint(e, port["port"]) for e in held]
            for port in self._obj.get("ports") or ()
            if port.get("port") is not None
        }


def _endpoint(endpoint: Obj, port: int) -> Endpoint:
    conditions = endpoint.get("conditions") or {}
    ready = conditions.get("ready") is not False  # unknown counts as ready, as the API asks of consumers
    serving = conditions.get("serving")
    hints = endpoint.get("hints") or {}
    return Endpoint(
        canonical(endpoint["addresses"][0]),  # further addresses are never used
        port,
        endpoint.get("nodeName"),
        ready,
        ready if serving is None else bool(serving),
        bool(conditions.get("terminating")),
        frozenset(hint["name"] for hint in hints.get("forZones") or ()),
        frozenset(hint["name"] for hint in hints.get("forNodes") or ()),
    )


def merge(slices: Iterable[Slice], key: PortKey) -> list[Endpoint]:
    """The endpoints of one port; of two with one address and port the first."""
    found: dict[tuple[str, int], Endpoint] = {}
    for piece in slices:
        for endpoint in piece.endpoints(key):
            found.setdefault((endpoint.address, endpoint.port), endpoint)
    return list(found.values())


def usable_anywhere(endpoints: Iterable[Endpoint], node: str | None, zone: str) -> list[Endpoint]:
    """For policy Cluster: what to balance over on `node` (None: on no node, so without topology) in `zone`."""
    known = list(endpoints)
    ready = [e for e in known if e.ready]
    return _near(ready, node, zone) or [e for e in known if e.serving and e.terminating]


def usable_locally(endpoints: Iterable[Endpoint], node: str | None) -> list[Endpoint]:
    """For policy Local: what to balance over; on no node, what any node would take."""
    known = [e for e in endpoints if node is None or e.node == node]
    return [e for e in known if e.ready] or [e for e in known if e.serving and e.terminating]


def _near(ready: list[Endpoint], node: str | None, zone: str) -> list[Endpoint]:
    if node is None:
        return ready
    if all(e.nodes for e in ready) and (near := [e for e in ready if node in e.nodes]):
        return near
    if all(e.zones for e in ready) and (near := [e for e in ready if zone in e.zones]):
        return near
    return ready
