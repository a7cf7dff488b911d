"""Several byte streams in one WebSocket: byte 0 of a message names the channel.

Models k8s.io/streaming's remotecommand channel protocols v4 and v5 (in v5 the client can close its stdin). Left out:
the older protocols and the base64 ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web

from pocketkube.apiserver.streams.inbox import Inbox

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN_LIMIT: Final = 65536
_FRAME: Final = 32 * 1024
LONGEST_SIZE: Final = 1024
"""Bytes of a message about the terminal's size that are kept while the rest of it has not come."""
_NORMAL: Final = 1000


class Stdin(Inbox):
    """What the client types, as a readable descriptor. With a terminal, `size` is its (width, height) once known,
    and `on_resize`, when set, is called at each change."""

    def __init__(self) -> None:
        super().__init__(_STDIN_LIMIT)
        self.size: tuple[int, int] | None = None
        self.on_resize: Callable[[int, int], None] | None = None

    def resize(self, width: int, height: int) -> None:
        self.size = width, height
        if self.on_resize is not None:
            self.on_resize(width, height)

    def resize_to(self, size: bytes) -> None:
        """`{"Width":80,"Height":24}`; what is not that is passed over."""
        try:
            found = orjson.loads(size)
            self.resize(int(found["Width"]), int(found["Height"]))
        except (ValueError, KeyError, TypeError):
            return  # upstream ends the resize stream at the first malformed message; the session goes on


class Output:
    """A writable descriptor that sends to one channel."""

    def __init__(self, socket: web.WebSocketResponse, channel: int) -> None:
        self._socket = socket
        self._prefix = bytes((channel,))

    async def write(self, data: bytes, /) -> int:
        """Raises BrokenPipeError when the client is gone."""
        for start in range(0, len(data), _FRAME):
            if self._socket.closed:
                raise BrokenPipeError(32, "Broken pipe")
            try:
                await self._socket.send_bytes(self._prefix + data[start : start + _FRAME])
            except (ConnectionError, RuntimeError):
                raise BrokenPipeError(32, "Broken pipe") from None
        return len(data)

    def close(self) -> None:
        """Other descriptors may share the socket: it stays open until the status is sent."""


async def receive(socket: web.WebSocketResponse, stdin: Stdin, *, half_close: bool) -> None:
    """Sort incoming messages until the client goes away. aiohttp answers pings by itself."""
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            data = message.data.encode()
        elif message.type == WSMsgType.BINARY:
            data = bytes(message.data)
        else:
            break
        if not data:
            continue
        channel, payload = data[0], data[1:]
        if channel == STDIN:
            await stdin.feed(payload)
        elif channel == RESIZE:
            stdin.resize_to(payload)
        elif channel == CLOSE and half_close and payload[:1] == bytes((STDIN,)):
            stdin.end()
    stdin.end()


async def finish(socket: web.WebSocketResponse, status: dict[str, Any]) -> None:
    """Tell the outcome and close normally: clients read the exit code from here."""
    if socket.closed:
        return
    try:
        await socket.send_bytes(bytes((STATUS,)) + orjson.dumps(status))
        await socket.close(code=_NORMAL)
    except (ConnectionError, RuntimeError):
        return
