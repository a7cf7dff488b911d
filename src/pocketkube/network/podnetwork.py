"""What the containers of one pod share of the network, and the calls a program makes: connect, listen, bind, ping.

Models the socket calls of Linux with their errors, conntrack's memory of translated UDP flows, and SYN retransmission.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from pocketkube.network.addresses import ANY, LOOPBACK, is_ipv6, is_loopback, literal, wildcard
from pocketkube.network.host import Host
from pocketkube.network.route import Dropped
from pocketkube.network.sockets import Datagram, Listener, Socket, refused
from pocketkube.network.stream import Address, Stream
from pocketkube.network.way import NoNeighbour, Way, permitted, reach

if TYPE_CHECKING:
    from pocketkube.network.fabric import Fabric

CONNECT_TIMEOUT = 130.0
"""Seconds until connect fails with ETIMEDOUT: net.ipv4.tcp_syn_retries is 6 (1 + 2 + 4 + ... + 64 s, roughly)."""
SYN_TIMES = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0)
"""Seconds after the first SYN at which it is sent again; something may have started to listen by then."""
NO_NEIGHBOUR = 3.0
"""Seconds after which an unanswered ARP request becomes EHOSTUNREACH."""


class PodNetwork:
    """What the containers of one pod share: its addresses, a loopback and one set of ports.

    `share()` gives a container its own view of it, whose `close()` closes what that container opened and left open.
    """

    def __init__(self, fabric: Fabric, host: Host) -> None:
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
        """The primary one."""
        return self._host.address

    @property
    def addresses(self) -> tuple[str, ...]:
        """One of each family it has, the primary one first; the loopback is left out."""
        return self._host.addresses

    def source_for(self, address: str) -> str:
        """The pod's own address of the family of `address`; the primary one where it has none of it."""
        sender = self._host.senders.get(is_ipv6(address), self._host.sender)
        return sender.address

    @property
    def name(self) -> str:
        return self._host.name

    @property
    def node(self) -> str | None:
        return self._host.sender.node

    # -- TCP

    def listen(self, port: int, address: str = "0.0.0.0", *, backlog: int = 4096, v6only: bool = False) -> Listener:
        """Listen; port 0 takes a free one. On `::` both families arrive, unless `v6only`.

        Raises OSError EADDRINUSE, EADDRNOTAVAIL.
        """
        table = self._host.listeners
        local = self._bindable(address)
        if port == 0:
            port = self._host.ephemeral(lambda p: _clashes(table, local, p, v6only) or p in self._host.used)
        elif _clashes(table, local, port, v6only):
            raise OSError(errno.EADDRINUSE, "Address already in use")

        def forget(gone: Listener) -> None:
            table.pop(gone.local, None)
            self._opened.discard(gone)

        listener = table[local, port] = Listener((local, port), backlog, self._track, forget)
        listener.v6only = v6only
        self._opened.add(listener)
        return listener

    async def connect(
        self, address: str, port: int, *, timeout: float | None = None, source_port: int | None = None
    ) -> Stream:
        """Open a connection; `timeout` in seconds of cluster time.

        Raises ConnectionRefusedError, TimeoutError (ETIMEDOUT), OSError EHOSTUNREACH ("No route to host", an unused pod
        address), ENETUNREACH (a family the pod does not have), EADDRINUSE (source_port). Connecting to a name is the
        resolver's work.
        """
        address = literal(address)
        if source_port is not None and source_port in self._host.used:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        limit = CONNECT_TIMEOUT if timeout is None else timeout
        passed = 0.0
        for again in (*SYN_TIMES, CONNECT_TIMEOUT):
            try:
                return self._dial(address, port, source_port)
            except Dropped:
                pass
            except NoNeighbour:
                if limit >= NO_NEIGHBOUR:
                    await self.fabric.clock.sleep(NO_NEIGHBOUR)
                    raise OSError(errno.EHOSTUNREACH, "No route to host") from None
            await self.fabric.clock.sleep(min(again, limit) - passed)
            passed = min(again, limit)
            if passed >= limit:
                break
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    def _dial(self, address: str, port: int, source_port: int | None) -> Stream:
        way = reach(self.fabric, self._host, address, port, "TCP")
        if not permitted(self.fabric, self._host, way, "TCP"):
            raise Dropped
        target = way.target
        listener = target.listener(way.address, way.port)
        if listener is None:
            raise refused()
        if listener.full:
            raise Dropped
        host = self._host
        own = LOOPBACK[is_ipv6(address)] if is_loopback(address) else host.own(address)
        local_port = source_port or host.ephemeral(lambda p: p in host.used or (own, p) in host.listeners)
        here, there = Stream.pair((own, local_port), (way.address, way.port), seen_as=(way.seen, local_port))
        here.remote = (address, port)
        there.mapped = is_ipv6(listener.local[0]) and not is_ipv6(way.address)
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
        flows: dict[Address, tuple[Way, Address]] = {}  # as asked -> (where to, seen as): translations that are kept
        origins: dict[Address, Address] = {}  # endpoint -> as asked

        def send(socket: Datagram, data: bytes, to: Address) -> None:
            self._send(socket, data, (literal(to[0]), to[1]), flows, origins)

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
        flows: dict[Address, tuple[Way, Address]],
        origins: dict[Address, Address],
    ) -> None:
        if is_ipv6(to[0]) and not is_ipv6(socket.local[0]):
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        here = (to[0] if is_loopback(to[0]) else self._host.own(to[0]), socket.port)
        conntrack = self.fabric.conntrack
        answering = self.fabric.flows.get(to)
        if answering is not None:  # an answer to a translated source
            conntrack.established(here, to)
            answering.deliver(data, here)
            return
        found = flows.get(to)
        asker = self.fabric.host(to[0]) if found is None and conntrack.established(here, to) else None
        if asker is not None:  # an answer keeps its source, whatever the CNI would make of a new flow
            receiver = asker.datagram(*to)
            if receiver is None:
                socket.unreachable(to)
            else:
                receiver.deliver(data, here)
            return
        if found is None or not self._goes_on(found[0]):
            try:  # a flow to an endpoint that is gone is forgotten
                way = reach(self.fabric, self._host, to[0], to[1], "UDP")
            except ConnectionRefusedError:
                socket.unreachable(to)
                return
            except (Dropped, NoNeighbour):
                return
            seen = (way.seen, socket.port)
            if way.seen != here[0] and not is_loopback(way.seen):
                seen = self.fabric.masquerade(way.seen, socket)
            if way.endpoint != to:  # only translated flows are remembered
                flows[to] = way, seen
                origins[way.endpoint] = to
        else:
            way, seen = found
        if way.target is not self._host and not conntrack.established(seen, way.endpoint):
            if not permitted(self.fabric, self._host, way, "UDP"):
                return
            conntrack.begin(seen, way.endpoint)
        receiver = way.target.datagram(way.address, way.port)
        if receiver is None:
            flows.pop(to, None)
            socket.unreachable(to)
        else:
            receiver.deliver(data, seen)

    def _goes_on(self, way: Way) -> bool:
        """Whether a translation still holds: its endpoint is there and serves (kube-proxy deletes the others)."""
        there = self.fabric.host(way.target.address) is way.target
        return there and self.fabric.keeps(way.asked, "UDP", way.endpoint)

    # -- both

    async def ping(self, address: str, *, timeout: float) -> bool:
        """Whether an ICMP echo is answered: pods and nodes answer, Service addresses do not.

        Raises OSError EHOSTUNREACH for an unused pod address, ENETUNREACH for a family the pod does not have.
        """
        address = literal(address)
        if is_loopback(address):
            return True
        self._host.own(address)
        target = self.fabric.host(address)
        if target is not None:
            sender = self._host.senders[is_ipv6(address)]
            seen = self.fabric.seen_as(sender, target, via=None, masquerade=False)
            if permitted(self.fabric, self._host, Way(target, address, 0, seen, (address, 0)), "ICMP"):
                return True
            await self.fabric.clock.sleep(timeout)
            return False
        if self.fabric.in_pod_range(address) and not self.fabric.is_dark(address) and timeout >= NO_NEIGHBOUR:
            await self.fabric.clock.sleep(NO_NEIGHBOUR)
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        await self.fabric.clock.sleep(timeout)
        return False

    def sockets(self) -> Iterator[Socket]:
        """Every socket of this network, as `ss -an` lists them."""
        for listener in self._host.listeners.values():
            yield Socket("tcp", "LISTEN", listener.local, (wildcard(listener.local[0]), 0), listener.v6only)
        for stream in self._host.streams:
            ends = stream.local, stream.remote
            local, remote = ((f"::ffff:{a}", p) for a, p in ends) if stream.mapped else ends
            yield Socket("tcp", stream.state, local, remote)
        for socket in self._host.datagrams.values():
            state, remote = ("ESTABLISHED", socket.peer) if socket.peer else ("UNCONN", (wildcard(socket.local[0]), 0))
            yield Socket("udp", state, socket.local, remote)

    def _bindable(self, address: str) -> str:
        if address in ANY:
            return address or "0.0.0.0"
        address = literal(address)
        if address not in self._host.addresses and not is_loopback(address):
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


def _clashes(table: Mapping[Address, Listener | Datagram], address: str, port: int, v6only: bool = False) -> bool:
    """Whether Linux refuses to bind: the same address, or "any" of a family that is bound already."""
    families = _families(address, v6only)
    for (other, number), bound in table.items():
        if number != port:
            continue
        if other == address or ((other in ANY or address in ANY) and families & _families(other, bound.v6only)):
            return True
    return False


def _families(address: str, v6only: bool) -> set[int]:
    """What arrives at a socket that is bound to `address`: `::` takes IPv4 as well, as Linux has it by default."""
    if not is_ipv6(address):
        return {4}
    return {4, 6} if address == "::" and not v6only else {6}
