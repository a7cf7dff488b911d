"""Byte streams in memory: a one-way `Channel` (what a pipe is) and a two-way `Stream` (what a TCP connection is).

Models what a program sees of a pipe or a connected socket: bounded buffers with back-pressure, end of file after
`write_eof`, BrokenPipeError / ConnectionResetError when the other side is gone. Left out: out-of-band data, Nagle.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable

Address = tuple[str, int]
CAPACITY = 65536
RETRANSMITTED = 924.6
"""Seconds Linux sends again what nobody acknowledges: net.ipv4.tcp_retries2 is 15."""


class Channel:
    """One direction. `read` returns b"" at the end; `write` waits while CAPACITY bytes lie unread."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._capacity = capacity
        self._ended = False
        self._broken: OSError | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.on_sent: Callable[[], None] | None = None
        """Called when bytes, or the end, are written."""

    async def read(self, most: int = CAPACITY) -> bytes:
        while not self._chunks:
            if isinstance(self._broken, ConnectionResetError):
                raise ConnectionResetError(*self._broken.args)
            if self._ended or self._broken:
                return b""
            self._readable.clear()
            await self._readable.wait()
        chunk = self._chunks.popleft()
        if len(chunk) > most:
            self._chunks.appendleft(chunk[most:])
            chunk = chunk[:most]
        self._size -= len(chunk)
        if self._size < self._capacity:
            self._writable.set()
        return chunk

    async def write(self, data: bytes) -> None:
        view = bytes(data)
        while view:
            if self._broken:
                raise type(self._broken)(*self._broken.args)
            if self._ended:
                raise BrokenPipeError(32, "Broken pipe")
            room = self._capacity - self._size
            if room <= 0:
                self._writable.clear()
                await self._writable.wait()
                continue
            part, view = view[:room], view[room:]
            self._chunks.append(part)
            self._size += len(part)
            self._readable.set()
            if self.on_sent is not None:
                self.on_sent()

    def write_eof(self) -> None:
        """No more bytes follow; what was written can still be read."""
        if not self._ended and self.on_sent is not None:
            self.on_sent()
        self._ended = True
        self._readable.set()
        self._writable.set()

    def break_(self, error: OSError | None = None) -> None:
        """The reader is gone (BrokenPipeError for writers) or the connection was reset (`error`, for both sides)."""
        self._broken = error or BrokenPipeError(32, "Broken pipe")
        if error is not None:
            self._chunks.clear()
            self._size = 0
        self._readable.set()
        self._writable.set()

    def close(self) -> None:
        self.write_eof()

    @property
    def ended(self) -> bool:
        """The writer has ended or the connection is broken; bytes may still lie unread."""
        return self._ended or self._broken is not None

    @property
    def unread(self) -> int:
        """Bytes written and not read yet."""
        return self._size


class Stream:
    """A connected socket: `local` and `remote` are (address, port) as this side sees them."""

    def __init__(self, incoming: Channel, outgoing: Channel, local: Address, remote: Address) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self.local = local
        self.remote = remote
        self.closed = False
        self.mapped = False
        """An IPv4 connection that a socket of both families accepted: ss and netstat show `::ffff:` addresses."""
        self.on_close: Callable[[Stream], None] | None = None
        """Called once, when this side is closed or reset by its owner or the fabric."""

    @classmethod
    def pair(cls, client: Address, server: Address, *, seen_as: Address | None = None) -> tuple[Stream, Stream]:
        """(client's side, server's side); the server sees the client as `seen_as` after source translation."""
        up, down = Channel(), Channel()
        return cls(down, up, client, server), cls(up, down, server, seen_as or client)

    async def read(self, most: int = CAPACITY) -> bytes:
        """Up to `most` bytes; b"" once the other side ended. Raises ConnectionResetError."""
        return await self._incoming.read(most)

    async def write(self, data: bytes) -> None:
        """Raises BrokenPipeError or ConnectionResetError when the other side is gone."""
        await self._outgoing.write(data)

    def write_eof(self) -> None:
        """Half-close: the other side reads the end, this side can still read."""
        self._outgoing.write_eof()

    def close(self) -> None:
        if not self.closed:
            self._outgoing.write_eof()
            self._incoming.break_()
            self._closed()

    def abort(self) -> None:
        """Reset: both sides fail with ConnectionResetError."""
        reset = ConnectionResetError(104, "Connection reset by peer")
        self._outgoing.break_(reset)
        self._incoming.break_(reset)
        if not self.closed:
            self._closed()

    def lose(self) -> Unanswered:
        """This side's machine has no power any more: the other side learns nothing of it, and waits."""
        left = Unanswered(self._incoming, self._outgoing)
        self._incoming, self._outgoing = Channel(), Channel()
        self.abort()
        return left

    def _closed(self) -> None:
        self.closed = True
        if self.on_close is not None:
            self.on_close(self)

    @property
    def state(self) -> str:
        """As `netstat` names it."""
        if self.closed:
            return "CLOSED"
        if self._outgoing.ended:
            return "LAST_ACK" if self._incoming.ended else "FIN_WAIT2"
        return "CLOSE_WAIT" if self._incoming.ended else "ESTABLISHED"

    @property
    def unread(self) -> int:
        """Bytes received and not read yet."""
        return self._incoming.unread


class Unanswered:
    """A connection whose other side is on a machine without power: what the side that is left sends and receives.

    An idle one hangs, as on Linux; what is sent is sent again for `RETRANSMITTED` seconds, then it fails."""

    def __init__(self, sent: Channel, received: Channel) -> None:
        self.sent, self.received = sent, received
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, speed: float) -> None:
        """From now on. `speed`: cluster seconds per second."""

        def sent() -> None:
            if self._timer is None:
                late = ConnectionResetError(errno.ETIMEDOUT, "Connection timed out")
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(RETRANSMITTED / speed, self._fail, late)

        self.sent.on_sent = sent

    def refuse(self) -> None:
        """The machine is back and knows nothing of the connection: RST."""
        if self._timer is not None:
            self._timer.cancel()
        self._fail(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _fail(self, error: ConnectionResetError) -> None:
        self.sent.on_sent = None
        self.sent.break_(error)
        self.received.break_(error)
