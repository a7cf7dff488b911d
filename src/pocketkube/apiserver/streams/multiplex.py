"""Many streams over one connection, with SPDY/3.1: what the server's side of spdystream and httpstream is upstream.

There is no flow control in that protocol as Kubernetes uses it: when one stream is not read, its Inbox fills up and
the whole connection waits, as it does upstream. Left out: streams that the server opens, idle time-outs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from pocketkube.apiserver.streams import spdy
from pocketkube.apiserver.streams.inbox import Inbox

CHUNK: Final = 32 * 1024
"""Bytes of one DATA frame."""


class Wire(Protocol):
    """What carries the frames: an upgraded connection, or the messages of a WebSocket."""

    async def read(self) -> bytes:
        """b"" at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Raises BrokenPipeError when the other side is gone. Hands `data` on before it waits."""
        ...


class Refused(Exception):
    """The stream that was opened makes no sense: it is reset."""


class Stream:
    """One stream, opened by the client; `headers` have lower-case names."""

    def __init__(self, id: int, headers: Mapping[str, str], send: Callable[[spdy.Frame], Awaitable[None]]) -> None:
        self.id = id
        self.headers = headers
        self.inbox = Inbox()
        self.closed = False
        """This side has ended it, or it was reset."""
        self._send = send

    async def read(self, most: int = 65536, /) -> bytes:
        """b"" once the client has ended its side. Raises ConnectionResetError."""
        return await self.inbox.read(most)

    async def write(self, data: bytes, /) -> int:
        """Raises BrokenPipeError when the stream or the connection is gone."""
        for start in range(0, len(data), CHUNK):
            if self.closed:
                raise BrokenPipeError(32, "Broken pipe")
            await self._send(spdy.Data(self.id, data[start : start + CHUNK]))
        return len(data)

    async def close(self) -> None:
        """No more is written; the client may go on."""
        if not self.closed:
            self.closed = True
            with suppress(BrokenPipeError):
                await self._send(spdy.Data(self.id, b"", fin=True))

    async def finish(self) -> None:
        """No more is written, and what the client still sends is dropped."""
        await self.close()
        self.inbox.end()

    async def reset(self, status: int = spdy.CANCEL) -> None:
        """Neither side goes on."""
        if not (self.closed and self.inbox.ended):
            self.abandon()
            with suppress(BrokenPipeError):
                await self._send(spdy.Reset(self.id, status))

    def abandon(self) -> None:
        """The other side has reset it, or the connection is gone."""
        self.closed = True
        if not self.inbox.ended:
            self.inbox.break_(ConnectionResetError(104, "Connection reset by peer"))


class Connection:
    """`run` until the client is gone. `accept` is told of every stream the client opens; it may raise Refused."""

    def __init__(self, wire: Wire, accept: Callable[[Stream], None]) -> None:
        self._wire = wire
        self._accept = accept
        self._decoder, self._encoder = spdy.Decoder(), spdy.Encoder()
        self._streams: dict[int, Stream] = {}
        self._last = 0

    async def run(self) -> None:
        """Returns when the connection has ended, whichever way; streams still open are then broken."""
        try:
            while data := await self._wire.read():
                for frame in self._decoder.feed(data):
                    await self._take(frame)
        except (spdy.SpdyError, ConnectionError):
            await self.close()
        finally:
            for stream in self._streams.values():
                stream.abandon()
            self._streams.clear()

    async def close(self) -> None:
        """Say that no more streams are taken, before the wire is closed."""
        with suppress(BrokenPipeError):
            await self._send(spdy.GoAway(self._last))

    async def _send(self, frame: spdy.Frame) -> None:
        await self._wire.write(self._encoder.encode(frame))

    async def _take(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.Data(id, data, fin):
                stream = self._streams.get(id)
                if stream is None or stream.inbox.ended:
                    return  # of a stream that was reset: the client could not know yet
                await stream.inbox.feed(data)
                if fin:
                    self._half_closed(stream)
            case spdy.Opened(id, headers, fin):
                await self._opened(id, headers, fin)
            case spdy.Reset(id):
                stream = self._streams.pop(id, None)
                if stream is not None:
                    stream.abandon()
            case spdy.Ping(number):
                if number % 2:  # even ones would answer ours
                    await self._send(frame)

    async def _opened(self, id: int, headers: Mapping[str, str], fin: bool) -> None:
        if id <= self._last or not id % 2:
            raise spdy.SpdyError(f"the client opened stream {id} after {self._last}")
        self._last = id
        self._forget_ended()
        stream = Stream(id, headers, self._send)
        try:
            self._accept(stream)
        except Refused:
            await stream.reset(spdy.REFUSED_STREAM)
            return
        self._streams[id] = stream
        await self._send(spdy.Replied(id))
        if fin:
            self._half_closed(stream)

    def _half_closed(self, stream: Stream) -> None:
        stream.inbox.end()
        self._forget_ended()

    def _forget_ended(self) -> None:
        for id in [id for id, stream in self._streams.items() if stream.closed and stream.inbox.ended]:
            del self._streams[id]
