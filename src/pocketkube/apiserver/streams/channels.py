"""Several byte streams in one WebSocket: byte 0 of a message names the channel.

Models k8s.io/cri-streaming's remotecommand channel protocols: v5 (the client can close its stdin), v4, the one before
it (the outcome is a text, and none when it went well), and v4 and that one in base64, for browsers.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web

from pocketkube.apiserver.streams.inbox import Inbox

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_NAME: Final = "channel.k8s.io"
PROTOCOLS: Final = (f"v5.{_NAME}", f"v4.{_NAME}", f"v4.base64.{_NAME}", _NAME, f"base64.{_NAME}")
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


class Channels:
    """The streams in one WebSocket, told apart as the protocol agreed on does it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        protocol = socket.ws_protocol or ""  # none at all: as channel.k8s.io
        self._base64 = "base64." in protocol
        self._half_close = protocol.startswith("v5.")
        self._status_is_json = protocol.startswith(("v4.", "v5."))

    async def send(self, channel: int, data: bytes) -> None:
        """Raises BrokenPipeError when the client is gone."""
        if self._socket.closed:
            raise BrokenPipeError(32, "Broken pipe")
        try:
            if self._base64:
                await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
            else:
                await self._socket.send_bytes(bytes((channel,)) + data)
        except (ConnectionError, RuntimeError):
            raise BrokenPipeError(32, "Broken pipe") from None

    async def receive(self, stdin: Stdin) -> None:
        """Sort incoming messages until the client goes away. aiohttp answers pings by itself."""
        async for message in self._socket:
            if message.type == WSMsgType.TEXT:
                data = message.data.encode()
            elif message.type == WSMsgType.BINARY:
                data = bytes(message.data)
            else:
                break
            if not data:
                continue
            channel, payload = data[0], data[1:]
            if self._base64:
                try:
                    channel, payload = channel - ord("0"), base64.b64decode(payload, validate=True)
                except ValueError:
                    continue  # upstream passes it over, too
            if channel == STDIN:
                await stdin.feed(payload)
            elif channel == RESIZE:
                stdin.resize_to(payload)
            elif channel == CLOSE and self._half_close and payload[:1] == bytes((STDIN,)):
                stdin.end()
        stdin.end()

    async def finish(self, status: dict[str, Any]) -> None:
        """Tell the outcome and close normally: clients read the exit code from here, or, before v4, the failure."""
        try:
            if self._status_is_json:
                await self.send(STATUS, orjson.dumps(status))
            elif status.get("status") != "Success":
                await self.send(STATUS, str(status.get("message", "")).encode())
            await self._socket.close(code=_NORMAL)
        except (ConnectionError, RuntimeError):
            return


class Output:
    """A writable descriptor that sends to one channel."""

    def __init__(self, channels: Channels, channel: int) -> None:
        self._channels = channels
        self._channel = channel

    async def write(self, data: bytes, /) -> int:
        """Raises BrokenPipeError when the client is gone."""
        for start in range(0, len(data), _FRAME):
            await self._channels.send(self._channel, data[start : start + _FRAME])
        return len(data)

    def close(self) -> None:
        """Other descriptors may share the socket: it stays open until the status is sent."""
