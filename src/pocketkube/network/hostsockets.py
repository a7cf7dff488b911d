"""Real sockets of this machine that lead into the fabric: one TCP or UDP port on 127.0.0.1 each.

What arrives enters the cluster from outside, at (address, port) as `target` says at that moment. TCP: bytes, half
closes and resets are carried both ways. UDP: every sender of this machine has a socket of its own inside, as with
Docker's port mapping, for as long as datagrams flow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import cast

from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.sockets import Datagram
from pocketkube.network.sockpipe import CHUNK, closing, join, reset
from pocketkube.network.stream import Address

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
UDP_IDLE = 180.0
"""Seconds without a datagram after which a UDP sender is forgotten (nf_conntrack_udp_timeout_stream is 120)."""
Target = Callable[[], Address]
"""Where traffic goes, asked for every connection. Raises OSError when there is nothing to go to."""


MOST = 1024
"""Connections and UDP senders at a time, through all ports: more sockets are not left to the API server's."""


class Carriers:
    """The tasks that carry what flows through a machine's ports; `end` ends them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name="host port")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def full(self) -> bool:
        return len(self._tasks) >= MOST

    async def end(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def open_port(
    outside: PodNetwork, protocol: str, port: int, target: Target, carriers: Carriers
) -> TcpPort | UdpPort:
    """Listen on 127.0.0.1; `port` 0 lets the system choose, `.port` says which. Raises OSError."""
    if protocol == "UDP":
        udp = UdpPort(outside, target, carriers)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: udp, local_addr=(HOST, port))
        return udp
    tcp = TcpPort(outside, target, carriers)
    tcp.server = await asyncio.start_server(tcp.accept, HOST, port, limit=CHUNK)
    return tcp


class TcpPort:
    server: asyncio.Server

    def __init__(self, outside: PodNetwork, target: Target, carriers: Carriers) -> None:
        self._outside = outside
        self._target = target
        self._carriers = carriers

    @property
    def port(self) -> int:
        return cast(int, self.server.sockets[0].getsockname()[1])

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._carriers.full:
            log.debug("host port %d: too many connections", self.port)
            reset(writer)
            return
        task = self._carriers.start(self._pipe(reader, writer))
        task.add_done_callback(lambda _: writer.close())  # also when it was cancelled before its first step

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closing(writer):
            try:
                stream = await self._outside.connect(*self._target())
            except OSError as error:
                log.debug("host port %d: %s", self.port, error)
                reset(writer)
                return
            await join(stream, reader, writer)

    def close(self) -> None:
        """Stop listening; connections that are open go on, as when iptables rules are removed."""
        self.server.close()


class UdpPort(asyncio.DatagramProtocol):
    def __init__(self, outside: PodNetwork, target: Target, carriers: Carriers) -> None:
        self._outside = outside
        self._target = target
        self._carriers = carriers
        self._transport: asyncio.DatagramTransport
        self._flows: dict[Address, Datagram] = {}

    @property
    def port(self) -> int:
        return cast(int, self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        socket = self._flows.get(addr)
        if socket is None:
            if self._carriers.full:
                return
            socket = self._flows[addr] = self._outside.bind_udp()
            self._carriers.start(self._answers(addr, socket))
        try:
            socket.sendto(data, self._target())
        except OSError as error:
            log.debug("host port %d/udp: %s", self.port, error)

    async def _answers(self, sender: Address, socket: Datagram) -> None:
        try:
            while True:
                async with asyncio.timeout(UDP_IDLE):
                    data, _ = await socket.recvfrom()
                self._transport.sendto(data, sender)
        except OSError:  # idle for long (a TimeoutError), or the port was closed
            pass
        finally:
            socket.close()
            self._flows.pop(sender, None)

    def close(self) -> None:
        for socket in tuple(self._flows.values()):
            socket.close()
        self._transport.close()
