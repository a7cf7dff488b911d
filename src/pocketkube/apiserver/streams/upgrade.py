"""Connections that stop being HTTP: the answer 101, and then bytes both ways.

A WebSocket can carry those bytes too (`Tunnel`): kubectl gets SPDY through proxies that way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from aiohttp import WSMsgType, web
from multidict import CIMultiDict

from pocketkube.apiserver.request import Request
from pocketkube.apiserver.streams.inbox import Inbox
from pocketkube.errors import BadRequest

SPDY: Final = "SPDY/3.1"
VERSION_HEADER: Final = "X-Stream-Protocol-Version"
ACCEPTED_HEADER: Final = "X-Accepted-Stream-Protocol-Versions"
_MESSAGE: Final = 4 * 1024 * 1024


def wanted(request: Request) -> str:
    """What the client wants to speak from now on, in lower case. Raises BadRequest for a request without a wish."""
    headers = request.http.headers
    upgrade = headers.get("Upgrade", "").strip().lower()
    if "upgrade" not in headers.get("Connection", "").lower() or not upgrade:
        raise BadRequest("Upgrade request required")
    return upgrade


def offered(request: Request, header: str) -> list[str]:
    """The protocols named in a header that may be repeated and may hold a list."""
    values = request.http.headers.getall(header, ())
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


class Raw:
    """The connection of a request after a 101: a Wire. `response` is what the handler returns when it is done."""

    def __init__(self, request: Request, headers: Iterable[tuple[str, str]], reason: str | None = None) -> None:
        self.response = web.StreamResponse(status=101, reason=reason, headers=CIMultiDict(headers))
        self.response.force_close()
        self._http = request.http
        self._inbox = Inbox()
        self._paused = False

    async def switch(self) -> Raw:
        """Send the 101. Raises BrokenPipeError."""
        protocol: Any = self._http.protocol
        protocol.set_parser(self)  # from now on, bytes come here
        try:
            await self.response.prepare(self._http)
        except (ConnectionError, RuntimeError):
            raise BrokenPipeError(32, "Broken pipe") from None
        return self

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """What aiohttp calls with bytes that have arrived."""
        self._inbox.put(bytes(data))
        transport = self._http.transport
        if self._inbox.full and not self._paused and transport is not None:
            self._paused = True
            transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """What aiohttp calls when the connection is gone."""
        self._inbox.end()

    async def read(self) -> bytes:
        data = await self._inbox.read()
        transport = self._http.transport
        if self._paused and not self._inbox.full and transport is not None:
            self._paused = False
            transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        try:
            await self.response.write(data)
        except (ConnectionError, RuntimeError):
            raise BrokenPipeError(32, "Broken pipe") from None


async def spdy(request: Request, protocol: str) -> Raw:
    """Switch to SPDY with this protocol above it. Raises BrokenPipeError."""
    headers = (("Connection", "Upgrade"), ("Upgrade", SPDY), (VERSION_HEADER, protocol))
    return await Raw(request, headers).switch()


def refuse_protocols(offers: list[str], accepted: Iterable[str]) -> web.Response:
    """What the kubelet answers a SPDY client when there is no protocol both sides speak: a text, no Status."""
    names = list(accepted)
    if not offers:
        text = f"unable to upgrade: header {VERSION_HEADER} does not exist in request"
        return web.Response(status=400, text=text + "\n")
    text = (
        f"unable to upgrade: unable to negotiate protocol: client supports [{' '.join(offers)}], "
        f"server accepts [{' '.join(names)}]"
    )
    headers = CIMultiDict((ACCEPTED_HEADER, name) for name in names)
    return web.Response(status=403, text=text + "\n", headers=headers)


def web_socket(request: Request, protocols: tuple[str, ...]) -> web.WebSocketResponse:
    """To shake hands with; the client's first protocol that is known will be taken. Raises BadRequest."""
    offers = offered(request, "Sec-WebSocket-Protocol")
    if offers and not any(name in protocols for name in offers):
        raise BadRequest(f"unable to upgrade: none of the protocols {offers} is supported, only {list(protocols)}")
    return web.WebSocketResponse(protocols=protocols, compress=False, max_msg_size=_MESSAGE)


async def websocket(request: Request, protocols: tuple[str, ...]) -> web.WebSocketResponse:
    """The same, with hands shaken."""
    socket = web_socket(request, protocols)
    await socket.prepare(request.http)
    return socket


class Tunnel:
    """A Wire in the binary messages of a WebSocket; where one ends means nothing."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return b""
            data = message.data.encode() if message.type == WSMsgType.TEXT else bytes(message.data)
            if data:
                return data

    async def write(self, data: bytes) -> None:
        if self._socket.closed:
            raise BrokenPipeError(32, "Broken pipe")
        try:
            await self._socket.send_bytes(data)
        except (ConnectionError, RuntimeError):
            raise BrokenPipeError(32, "Broken pipe") from None
