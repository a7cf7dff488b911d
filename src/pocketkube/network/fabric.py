"""The network as a set of addresses in memory: nodes, pods and the world outside, and the flows between them.

Models what a program observes on a kind cluster: every pod has its own ports and its own loopback, flows go through
the proxy of the node they start on (Services, NodePorts), source addresses are translated where kube-proxy and the
CNI masquerade, an address nobody has answers "No route to host" inside the pod range and nothing at all elsewhere
(Linux' SYN schedule decides when the sender gives up). Left out: IPv6, latency, MTU, packet loss.
"""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv4Network

from pocketkube.clock import Clock
from pocketkube.network.conntrack import Conntrack
from pocketkube.network.host import EPHEMERAL, Host
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.policy import AllowAll, Policy
from pocketkube.network.route import NoServices, Route, Router, Sender
from pocketkube.network.sockets import Datagram
from pocketkube.network.stream import Address

__all__ = ["OUTSIDE", "Fabric", "PodNetwork", "bridge"]

OUTSIDE = "172.18.0.1"
"""Where the edge (the learner's machine) appears from: the gateway of the nodes' network, as with Docker."""


class Fabric:
    """All networks of one cluster. `proxy` resolves Service addresses, `policy` may drop flows."""

    def __init__(
        self,
        clock: Clock,
        *,
        proxy: Router | None = None,
        policy: Policy | None = None,
        pod_cidr: str = "10.244.0.0/16",
    ) -> None:
        self.clock = clock
        self.proxy: Router = proxy or NoServices()
        self.policy: Policy = policy or AllowAll()
        self._pod_range = IPv4Network(pod_cidr)
        self._hosts: dict[str, Host] = {}
        self._nodes: dict[str, Host] = {}
        self.conntrack = Conntrack(clock)
        self.flows: dict[Address, Datagram] = {}
        """Translated UDP sources: (node address, port) -> the socket its answers belong to."""
        self.outside = PodNetwork(self, self._add(Host(OUTSIDE, "outside", None)))

    def attach(self, address: str, name: str, *, node: str | None = None) -> PodNetwork:
        """Give `address` to a pod on `node`, or (None) to the node called `name`. Raises OSError EADDRINUSE."""
        if address in self._hosts:
            raise OSError(errno.EADDRINUSE, f"Address already in use: {address}")
        host = self._add(Host(address, name, node))
        if node is None:
            host.sender = Sender(address, name, is_node=True)
            self._nodes[name] = host
        return PodNetwork(self, host)

    def detach(self, address: str) -> None:
        """Take an address away: its listeners close and its open connections are reset on both sides."""
        host = self._hosts.pop(address, None)
        if host is None:
            return
        if self._nodes.get(host.name) is host:
            del self._nodes[host.name]
        for listener in tuple(host.listeners.values()):
            listener.close()
        for socket in tuple(host.datagrams.values()):
            socket.close()
        for stream in tuple(host.streams):
            stream.abort()

    def node(self, name: str) -> PodNetwork:
        """The node's own network, which hostNetwork pods share. Raises KeyError."""
        return PodNetwork(self, self._nodes[name])

    def host(self, address: str) -> Host | None:
        return self._hosts.get(address)

    def node_at(self, address: str) -> str | None:
        """The name of the node that has this address."""
        host = self._hosts.get(address)
        return host.name if host is not None and self._nodes.get(host.name) is host else None

    def in_pod_range(self, address: str) -> bool:
        return IPv4Address(address) in self._pod_range

    def masquerade(self, address: str, socket: Datagram) -> Address:
        """The (node address, port) under which a datagram socket's packets travel; answers to it reach the socket."""
        port = socket.port
        while self.flows.get((address, port), socket) is not socket:
            port = port + 1 if port + 1 in EPHEMERAL else EPHEMERAL.start
        self.flows[address, port] = socket
        return address, port

    def forget(self, socket: Datagram) -> None:
        """The socket is closed: nothing is translated for it any more."""
        for seen in [seen for seen, owner in self.flows.items() if owner is socket]:
            del self.flows[seen]

    def _add(self, host: Host) -> Host:
        self._hosts[host.address] = host
        return host

    def route(self, sender: Sender, address: str, port: int, protocol: str) -> Route | None:
        """Ask the proxy of the node where the packet is handled; see Router.route."""
        node = self.node_at(address)
        return self.proxy.route(sender, address, port, protocol, node=node)

    def seen_as(self, sender: Sender, target: Host, *, via: str | None, masquerade: bool) -> str:
        """The source address that `target` sees. `via`: the node that translates when it is masqueraded."""
        if target.address == sender.address and not masquerade:
            return sender.address
        is_pod = target.sender.node is not None and not target.sender.is_node
        translating = via if masquerade else (sender.node if sender.is_node else None)
        if translating is not None:
            node = self._nodes.get(translating)
            if is_pod and target.sender.node == translating:
                return bridge(target.address)
            return node.address if node is not None else sender.address
        if sender.node is not None and target.sender.is_node and target.sender.node != sender.node:
            node = self._nodes.get(sender.node)  # the CNI hides pod addresses from everything but pods
            return node.address if node is not None else sender.address
        return sender.address


def bridge(address: str) -> str:
    """The node's own address in the pod subnet (a /24) that has `address`."""
    return f"{address.rpartition('.')[0]}.1"
