"""The client's side of an exec or attach: its stdin and outputs as descriptors, and the outcome at the end.

Two kinds with one face: channels in a WebSocket, and SPDY streams (kubectl before 1.31, k9s, and who switches WebSocket
off). Models createStreams of k8s.io/cri-streaming's remotecommand. Left out: SPDY protocols older than v4, which have
no exit codes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

import orjson
from aiohttp import web

from pocketkube.apiserver.request import Query, Request
from pocketkube.apiserver.streams import channels, upgrade
from pocketkube.apiserver.streams.multiplex import Connection, Refused, Stream
from pocketkube.errors import BadRequest

SPDY_PROTOCOLS: Final = ("v4.channel.k8s.io",)
STREAMS_WITHIN: Final = 30.0
"""Seconds a SPDY client has to open its streams."""
_HASTY: Final = re.compile(r"kubectl[^/ ]*/v1\.(29|30|31|32)\.")
_HASTY_NEEDS: Final = 0.1
"""Seconds until the first message to a kubectl that reads before it has made its streams and throws away what it gets
meanwhile (mended in 1.33). It gives no sign when it has made them; a real node is slow enough."""


class Session(Protocol):
    fds: dict[int, Any]

    @property
    def response(self) -> web.StreamResponse:
        """What the request's handler returns in the end."""
        ...

    async def ready(self) -> bool:
        """Wait until `fds` can be used; False when the client never gets there. `receive` must be running."""
        ...

    async def receive(self) -> None:
        """Take in what the client sends, until it is gone."""
        ...

    async def finish(self, status: dict[str, Any]) -> None:
        """Tell the outcome and end the connection."""
        ...


async def begin(request: Request) -> Session | web.Response:
    """Upgrade the connection to what the client offers, or answer why not. Raises BadRequest, BrokenPipeError."""
    asked = upgrade.wanted(request)
    if asked == "websocket":
        socket = await upgrade.websocket(request, channels.PROTOCOLS)
        hasty = _HASTY.match(request.http.headers.get("User-Agent", "")) is not None
        return WebSocketSession(socket, request.query, _HASTY_NEEDS if hasty else 0.0)
    if asked != upgrade.SPDY.lower():
        raise BadRequest(f"unable to upgrade: {asked} is not supported, only websocket and {upgrade.SPDY}")
    offers = upgrade.offered(request, upgrade.VERSION_HEADER)
    protocol = next((name for name in offers if name in SPDY_PROTOCOLS), None)
    if protocol is None:
        return upgrade.refuse_protocols(offers, SPDY_PROTOCOLS)
    return SpdySession(await upgrade.spdy(request, protocol), request.query)


class WebSocketSession:
    def __init__(self, socket: web.WebSocketResponse, query: Query, needs: float = 0.0) -> None:
        self.response: web.StreamResponse = socket
        self._channels = channels.Channels(socket)
        self._needs = needs
        self._stdin = channels.Stdin()
        self.fds: dict[int, Any] = {}
        if query.flag("stdin"):
            self.fds[0] = self._stdin
        if query.flag("stdout"):
            self.fds[1] = channels.Output(self._channels, channels.STDOUT)
        if query.flag("stderr") and not query.flag("tty"):
            self.fds[2] = channels.Output(self._channels, channels.STDERR)
        elif query.flag("tty") and 1 in self.fds:
            self.fds[2] = self.fds[1]

    async def ready(self) -> bool:
        await asyncio.sleep(self._needs)
        first = channels.STDOUT if 1 in self.fds else channels.STDERR if 2 in self.fds else channels.STATUS
        await self._channels.send(first, b"")  # the session has begun
        return True

    async def receive(self) -> None:
        await self._channels.receive(self._stdin)

    async def finish(self, status: dict[str, Any]) -> None:
        await self._channels.finish(status)


class SpdySession:
    def __init__(self, wire: upgrade.Raw, query: Query) -> None:
        self.response: web.StreamResponse = wire.response
        self.fds: dict[int, Any] = {}
        self._connection = Connection(wire, self._accept)
        self._stdin = channels.Stdin()
        self._streams: dict[str, Stream] = {}
        tty = query.flag("tty")
        self._tty = tty
        wanted = {"error": True, "stdin": query.flag("stdin"), "stdout": query.flag("stdout"), "resize": tty}
        wanted["stderr"] = query.flag("stderr") and not tty
        self._expected = {name for name, meant in wanted.items() if meant}
        self._complete = asyncio.Event()

    def _accept(self, stream: Stream) -> None:
        kind = stream.headers.get("streamtype", "")
        if kind not in self._expected or kind in self._streams:
            raise Refused
        self._streams[kind] = stream
        if self._streams.keys() == self._expected:
            self._complete.set()

    async def ready(self) -> bool:
        try:
            async with asyncio.timeout(STREAMS_WITHIN):
                await self._complete.wait()
        except TimeoutError:
            return False
        if "stdin" in self._streams:
            self.fds[0] = self._stdin
        if "stdout" in self._streams:
            self.fds[1] = _Output(self._streams["stdout"])
        if "stderr" in self._streams:
            self.fds[2] = _Output(self._streams["stderr"])
        elif self._tty and 1 in self.fds:
            self.fds[2] = self.fds[1]
        return True

    async def receive(self) -> None:
        async with asyncio.TaskGroup() as group:
            typed, sized = group.create_task(self._type()), group.create_task(self._resize())
            await self._connection.run()
            typed.cancel()
            sized.cancel()
        self._stdin.end()

    async def _type(self) -> None:
        await self._complete.wait()
        if "stdin" in self._streams:
            async for data in _pieces(self._streams["stdin"]):
                await self._stdin.feed(data)
        self._stdin.end()

    async def _resize(self) -> None:
        await self._complete.wait()
        held = b""
        if "resize" in self._streams:
            async for data in _pieces(self._streams["resize"]):
                *sizes, held = (held + data).split(b"}")  # one JSON object after the other
                for size in sizes:
                    self._stdin.resize_to(size + b"}")
                held = held[-channels.LONGEST_SIZE :]

    async def finish(self, status: dict[str, Any]) -> None:
        error = self._streams["error"]
        for stream in self._streams.values():
            if stream is not error:
                await stream.finish()
        try:
            await error.write(orjson.dumps(status))
        except BrokenPipeError:
            return
        await error.finish()
        await self._connection.close()


class _Output:
    """A writable descriptor: the program's closing it does not end the stream, for others may share it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def write(self, data: bytes, /) -> int:
        return await self._stream.write(data)

    def close(self) -> None:
        return


async def _pieces(stream: Stream) -> AsyncIterator[bytes]:
    try:
        while data := await stream.read():
            yield data
    except ConnectionResetError:
        return
