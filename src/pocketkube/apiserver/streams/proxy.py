"""The proxy subresource of services, pods and nodes: any request, passed on to what listens inside the cluster.

Models apimachinery's UpgradeAwareHandler with Go's httputil.ReverseProxy under it, and the API server's filters before
it: the client's credentials stay here. Bodies stream both ways. Left out: HTTP/2 to the backend, trailers, pooled
connections (each request has its own); Go asks backends for gzip when the client says nothing, this does not.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

import h11
from aiohttp import web
from multidict import CIMultiDict

from pocketkube.apiserver import admitting
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.connections import tell_to_continue
from pocketkube.apiserver.info import NOT_ALLOWED
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.streams import rewriting, upgrade
from pocketkube.apiserver.streams.backends import locate
from pocketkube.apiserver.streams.dialing import Backend, Undialled, dial
from pocketkube.apiserver.streams.runtime import Peer
from pocketkube.errors import MethodNotAllowed, ServiceUnavailable, Unknown
from pocketkube.resources.base import Resource

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
Headers = list[tuple[str, str]]
_HOP_BY_HOP: Final = {
    "connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade",
}  # fmt: skip
_CREDENTIALS: Final = ("authorization", "x-remote-user", "x-remote-uid", "x-remote-group")
_CREDENTIAL_PREFIXES: Final = ("impersonate-", "x-remote-extra-")
_TOKEN_PROTOCOL: Final = "base64url.bearer.authorization.k8s.io."
_CORS: Final = {f"access-control-allow-{what}" for what in ("credentials", "headers", "methods", "origin")}
_LARGEST_HEAD: Final = 1 << 20
_SAFE: Final = "$&+,/:;=@~"
_UNREACHABLE: Final = "error trying to reach service: "


async def handle(api: Api, request: Request, kind: Resource, target: Target) -> web.StreamResponse:
    if request.method not in METHODS:
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    if api.dialer is None:
        raise ServiceUnavailable("this API server runs without nodes: there is nothing to proxy to")
    admitting.connect(api, request, kind, target, f"{kind.kind}ProxyOptions", path=f"/{target.rest}")
    backend = locate(api, kind, target)
    path = rewriting.joined(target.rest) if target.rest else ""
    if request.path.endswith("/") and not path.endswith("/"):
        path += "/"
    query = request.http.raw_path.partition("?")[2]
    if not path and not _upgrades(request) and request.method in ("GET", "HEAD"):
        location = quote(request.path, safe=_SAFE) + "/" + (f"?{query}" if query else "")
        return web.Response(status=301, headers={"Location": location})
    here = request.path.strip("/")
    prefix = "/" + here[: len(here) - len(target.rest)].rstrip("/")
    return await forward(api, request, backend, "/" + path.lstrip("/"), prefix)


async def forward(
    api: Api, request: Request, backend: Backend, path: str, prefix: str = "", identity: Headers | None = None
) -> web.StreamResponse:
    """Pass a request on and its answer back, or every byte both ways once it has become something else.

    `path`: decoded; `prefix`: where links in the answer are to lead; `identity`: headers that tell who asks.
    Raises ServiceUnavailable, Unknown (an upgrade that failed)."""
    exchange = _Exchange(api, request, backend, prefix, identity or [])
    task = asyncio.current_task()
    assert task is not None  # handlers always run in one
    api.streams.add(task)
    query = request.http.raw_path.partition("?")[2]
    try:
        wanted = quote(path, safe=_SAFE) + (f"?{query}" if query else "")
        return await (exchange.upgraded(wanted) if _upgrades(request) else exchange.plain(wanted))
    finally:
        api.streams.discard(task)
        exchange.close()


def _upgrades(request: Request) -> bool:
    return "upgrade" in request.http.headers.get("Connection", "").lower() and "Upgrade" in request.http.headers


class _Exchange:
    """One request and its answer, over a connection of its own."""

    def __init__(self, api: Api, request: Request, backend: Backend, prefix: str, identity: Headers) -> None:
        self._dialer = api.dialer
        self._request = request
        self._http = request.http
        self._backend = backend
        self._prefix = prefix
        self._identity = identity
        self._peer: Peer | None = None
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()

    async def _dial(self) -> str:
        """ "" once connected, or why not in Go's words."""
        assert self._dialer is not None
        try:
            self._peer = await dial(self._dialer, self._backend)
        except Undialled as why:
            return str(why)
        return ""

    # -- an ordinary request

    async def plain(self, wanted: str) -> web.StreamResponse:
        why = await self._dial()
        if why:
            raise ServiceUnavailable(_UNREACHABLE + why)
        request = h11.Request(method=self._request.method, target=wanted, headers=_encoded(self._sent_headers()))
        await tell_to_continue(self._http)
        uploading = asyncio.ensure_future(self._upload(request))
        try:
            try:
                head = await self._head()
            except (h11.RemoteProtocolError, ConnectionError) as error:
                raise ServiceUnavailable(_UNREACHABLE + self._broken(error)) from None
            return await self._answer(head)
        finally:
            uploading.cancel()
            await asyncio.gather(uploading, return_exceptions=True)

    async def _upload(self, request: h11.Request) -> None:
        """Send the request, its body as it comes. A backend that stops reading may still answer: not an error here."""
        assert self._peer is not None
        with suppress(ConnectionError, h11.LocalProtocolError):
            await self._peer.write(self._h11.send(request) or b"")
            async for chunk in self._http.content.iter_any():
                await self._peer.write(self._h11.send(h11.Data(data=chunk)) or b"")
            await self._peer.write(self._h11.send(h11.EndOfMessage()) or b"")

    async def _head(self) -> h11.Response:
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event

    async def _next(self) -> Any:
        assert self._peer is not None
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(await self._peer.read())
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError(errno.ECONNRESET, "EOF")
        return event

    async def _body(self) -> AsyncIterator[bytes]:
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def _answer(self, head: h11.Response) -> web.StreamResponse:
        headers = _kept(_decoded(head))
        links = rewriting.Links(self._prefix, self._backend.host, self._http.headers.get("Host", ""))
        location, body = headers.get("Location"), b""
        rewritten = False
        if location:
            with suppress(ValueError):
                headers["Location"] = links.rewrite(location)
        elif headers.get("Content-Type", "").partition(";")[0].strip() == "text/html" and self._http.method != "HEAD":
            body, rewritten = await self._page()
            with suppress(ValueError):
                page = rewriting.html(body, headers.get("Content-Encoding", ""), links) if rewritten else None
                if page is not None:
                    body = page
            if rewritten:
                headers["Content-Length"] = str(len(body))
        response = web.StreamResponse(status=head.status_code, reason=head.reason.decode("latin-1"), headers=headers)
        await response.prepare(self._http)
        await response.write(body)
        if not rewritten:
            try:
                async for chunk in self._body():
                    await response.write(chunk)
            except h11.RemoteProtocolError:
                # what was promised does not come: the client learns it from the connection's end
                raise ConnectionResetError(errno.ECONNRESET, "the backend ended its answer early") from None
        await response.write_eof()
        return response

    async def _page(self) -> tuple[bytes, bool]:
        """A page, and whether that is all of it: one that is too large, or never ends, passes as it comes."""
        found = bytearray()
        try:
            while not isinstance(event := await self._next(), h11.EndOfMessage):
                if isinstance(event, h11.Data):
                    found += event.data
                if len(found) > rewriting.LARGEST_PAGE:
                    return bytes(found), False
        except (h11.RemoteProtocolError, ConnectionError) as error:
            raise ServiceUnavailable(_UNREACHABLE + self._broken(error)) from None
        return bytes(found), True

    def _broken(self, error: Exception) -> str:
        """What Go says of a connection that gave no proper answer."""
        data = self._h11.trailing_data[0]
        if isinstance(error, h11.RemoteProtocolError) and data:
            line = data.partition(b"\n")[0].rstrip(b"\r").decode("latin-1")
            what = "unexpected EOF" if line.startswith("HTTP/") else f'malformed HTTP response "{line}"'
            return f"net/http: HTTP/1.x transport connection broken: {what}"
        if isinstance(error, ConnectionResetError) and "EOF" not in str(error):
            return f"read tcp {self._backend.host}: read: connection reset by peer"
        return "EOF"

    # -- a request that turns into something else

    async def upgraded(self, wanted: str) -> web.StreamResponse:
        """Pass the request on with its wish, and then every byte, both ways."""
        why = await self._dial()
        if why:
            raise Unknown(f"error dialing backend: {why}")
        assert self._peer is not None
        http = self._http
        headers = self._forwarded([*_allowed(http.headers.items()), *self._identity], prefix=False)
        try:
            request = h11.Request(method=self._request.method, target=wanted, headers=_encoded(headers))
            await self._peer.write(self._h11.send(request) or b"")
            await self._peer.write(self._h11.send(h11.EndOfMessage()) or b"")
            head = await self._switched()
        except (h11.ProtocolError, ConnectionError) as error:
            raise Unknown(self._broken(error)) from None
        if isinstance(head, h11.Response):
            if head.status_code < 400:
                raise Unknown(f"invalid upgrade response: status code {head.status_code}")
            response = await self._answer(head)
            response.force_close()
            return response
        raw = await upgrade.Raw(self._request, _decoded(head), head.reason.decode("latin-1")).switch()
        first = self._h11.trailing_data[0]
        if first:
            await raw.write(first)
        await _relay(raw, self._peer)
        return raw.response

    async def _switched(self) -> h11.Response | h11.InformationalResponse:
        while True:
            event = await self._next()
            if isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == 101
            ):
                return event

    # -- headers

    def _sent_headers(self) -> Headers:
        http = self._http
        dropped = _HOP_BY_HOP | _named_by_connection(http.headers.getall("Connection", ())) | {"expect"}
        headers = [(n, v) for n, v in _allowed(http.headers.items()) if n.lower() not in dropped]
        if "trailers" in http.headers.get("TE", ""):
            headers.append(("Te", "trailers"))
        chunked = "chunked" in http.headers.get("Transfer-Encoding", "").lower()
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        elif http.content_length is None and self._request.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", "0"))
        return self._forwarded([*headers, *self._identity], prefix=True)

    def _forwarded(self, headers: Headers, *, prefix: bool) -> Headers:
        before = ", ".join(value for name, value in headers if name.lower() == "x-forwarded-for")
        client = self._http.remote or ""
        dropped = {"x-forwarded-for", "x-forwarded-uri"} if prefix else {"x-forwarded-for"}
        headers = [(name, value) for name, value in headers if name.lower() not in dropped]
        if not any(name.lower() == "host" for name, _ in headers):  # an HTTP/1.0 client
            headers.append(("Host", self._backend.host))
        headers.append(("X-Forwarded-For", f"{before}, {client}" if before else client))
        if prefix:
            headers.append(("X-Forwarded-Uri", quote(rewriting.joined(self._request.path), safe=_SAFE)))
        return headers


