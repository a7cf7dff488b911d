"""The network as a set of addresses in memory: nodes, pods and the world outside, and the flows between them.

Models what a program observes on a kind cluster: every pod has its own ports and its own loopback, flows go through
the proxy of the node they start on (Services, NodePorts), source addresses are translated where kube-proxy and the
CNI masquerade, an address nobody has answers "No route to host" inside the pod range and nothing at all elsewhere
(Linux' SYN schedule decides when the sender gives up). Left out: IPv6, latency, MTU, packet loss.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any, TypeVar

from pocketkube.clock import Clock
from pocketkube.network.policy import AllowAll, Policy
from pocketkube.network.route import Dropped, NoServices, Route, Router, Sender
from pocketkube.network.sockets import Datagram, Listener, Socket, refused
from pocketkube.network.stream import Address, Stream

EPHEMERAL = range(32768, 61000)
CONNECT_TIMEOUT = 130.0
"""Seconds until connect fails with ETIMEDOUT: net.ipv4.tcp_syn_retries is 6 (1 + 2 + 4 + ... + 64 s, roughly)."""
SYN_TIMES = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0)
"""Seconds after the first SYN at which it is sent again; something may have started to listen by then."""
NO_NEIGHBOUR = 3.0
"""Seconds after which an unanswered ARP request becomes EHOSTUNREACH."""
ANY = ("0.0.0.0", "::", "")
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
        self._hosts: dict[str, _Host] = {}
        self._nodes: dict[str, _Host] = {}
        self.flows: dict[Address, Datagram] = {}
        """Translated UDP sources: (node address, port) -> the socket its answers belong to."""
        self.outside = PodNetwork(self, self._add(_Host(OUTSIDE, "outside", None)))

    def attach(self, address: str, name: str, *, node: str | None = None) -> PodNetwork:
        """Give `address` to a pod on `node`, or (None) to the node called `name`. Raises OSError EADDRINUSE."""
        if address in self._hosts:
            raise OSError(errno.EADDRINUSE, f"Address already in use: {address}")
        host = self._add(_Host(address, name, node))
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

    def host(self, address: str) -> _Host | None:
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

    def _add(self, host: _Host) -> _Host:
        self._hosts[host.address] = host
        return host

    def route(self, sender: Sender, address: str, port: int, protocol: str) -> Route | None:
        """Ask the proxy of the node where the packet is handled; see Router.route."""
        node = self.node_at(address)
        return self.proxy.route(sender, address, port, protocol, node=node)

    def seen_as(self, sender: Sender, target: _Host, *, via: str | None, masquerade: bool) -> str:
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


class _Host:
    """One address and the kernel state behind it, shared by every PodNetwork of that address."""

    def __init__(self, address: str, name: str, node: str | None) -> None:
        self.address = address
        self.name = name
        self.sender = Sender(address, node)
        self.listeners: dict[Address, Listener] = {}
        self.datagrams: dict[Address, Datagram] = {}
        self.streams: set[Stream] = set()
        self.used: set[int] = set()
        """Source ports of open connections."""
        self._next = random.choice(EPHEMERAL)

    def listener(self, address: str, port: int) -> Listener | None:
        return _find(self.listeners, address, port)

    def datagram(self, address: str, port: int) -> Datagram | None:
        return _find(self.datagrams, address, port)

    def ephemeral(self, taken: Callable[[int], bool]) -> int:
        """A free source port. Raises OSError EADDRNOTAVAIL when there is none."""
        for _ in EPHEMERAL:
            port = self._next
            self._next = port + 1 if port + 1 in EPHEMERAL else EPHEMERAL.start
            if not taken(port):
                return port
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    def opened(self, stream: Stream) -> Stream:
        self.streams.add(stream)
        stream.on_close = self.streams.discard
        return stream

    def dialled(self, stream: Stream) -> Stream:
        self.streams.add(stream)
        self.used.add(stream.local[1])

        def gone(stream: Stream) -> None:
            self.streams.discard(stream)
            self.used.discard(stream.local[1])

        stream.on_close = gone
        return stream


Bound = TypeVar("Bound", Listener, Datagram)


def _find(table: dict[Address, Bound], address: str, port: int) -> Bound | None:
    found = table.get((address, port))
    if found is None:
        found = table.get(("0.0.0.0", port)) or table.get(("::", port))
    return found


class PodNetwork:
    """What the containers of one pod share: an address, a loopback and one set of ports.

    `share()` gives a container its own view of it, whose `close()` closes what that container opened and left open.
    """

    def __init__(self, fabric: Fabric, host: _Host) -> None:
        self.fabric = fabric
        self._host = host
        self._opened: set[Listener | Datagram | Stream] = set()

    def share(self) -> PodNetwork:
        """The same network for another container."""
        return PodNetwork(self.fabric, self._host)

    def close(self) -> None:
        """Close everything opened through this view, as the kernel does for a process that ends."""
        for opened in tuple(self._opened):
            opened.close()
        self._opened.clear()

    @property
    def address(self) -> str:
        return self._host.address

    @property
    def addresses(self) -> tuple[str, ...]:
        """Loopback last."""
        return (self._host.address, "127.0.0.1")

    @property
    def name(self) -> str:
        return self._host.name

    @property
    def node(self) -> str | None:
        return self._host.sender.node

    # -- TCP

    def listen(self, port: int, address: str = "0.0.0.0", *, backlog: int = 4096) -> Listener:
        """Listen; port 0 takes a free one. Raises OSError EADDRINUSE, EADDRNOTAVAIL."""
        table = self._host.listeners
        local = self._bindable(address)
        if port == 0:
            port = self._host.ephemeral(lambda p: _clashes(table, local, p) or p in self._host.used)
        elif _clashes(table, local, port):
            raise OSError(errno.EADDRINUSE, "Address already in use")

        def forget(gone: Listener) -> None:
            table.pop(gone.local, None)
            self._opened.discard(gone)

        listener = table[local, port] = Listener((local, port), backlog, self._track, forget)
        self._opened.add(listener)
        return listener

    async def connect(
        self, address: str, port: int, *, timeout: float | None = None, source_port: int | None = None
    ) -> Stream:
        """Open a connection; `timeout` in seconds of cluster time.

        Raises ConnectionRefusedError, TimeoutError (ETIMEDOUT), OSError EHOSTUNREACH ("No route to host", an unused pod
        address), ENETUNREACH (IPv6), EADDRINUSE (source_port). Connecting to a name is the resolver's work.
        """
        address = _literal(address)
        if source_port is not None and source_port in self._host.used:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        limit = CONNECT_TIMEOUT if timeout is None else timeout
        passed = 0.0
        for again in (*SYN_TIMES, CONNECT_TIMEOUT):
            try:
                return self._dial(address, port, source_port)
            except Dropped:
                pass
            except _NoNeighbour:
                if limit >= NO_NEIGHBOUR:
                    await self.fabric.clock.sleep(NO_NEIGHBOUR)
                    raise OSError(errno.EHOSTUNREACH, "No route to host") from None
            await self.fabric.clock.sleep(min(again, limit) - passed)
            passed = min(again, limit)
            if passed >= limit:
                break
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    def _dial(self, address: str, port: int, source_port: int | None) -> Stream:
        target, target_port, seen = self._reach(address, port, "TCP")
        listener = target.listener(
            address if target is self._host and _is_loopback(address) else target.address, target_port
        )
        if listener is None:
            raise refused()
        if listener.full:
            raise Dropped
        host = self._host
        local_port = source_port or host.ephemeral(lambda p: p in host.used or (host.address, p) in host.listeners)
        local = ("127.0.0.1" if _is_loopback(address) else host.address, local_port)
        remote_port = local_port
        here, there = Stream.pair(local, (target.address, target_port), seen_as=(seen, remote_port))
        here.remote = (address, port)
        if _is_loopback(address):
            there.local = (address, target_port)
        host.dialled(here)
        self._track(here)
        target.opened(there)
        listener.offer(there)
        return here

    def _track(self, stream: Stream) -> None:
        if stream.closed:
            return
        self._opened.add(stream)
        inner = stream.on_close

        def closed(gone: Stream) -> None:
            self._opened.discard(gone)
            if inner is not None:
                inner(gone)

        stream.on_close = closed

    # -- UDP

    def bind_udp(self, port: int = 0, address: str = "0.0.0.0") -> Datagram:
        """A datagram socket; port 0 takes a free one. Raises OSError EADDRINUSE, EADDRNOTAVAIL."""
        table = self._host.datagrams
        local = self._bindable(address)
        if port == 0:
            port = self._host.ephemeral(lambda p: _clashes(table, local, p))
        elif _clashes(table, local, port):
            raise OSError(errno.EADDRINUSE, "Address already in use")
        flows: dict[Address, tuple[Address, Address]] = {}  # as asked -> (endpoint, seen as): what conntrack remembers
        origins: dict[Address, Address] = {}  # endpoint -> as asked

        def send(socket: Datagram, data: bytes, to: Address) -> None:
            self._send(socket, data, (_literal(to[0]), to[1]), flows, origins)

        def forget(gone: Datagram) -> None:
            table.pop(gone.local, None)
            self._opened.discard(gone)
            self.fabric.forget(gone)

        socket = table[local, port] = _TranslatingDatagram((local, port), send, forget, origins)
        self._opened.add(socket)
        return socket

    def _send(
        self,
        socket: Datagram,
        data: bytes,
        to: Address,
        flows: dict[Address, tuple[Address, Address]],
        origins: dict[Address, Address],
    ) -> None:
        answering = self.fabric.flows.get(to)
        if answering is not None:  # an answer to a translated source
            answering.deliver(data, (self._host.address, socket.port))
            return
        found = flows.get(to)
        if found is None or self.fabric.host(found[0][0]) is None:  # a flow to an endpoint that is gone is forgotten
            try:
                target, port, seen = self._reach(to[0], to[1], "UDP")
            except ConnectionRefusedError:
                socket.unreachable(to)
                return
            except (Dropped, _NoNeighbour):
                return
            found = (target.address, port), (seen, socket.port)
            if seen != self._host.address and not _is_loopback(seen):
                found = found[0], self.fabric.masquerade(seen, socket)
            if found[0] != to and not _is_loopback(to[0]):  # only translated flows are remembered
                flows[to] = found
                origins[found[0]] = to
        else:
            target = self.fabric.host(found[0][0]) or self._host
        receiver = target.datagram(to[0] if _is_loopback(to[0]) else target.address, found[0][1])
        if receiver is None:
            flows.pop(to, None)
            socket.unreachable(to)
        else:
            receiver.deliver(data, found[1])

    # -- both

    def _reach(self, address: str, port: int, protocol: str) -> tuple[_Host, int, str]:
        """(host, port, source address it sees) behind an address. Raises as `Router.route`, and _NoNeighbour."""
        fabric, sender = self.fabric, self._host.sender
        loopback = _is_loopback(address)
        if loopback and not sender.is_node:
            return self._host, port, address
        asked = self._host.address if loopback else address  # a node's proxy serves NodePorts on its loopback too
        route = fabric.route(sender, asked, port, protocol)
        if route is None:
            if loopback or address == self._host.address:
                return self._host, port, address
            target = fabric.host(address)
            via = None
        else:
            target = fabric.host(route.address)
            via = fabric.node_at(asked) or sender.node
            address, port = route.address, route.port
        if target is None:
            raise _NoNeighbour if fabric.in_pod_range(address) else Dropped
        seen = fabric.seen_as(sender, target, via=via, masquerade=route is not None and route.masquerade)
        if target is not self._host and not fabric.policy.allowed(seen, address, port, protocol):
            raise Dropped
        return target, port, seen

    async def ping(self, address: str, *, timeout: float) -> bool:
        """Whether an ICMP echo is answered: pods and nodes answer, Service addresses do not.

        Raises OSError EHOSTUNREACH for an unused pod address.
        """
        address = _literal(address)
        if _is_loopback(address) or self.fabric.host(address) is not None:
            return True
        if self.fabric.in_pod_range(address) and timeout >= NO_NEIGHBOUR:
            await self.fabric.clock.sleep(NO_NEIGHBOUR)
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        await self.fabric.clock.sleep(timeout)
        return False

    def sockets(self) -> Iterator[Socket]:
        """Every socket of this network, as `ss -an` lists them."""
        for listener in self._host.listeners.values():
            yield Socket("tcp", "LISTEN", listener.local, ("0.0.0.0", 0))
        for stream in self._host.streams:
            yield Socket("tcp", stream.state, stream.local, stream.remote)
        for socket in self._host.datagrams.values():
            yield Socket("udp", "ESTABLISHED" if socket.peer else "UNCONN", socket.local, socket.peer or ("0.0.0.0", 0))

    def _bindable(self, address: str) -> str:
        if address in ANY:
            return address or "0.0.0.0"
        address = _literal(address)
        if address != self._host.address and not _is_loopback(address):
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return address


class _TranslatingDatagram(Datagram):
    """Answers from an endpoint seem to come from the Service address that was asked."""

    def __init__(
        self,
        local: Address,
        send: Callable[[Datagram, bytes, Address], None],
        forget: Callable[[Datagram], None],
        origins: dict[Address, Address],
    ) -> None:
        super().__init__(local, send, forget)
        self._origins = origins

    def deliver(self, data: bytes, sender: Address) -> None:
        super().deliver(data, self._origins.get(sender, sender))


class _NoNeighbour(Exception):
    """Nobody answers ARP for the address."""


def _is_loopback(address: str) -> bool:
    return address.startswith("127.")


def _clashes(table: dict[Address, Any], address: str, port: int) -> bool:
    if address in ANY:
        return any(p == port for _, p in table)
    return (address, port) in table or ("0.0.0.0", port) in table or ("::", port) in table


def _literal(address: str) -> str:
    """An IPv4 address (localhost is one). Raises OSError ENETUNREACH for IPv6, ValueError for a name."""
    if address == "localhost":
        return "127.0.0.1"
    if address in ("0.0.0.0", ""):
        return "127.0.0.1"  # Linux connects to itself
    if ":" in address:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")
    try:
        IPv4Address(address)
    except AddressValueError:
        raise ValueError(f"not an address: {address}") from None
    return address
