"""The way of a packet: what is behind the address a program asks for, the source seen there, who lets it through.

Models what a node does to a new flow, in this order: the proxy's translation, host ports, masquerading, NetworkPolicy.
Left out: everything about a flow that is under way (`conntrack`).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pocketkube.network.addresses import is_ipv6, is_loopback
from pocketkube.network.host import Host
from pocketkube.network.route import Dropped
from pocketkube.network.stream import Address

if TYPE_CHECKING:
    from pocketkube.network.fabric import Fabric


@dataclass(frozen=True, slots=True)
class Way:
    """Where the packets of a flow go: the host and port behind what was asked for, and the source that host sees."""

    target: Host
    address: str
    """Which of the host's."""
    port: int
    seen: str
    asked: Address
    via: str | None = None
    """The node that translated what was asked; None: nobody did."""

    @property
    def endpoint(self) -> Address:
        return self.address, self.port


class NoNeighbour(Exception):
    """Nobody answers ARP for the address."""


def reach(fabric: Fabric, host: Host, address: str, port: int, protocol: str) -> Way:
    """What is behind an address that `host` asks for.

    Raises as `Router.route`, OSError ENETUNREACH, and NoNeighbour.
    """
    sender = host.senders.get(is_ipv6(address))
    loopback = is_loopback(address)
    if loopback and (sender is None or not sender.is_node or is_ipv6(address)):
        return Way(host, address, port, address, (address, port))
    if sender is None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")
    asked = sender.address if loopback else address  # a node's proxy serves NodePorts on 127.0.0.1 too
    route = fabric.route(sender, asked, port, protocol)
    mapped = None if route is not None else fabric.portmap.route(sender, fabric.node_at(asked), address, port, protocol)
    route = route or mapped
    if route is None:
        if loopback or address == sender.address:
            return Way(host, address, port, address, (address, port))
        target = fabric.host(address)
        via, reached = None, (address, port)
    else:
        target = fabric.host(route.address)
        via, reached = route.via or fabric.node_at(asked) or sender.node, (route.address, route.port)
    if target is None:
        raise NoNeighbour if fabric.in_pod_range(reached[0]) and not fabric.is_dark(reached[0]) else Dropped
    masquerade = route is not None and route.masquerade
    entered = fabric.host(asked) if mapped is not None and not masquerade else None  # a host port keeps the source
    seen = fabric.seen_as(sender, entered or target, via=via if entered is None else None, masquerade=masquerade)
    return Way(target, *reached, seen, (asked, port), via)


def permitted(fabric: Fabric, host: Host, way: Way, protocol: str) -> bool:
    """Whether NetworkPolicy lets a new flow of `host` go this way.

    As kindnet does: every node looks at what passes it after translating the destination and before hiding the
    source, and only at packets of the pods it runs. What a node sends to its own pods is not looked at.
    """
    if way.target is host:
        return True  # nobody keeps a pod from itself, not even by way of a Service
    here, there = host.senders[is_ipv6(way.address)], way.target.sender
    elsewhere = way.via is not None and way.via != here.node  # translated by the node whose NodePort was asked
    near = here.node is not None and here.node == there.node and not elsewhere
    if near and (here.is_node or there.is_node):
        return True
    if here.node is not None and not here.is_node:
        destination, port = way.asked if elsewhere else way.endpoint
        if not fabric.policy.egress(here.address, destination, port, protocol):
            return False
    if there.node is None or there.is_node:
        return True
    source = way.seen
    if elsewhere and way.via == there.node:
        entered = fabric.host(way.asked[0])
        source = fabric.seen_as(here, entered or way.target, via=None, masquerade=False)
    elif near:
        source = here.address
    return fabric.policy.ingress(source, way.address, way.port, protocol)
