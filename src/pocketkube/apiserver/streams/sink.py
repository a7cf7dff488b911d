"""Where a body goes that is sent as it comes: into the chunks of an HTTP answer, or the messages of a WebSocket.

Models wsstream.Reader with its protocols: none, binary.k8s.io, and base64.binary.k8s.io for browsers.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Final, Protocol

from aiohttp import web

from pocketkube.apiserver.request import Request
from pocketkube.apiserver.streams import upgrade

_BASE64: Final = "base64.binary.k8s.io"
_PROTOCOLS: Final = ("binary.k8s.io", _BASE64)


class Sink(Protocol):
    @property
    def response(self) -> web.StreamResponse:
        """What the request's handler returns in the end."""
        ...

    async def begin(self) -> None: ...

    async def write(self, data: bytes) -> None:
        """Raises ConnectionResetError."""
        ...

    async def end(self) -> None: ...


def of(request: Request) -> Sink:
    """As the client asks for it. Raises BadRequest for a protocol that is not spoken."""
    if "upgrade" not in request.http.headers.get("Connection", "").lower() or upgrade.wanted(request) != "websocket":
        return _Chunks(request)
    return _Messages(request)


class _Chunks:
    def __init__(self, request: Request) -> None:
        self.response = web.StreamResponse(headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private"})
        self.response.enable_chunked_encoding()
        self._request = request

    async def begin(self) -> None:
        await self.response.prepare(self._request.http)

    async def write(self, data: bytes) -> None:
        await self.response.write(data)

    async def end(self) -> None:
        await self.response.write_eof()


class _Messages:
    def __init__(self, request: Request) -> None:
        self.response = upgrade.web_socket(request, _PROTOCOLS)
        self._request = request
        self._base64 = False
        self._listening: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        await self.response.prepare(self._request.http)
        self._base64 = self.response.ws_protocol == _BASE64
        self._listening = asyncio.create_task(self._listen(asyncio.current_task()))
        await self.write(b"")  # tells the client that it has begun

    async def _listen(self, handler: asyncio.Task[None] | None) -> None:
        """What the client sends counts for nothing, but when it leaves nobody goes on writing."""
        async for _ in self.response:
            pass
        if handler is not None:
            handler.cancel()

    async def write(self, data: bytes) -> None:
        if self._base64:
            await self.response.send_str(base64.b64encode(data).decode())
        else:
            await self.response.send_bytes(data)

    async def end(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        await self.response.close()
