"""What a program holds to receive: a listening socket and a datagram socket, and what `ss` and `netstat` show of one.

Models the backlog (a full one delays the connecting side), datagrams that are lost when nobody reads them, and ICMP
port unreachable, which a connected datagram socket reports as ECONNREFUSED. Left out: SO_REUSEPORT, multicast.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pocketkube.network.stream import Address, Stream

SOMAXCONN = 4096
UDP_QUEUE = 1024


@dataclass(frozen=True, slots=True)
class Socket:
    """One line of `ss -an`. protocol: tcp or udp; state as netstat spells it; UNCONN is an unconnected UDP socket."""

    protocol: str
    state: str
    local: Address
    remote: Address
    v6only: bool = False


def refused() -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


class Listener:
    """A listening socket; iterating it yields accepted streams until it is closed."""

    def __init__(
        self,
        local: Address,
        backlog: int,
        adopt: Callable[[Stream], None],
        forget: Callable[[Listener], None],
    ) -> None:
        self.local = local
        self.v6only = False
        """Bound to `::` it takes no IPv4 (IPV6_V6ONLY)."""
        self.closed = False
        self._adopt = adopt
        self._backlog = min(max(1, backlog), SOMAXCONN)
        self._waiting: deque[Stream] = deque()
        self._forget = forget
        self._arrived = asyncio.Event()

    @property
    def port(self) -> int:
        return self.local[1]

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._backlog

    def offer(self, stream: Stream) -> None:
        """A connection is established; the program finds it in the backlog."""
        self._waiting.append(stream)
        self._arrived.set()

    async def accept(self) -> Stream:
        """The next connection. Raises OSError EBADF once the listener is closed."""
        while not self._waiting:
            if self.closed:
                raise OSError(errno.EBADF, "Bad file descriptor")
            self._arrived.clear()
            await self._arrived.wait()
        stream = self._waiting.popleft()
        self._adopt(stream)
        return stream

    def __aiter__(self) -> Listener:
        return self

    async def __anext__(self) -> Stream:
        try:
            return await self.accept()
        except OSError:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """Stop listening; connections nobody accepted are reset."""
        if not self.closed:
            self.closed = True
            self._forget(self)
            while self._waiting:
                self._waiting.popleft().abort()
            self._arrived.set()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Datagram:
    """A UDP socket. Made by `PodNetwork.bind_udp`; `send` is the fabric's way out."""

    def __init__(
        self,
        local: Address,
        send: Callable[[Datagram, bytes, Address], None],
        forget: Callable[[Datagram], None],
    ) -> None:
        self.local = local
        self.v6only = False
        self.peer: Address | None = None
        self.closed = False
        self._send = send
        self._forget = forget
        self._queue: deque[tuple[bytes, Address]] = deque()
        self._error: OSError | None = None
        self._arrived = asyncio.Event()

    @property
    def port(self) -> int:
        return self.local[1]

    def connect(self, address: Address) -> None:
        """Talk to one peer only: others' datagrams are not received, and its port unreachable is reported."""
        self.peer = address

    def send(self, data: bytes) -> None:
        """To the connected peer. Raises ConnectionRefusedError when an earlier datagram was refused."""
        if self.peer is None:
            raise OSError(errno.EDESTADDRREQ, "Destination address required")
        self.sendto(data, self.peer)

    def sendto(self, data: bytes, address: Address) -> None:
        """Never waits; what does not arrive is lost. Raises a pending ConnectionRefusedError, OSError EMSGSIZE."""
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if len(data) > 65507:
            raise OSError(errno.EMSGSIZE, "Message too long")
        self._raise_pending()
        self._send(self, bytes(data), address)

    async def recvfrom(self) -> tuple[bytes, Address]:
        """(datagram, sender). Raises ConnectionRefusedError on a connected socket whose peer refused."""
        while not self._queue:
            self._raise_pending()
            if self.closed:
                raise OSError(errno.EBADF, "Bad file descriptor")
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def deliver(self, data: bytes, sender: Address) -> None:
        if (self.peer is None or self.peer == sender) and len(self._queue) < UDP_QUEUE:
            self._queue.append((data, sender))
            self._arrived.set()

    def unreachable(self, address: Address) -> None:
        """ICMP port unreachable came back for a datagram to `address`."""
        if self.peer == address:
            self._error = refused()
            self._arrived.set()

    def _raise_pending(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._forget(self)
            self._arrived.set()

    def __enter__(self) -> Datagram:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
