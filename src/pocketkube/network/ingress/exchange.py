"""One try of one backend: the request streams out, the answer streams back, both at the slower side's pace.

Bodies are never held: at most what the streams buffer is in memory. An answer's head and what of its body came with it
are written at once, everything later as it comes, so server-sent events arrive when they are sent. Left out: trailers
(dropped), and what the backend says with 100 Continue: the proxy says it as soon as it asks for the body.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import h11

from pocketkube.network.ingress import forwarding
from pocketkube.network.ingress.filters import Outgoing, changed
from pocketkube.network.ingress.inbox import Inbox
from pocketkube.network.ingress.pool import Key, Link, Pool
from pocketkube.network.ingress.reading import ClientGone, Reader, Refused
from pocketkube.network.ingress.request import Header, Request, spelled
from pocketkube.network.ingress.tunnel import tunnel
from pocketkube.network.ingress.wire import Wire

LARGEST_ANSWER_HEAD = 1 << 20
FLUSH = 65536
REPLAYABLE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class BackendFailed(Exception):
    """No answer could be got; `status` is what the client is told instead."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Cut(Exception):
    """The answer broke off when a part of it was sent already: the client's connection must break off too."""


class _Stale(Exception):
    """A kept connection ended before it said anything."""


class Exchange:
    """`run()` once. Afterwards `status` and `size` say what the client got; status 0: nothing yet."""

    def __init__(self, request: Request, out: Outgoing, reader: Reader, inbox: Inbox, client: Wire) -> None:
        self.status = 0
        self.size = 0
        self.upgraded = False
        self._request = request
        self._out = out
        self._reader = reader
        self._inbox = inbox
        self._client = client
        self._gone = False
        self._late = False
        self._refused: Refused | None = None
        self._copied: list[Callable[[bytes], None]] = []
        self._body: asyncio.Task[None] | None = None

    def copy_body_to(self, sinks: list[Callable[[bytes], None]]) -> None:
        """Each is given every piece of the request's body: for mirrors."""
        self._copied = sinks

    async def run(self, pool: Pool, key: Key, own: Callable[[], list[Header]]) -> None:
        """`own`: the proxy's own headers of an answer; its Date only where the backend gave none.

        Raises BackendFailed (nothing was sent), Cut, ClientGone, Refused (the body is not HTTP)."""
        request = self._request
        retriable = not request.has_body and request.method in REPLAYABLE
        fresh = False
        while True:
            link = await _connected(pool, key, fresh=fresh)
            try:
                reusable = await self._over(link, own)
            except _Stale:
                link.stream.close()
                if not (link.reused and retriable):
                    raise BackendFailed(502, "the backend closed the connection without an answer") from None
                fresh = True
                continue
            except BaseException:
                link.raw.abort()
                raise
            if reusable:
                pool.give_back(link)
            else:
                link.stream.close()
            return

    async def _over(self, link: Link, own: Callable[[], list[Header]]) -> bool:
        """One request and answer over a connection; whether it can be used again."""
        backend = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_ANSWER_HEAD)
        head = self._head(backend)
        if self._inbox.ended and self._inbox.empty and not self._request.has_body:
            raise ClientGone
        self._inbox.on_end = lambda: self._client_ended(link)
        try:
            if self._request.has_body:
                await self._write(link, head)
                await self._ask_for_body()
                self._body = asyncio.get_running_loop().create_task(self._send_body(link, backend))
            else:
                await self._write(link, head + (backend.send(h11.EndOfMessage()) or b""))
            return await self._answer(link, backend, own)
        except (ConnectionError, ssl.SSLError) as error:
            if self._refused is not None:
                raise self._refused from None
            if self._gone:
                raise ClientGone from None
            if self.status:
                raise Cut(f"the connection to the backend failed: {error}") from None
            raise BackendFailed(502, f"the connection to the backend failed: {error}") from None
        finally:
            self._inbox.on_end = None
            if self._body is not None:
                self._body.cancel()
                await asyncio.gather(self._body, return_exceptions=True)

    def _head(self, backend: h11.Connection) -> bytes:
        request, out = self._request, self._out
        headers = [(b"Host", out.authority.encode("latin-1"))]
        headers += [(spelled(name), value) for name, value in out.headers]
        length = request.value(b"content-length")
        if length:
            headers.append((b"Content-Length", length))
        elif request.has_body:
            headers.append((b"Transfer-Encoding", b"chunked"))
        if request.upgrade:
            headers += [(b"Connection", b"Upgrade"), (b"Upgrade", request.upgrade)]
        try:
            sent = backend.send(h11.Request(method=request.method, target=out.target.sent, headers=headers))
        except h11.LocalProtocolError as error:
            raise BackendFailed(500, f"a filter made a request that is not HTTP: {error}") from None
        return sent or b""

    async def _write(self, link: Link, data: bytes) -> None:
        try:
            await link.stream.write(data)
        except ConnectionError:
            if link.reused and not self._gone:
                raise _Stale from None
            raise

    def _client_ended(self, link: Link) -> None:
        self._gone = True
        link.raw.abort()  # wakes whoever waits for the backend

    # -- the request's body

    async def _ask_for_body(self) -> None:
        protocol = self._reader.protocol
        if protocol.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            await self._to_client(protocol.send(go_on) or b"")

    async def _send_body(self, link: Link, backend: h11.Connection) -> None:
        try:
            async for piece in self._reader.body():
                for copied in self._copied:
                    copied(piece)
                await link.stream.write(backend.send(h11.Data(data=piece)) or b"")
            await link.stream.write(backend.send(h11.EndOfMessage()) or b"")
        except Refused as error:
            self._refused = error
            link.raw.abort()
        except ClientGone:
            self._client_ended(link)
        except TimeoutError:
            self._late = True
            link.raw.abort()
        except (ConnectionError, ssl.SSLError):
            pass  # it wants no more; its answer may still come

    # -- the answer

    async def _answer(self, link: Link, backend: h11.Connection, own: Callable[[], list[Header]]) -> bool:
        got_bytes = False
        pending = b""
        front = self._reader.protocol
        while True:
            try:
                event = backend.next_event()
            except h11.RemoteProtocolError as error:
                self._fail(link, ended=backend.trailing_data[1], got_bytes=got_bytes, why=str(error))
            if event is h11.NEED_DATA:
                if pending:
                    await self._to_client(pending)
                    pending = b""
                data = await self._read(link, got_bytes=got_bytes)
                got_bytes = got_bytes or bool(data)
                backend.receive_data(data)
            elif isinstance(event, h11.Data):
                piece = bytes(event.data)
                if self._request.method != "HEAD":
                    self.size += len(piece)
                    pending += front.send(h11.Data(data=piece)) or b""
                if len(pending) >= FLUSH:
                    await self._to_client(pending)
                    pending = b""
            elif isinstance(event, h11.Response):
                pending += self._answer_head(event, own)
            elif isinstance(event, h11.InformationalResponse):
                if event.status_code == 101:
                    await self._switch(link, backend, event)
                    return False
                if event.status_code != 100 and self._request.version == b"1.1":
                    pending += front.send(_informational(event)) or b""
            elif isinstance(event, h11.EndOfMessage):
                pending += front.send(h11.EndOfMessage()) or b""
                if pending:
                    await self._to_client(pending)
                return (
                    backend.our_state is h11.DONE
                    and backend.their_state is h11.DONE
                    and not backend.trailing_data[0]
                    and link.fit
                )
            else:
                self._fail(link, ended=True, got_bytes=got_bytes, why="the connection closed")

    def _fail(self, link: Link, *, ended: bool, got_bytes: bool, why: str) -> None:
        if self._refused is not None:
            raise self._refused
        if self._gone:
            raise ClientGone
        if self._late and not self.status:
            raise BackendFailed(504, "the client stopped sending its body")
        if self.status:
            raise Cut(f"the backend's answer broke off: {why}")
        if ended and not got_bytes and link.reused:
            raise _Stale
        raise BackendFailed(502 if ended else 500, why)

    async def _read(self, link: Link, *, got_bytes: bool) -> bytes:
        try:
            return await link.stream.read()
        except (ConnectionError, ssl.SSLError) as error:
            self._fail(link, ended=True, got_bytes=got_bytes, why=str(error))
            raise

    def _answer_head(self, event: h11.Response, own: Callable[[], list[Header]]) -> bytes:
        headers = forwarding.to_client(event.headers)
        for change in self._out.answers:
            headers, _ = changed(headers, change)
        dated = any(name == b"date" for name, _ in headers)
        headers += [header for header in own() if not (dated and header[0] == b"date")]
        written = [(spelled(name), value) for name, value in headers]
        try:
            head = h11.Response(status_code=event.status_code, headers=written, reason=event.reason)
        except h11.LocalProtocolError as error:
            raise BackendFailed(500, f"the backend's answer cannot be passed on: {error}") from None
        self.status = event.status_code
        return self._reader.protocol.send(head) or b""

    async def _switch(self, link: Link, backend: h11.Connection, event: h11.InformationalResponse) -> None:
        if not self._request.upgrade:
            raise BackendFailed(502, "the backend switched protocols, which nobody asked for")
        headers: list[Header] = [(b"Connection", b"Upgrade")]
        headers += [(spelled(name), value) for name, value in event.headers if name != b"connection"]
        switch = h11.InformationalResponse(status_code=101, headers=headers, reason=event.reason)
        self.status = 101
        self.upgraded = True
        self._inbox.on_end = None
        await self._to_client(self._reader.protocol.send(switch) or b"")
        self.size = await tunnel(self._inbox, self._client, link.stream, backend.trailing_data[0])

    async def _to_client(self, data: bytes) -> None:
        try:
            await self._client.write(data)
        except (ConnectionError, ssl.SSLError):
            self._gone = True
            raise ClientGone from None


async def _connected(pool: Pool, key: Key, *, fresh: bool) -> Link:
    try:
        return await pool.take(key, fresh=fresh)
    except TimeoutError:
        raise BackendFailed(504, "connecting to the backend timed out") from None
    except ssl.SSLError as error:
        raise BackendFailed(500, f"no TLS with the backend: {error.reason or error}") from None
    except OSError as error:
        raise BackendFailed(502, f"connecting to the backend failed: {error.strerror or error}") from None


def _informational(event: h11.InformationalResponse) -> h11.InformationalResponse:
    headers = [(spelled(name), value) for name, value in forwarding.to_client(event.headers)]
    return h11.InformationalResponse(status_code=event.status_code, headers=headers, reason=event.reason)


async def discard(pieces: AsyncIterator[bytes], most: int) -> bool:
    """Read a body to its end, unless it is longer than `most`."""
    size = 0
    with suppress(Refused, ClientGone):
        async for piece in pieces:
            size += len(piece)
            if size > most:
                return False
        return True
    return False
