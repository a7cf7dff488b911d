"""The network as a set of addresses in memory: nodes, pods and the world outside, and the flows between them.

Models what a program observes on a kind cluster: every pod has its own ports and its own loopback, flows go through
the proxy of the node they start on (Services, NodePorts), source addresses are translated where kube-proxy and the
CNI masquerade, an address nobody has answers "No route to host" inside the pod range and nothing at all elsewhere
(Linux' SYN schedule decides when the sender gives up). A host has an address of one family or of both; each family is
a network of its own. Left out: latency, MTU, packet loss.
"""

from __future__ import annotations

import errno
from ipaddress import ip_address, ip_network

from pocketkube.clock import Clock
from pocketkube.network.addresses import is_ipv6
from pocketkube.network.conntrack import Conntrack
from pocketkube.network.host import EPHEMERAL, Host
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.policy import AllowAll, Policy
from pocketkube.network.portmap import Portmap
from pocketkube.network.route import NoServices, Route, Router, Sender
from pocketkube.network.sockets import Datagram
from pocketkube.network.stream import Address, Unanswered

__all__ = ["OUTSIDE", "Fabric", "PodNetwork", "bridge"]

OUTSIDE, OUTSIDE_IPV6 = "172.18.0.1", "fc00:f853:ccd:e793::1"
"""Where the edge (the learner's machine) appears from: the gateway of the nodes' network, as with Docker."""


class Fabric:
    """All networks of one cluster. `proxy` resolves Service addresses, `policy` may drop flows.

    `pod_cidr`: the range of pod addresses, or two of them, one of each family, with a comma between.
    """

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
        self._pod_ranges = [ip_network(cidr) for cidr in pod_cidr.split(",")]
        self._hosts: dict[str, Host] = {}
        self._nodes: dict[str, Host] = {}
        self._dark: dict[str, str] = {}
        """Addresses of machines without power, and the name of each one's node: packets to them get lost."""
        self._unanswered: dict[str, list[Unanswered]] = {}
        """By node without power: the connections others had to it."""
        self.portmap = Portmap()
        self.conntrack = Conntrack(clock)
        self.flows: dict[Address, Datagram] = {}
        """Translated UDP sources: (node address, port) -> the socket its answers belong to."""
        outside = (OUTSIDE, OUTSIDE_IPV6) if is_ipv6(pod_cidr) else (OUTSIDE,)
        self.outside = PodNetwork(self, self._add(Host(outside, "outside", None)))

    def attach(self, address: str, name: str, *, node: str | None = None, also: tuple[str, ...] = ()) -> PodNetwork:
        """Give `address` to a pod on `node`, or (None) to the node called `name`; `also`: one of the other family.

        Raises OSError EADDRINUSE.
        """
        addresses = (address, *also)
        for taken in self._hosts.keys() & set(addresses):
            raise OSError(errno.EADDRINUSE, f"Address already in use: {taken}")
        host = self._add(Host(addresses, name, node or name, is_node=node is None))
        if node is None:
            self._nodes[name] = host
            self._dark = {address: owner for address, owner in self._dark.items() if owner != name}
            for connection in self._unanswered.pop(name, ()):
                connection.refuse()
        return PodNetwork(self, host)

    def detach(self, address: str) -> None:
        """Take away the host that has this address: its listeners close, its connections are reset on both sides."""
        host = self._hosts.get(address)
        if host is None:
            return
        self._remove(host)
        for listener in tuple(host.listeners.values()):
            listener.close()
        for socket in tuple(host.datagrams.values()):
            socket.close()
        for stream in tuple(host.streams):
            stream.abort()

    def unplug(self, node: str) -> None:
        """A node's machine loses its power, and its pods' networks with it: nothing is closed or reset, nobody is told,
        and whatever is sent there from now on gets lost until the node is attached again. Connections from before are
        reset then (on Linux: as soon as something is sent)."""
        left: list[Unanswered] = []
        for host in {host for host in self._hosts.values() if host.sender.node == node}:
            self._remove(host)
            self._dark |= dict.fromkeys(host.addresses, node)
            left += [stream.lose() for stream in tuple(host.streams)]
        within = {connection.received for connection in left}
        for connection in left:
            if connection.sent in within:
                connection.refuse()  # both ends were there: who waits for one (a port-forward) learns that it is gone
            else:
                connection.watch(self.clock.speed)
                self._unanswered.setdefault(node, []).append(connection)

    def is_dark(self, address: str) -> bool:
        """Whether the address is one of a machine without power."""
        return address in self._dark

    def _remove(self, host: Host) -> None:
        for held in host.addresses:
            del self._hosts[held]
        self.portmap.remove(host.addresses)
        if self._nodes.get(host.name) is host:
            del self._nodes[host.name]

    def node(self, name: str) -> PodNetwork:
        """The node's own network, which hostNetwork pods share. Raises KeyError when its machine is off."""
        return PodNetwork(self, self._nodes[name])

    def host(self, address: str) -> Host | None:
        return self._hosts.get(address)

    def node_at(self, address: str) -> str | None:
        """The name of the node that has this address."""
        host = self._hosts.get(address)
        return host.name if host is not None and self._nodes.get(host.name) is host else None

    def in_pod_range(self, address: str) -> bool:
        return any(ip_address(address) in pods for pods in self._pod_ranges)

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
        self._hosts |= dict.fromkeys(host.addresses, host)
        return host

    def route(self, sender: Sender, address: str, port: int, protocol: str) -> Route | None:
        """Ask the proxy of the node where the packet is handled; see Router.route."""
        node = self.node_at(address)
        return self.proxy.route(sender, address, port, protocol, node=node)

    def keeps(self, asked: Address, protocol: str, endpoint: Address) -> bool:
        """Ask the proxy whether a translated flow may go on; see Router.keeps."""
        return self.proxy.keeps(*asked, protocol, endpoint, at_node=self.node_at(asked[0]) is not None)

    def seen_as(self, sender: Sender, target: Host, *, via: str | None, masquerade: bool) -> str:
        """The source address that `target` sees. `via`: the node that translates when it is masqueraded."""
        reached = target.own(sender.address)
        if masquerade and target.sender.is_node and target.sender.node == via:
            masquerade = False  # that is done to what leaves a node, and this is delivered to a program of its own
        if reached == sender.address and not masquerade:
            return sender.address
        is_pod = target.sender.node is not None and not target.sender.is_node
        translating = via if masquerade else (sender.node if sender.is_node else None)
        if translating is not None:
            node = self._nodes.get(translating)
            if is_pod and target.sender.node == translating:
                return bridge(reached)
            return node.own(reached) if node is not None else sender.address
        if sender.node is not None and target.sender.is_node and target.sender.node != sender.node:
            node = self._nodes.get(sender.node)  # the CNI hides pod addresses from everything but pods
            return node.own(reached) if node is not None else sender.address
        return sender.address


def bridge(address: str) -> str:
    """The node's own address in the pod subnet (a /24, or an IPv6 /64) that has `address`."""
    if is_ipv6(address):
        return str(ip_network(f"{address}/64", strict=False)[1])
    return f"{address.rpartition('.')[0]}.1"