async def _relay(client: upgrade.Raw, backend: Peer) -> None:
    """Until one side ends."""

    async def inward() -> None:
        with suppress(ConnectionError):
            while data := await client.read():
                await backend.write(data)

    async def outward() -> None:
        with suppress(ConnectionError):
            while data := await backend.read():
                await client.write(data)

    both = {asyncio.ensure_future(inward()), asyncio.ensure_future(outward())}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


def _allowed(headers: Iterable[tuple[str, str]]) -> Headers:
    """Without what tells who the client is: that is for the API server only."""
    kept = []
    for name, value in headers:
        lower = name.lower()
        if lower in _CREDENTIALS or lower.startswith(_CREDENTIAL_PREFIXES):
            continue
        if lower == "sec-websocket-protocol":
            names = [p.strip() for p in value.split(",") if not p.strip().startswith(_TOKEN_PROTOCOL)]
            value = ", ".join(names)
            if not value:
                continue
        kept.append((name, value))
    return kept


def _kept(headers: Headers) -> CIMultiDict[str]:
    """An answer's headers that are not about the connection to the backend."""
    dropped = _HOP_BY_HOP | _CORS | _named_by_connection(v for n, v in headers if n.lower() == "connection")
    return CIMultiDict((name, value) for name, value in headers if name.lower() not in dropped)


def _named_by_connection(values: Iterable[str]) -> set[str]:
    return {name.strip().lower() for value in values for name in value.split(",")}


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in headers]


def _decoded(head: h11.Response | h11.InformationalResponse) -> Headers:
    return [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in head.headers.raw_items()
    ]
