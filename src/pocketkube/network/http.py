"""HTTP/1.1 over Streams, client and server: what containers, probes and proxies speak. h11 does the protocol.

A server is `serve(stream, handler)`: keep-alive, pipelining, HEAD, 100-continue, chunked bodies both ways, 400 for what
is malformed. A request's body is read whole before the handler runs. A client is `request(...)`, or `Exchange` for who
wants every part. Left out: TLS (wrap the stream), HTTP/2, trailers, upgrades.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qsl, unquote

import h11

from pocketkube.network.served import served
from pocketkube.network.sockets import Listener
from pocketkube.network.stream import Address

log = logging.getLogger(__name__)

Headers = list[tuple[str, str]]
LARGEST_HEAD = 65536
"""Bytes of request line and headers a server accepts."""
_NOWHERE = ("", 0)


class ByteStream(Protocol):
    """What HTTP runs over: a Stream, or TLS over one."""

    local: Address
    remote: Address

    async def read(self, most: int = ...) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class ProtocolError(Exception):
    """The other side does not speak HTTP/1.1."""


class Disconnected(ProtocolError):
    """The connection ended before the message did. `empty`: not one byte of an answer came."""

    def __init__(self, text: str, *, empty: bool) -> None:
        super().__init__(text)
        self.empty = empty


def header(headers: Iterable[tuple[str, str]], name: str, default: str = "") -> str:
    """The first header of that name, in any case."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), default)


def reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@dataclass(slots=True)
class Request:
    """What a server got. `target` is as sent; `remote` and `local` are the connection's (address, port)."""

    method: str
    target: str
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    http_version: str = "1.1"
    remote: Address = _NOWHERE
    local: Address = _NOWHERE

    @property
    def path(self) -> str:
        """The decoded path of the target."""
        target = self.target
        if "://" in target[:8]:
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        return unquote(target.partition("?")[0].partition("#")[0])

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the first."""
        return dict(reversed(parse_qsl(self.target.partition("?")[2], keep_blank_values=True)))

    @property
    def host(self) -> str:
        """The Host header, port included."""
        return self.header("host")

    def header(self, name: str, default: str = "") -> str:
        return header(self.headers, name, default)


@dataclass(slots=True)
class Response:
    """What a server sends or a client got. Framing headers that are missing are added when sending."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: bytes | AsyncIterable[bytes] = b""
    reason: str | None = None
    http_version: str = "1.1"

    def header(self, name: str, default: str = "") -> str:
        return header(self.headers, name, default)

    @property
    def text(self) -> str:
        """The body as text. Raises TypeError for a body that is streamed."""
        if not isinstance(self.body, bytes):
            raise TypeError("the body is streamed")
        return self.body.decode(errors="replace")


Handler = Callable[[Request], Awaitable[Response]]
_REQUEST_LINE = re.compile(rb"[^ ]+ [^ ]+ HTTP/[0-9]\.[0-9]\r?")
BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
)


async def serve(stream: ByteStream, handler: Handler) -> None:
    """Answer the requests of one connection until it ends; closes it. Never raises what the peer causes.

    An exception of the handler closes the connection without an answer, as a crashing server does, and is raised.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
    try:
        while True:
            request = await _read_request(stream, connection)
            if request is None:
                return
            response = await handler(request)
            await _send_response(stream, connection, request, response)
            served.get()()
            if connection.our_state is h11.MUST_CLOSE or connection.their_state is h11.MUST_CLOSE:
                return
            connection.start_next_cycle()
    except (h11.RemoteProtocolError, UnicodeDecodeError):
        with contextlib.suppress(ConnectionError):
            await stream.write(BAD_REQUEST)
    except (ConnectionError, h11.LocalProtocolError) as error:
        if isinstance(error, h11.LocalProtocolError):
            log.warning("a server sent an answer that is not HTTP: %s", error)
    finally:
        stream.close()


async def serve_forever(listener: Listener, handler: Handler) -> None:
    """Serve every connection in a task of its own until the listener is closed or this task is cancelled."""
    async with asyncio.TaskGroup() as connections:
        try:
            async for stream in listener:
                connections.create_task(_serve_logged(stream, handler), name=f"http {stream.local}")
        finally:
            listener.close()


async def _serve_logged(stream: ByteStream, handler: Handler) -> None:
    try:
        await serve(stream, handler)
    except Exception:
        log.exception("a request handler failed")


async def _read_request(stream: ByteStream, connection: h11.Connection) -> Request | None:
    head: h11.Request | None = None
    body: list[bytes] = []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                await stream.write(connection.send(go_on) or b"")
            data = await stream.read()
            if not data and head is not None:
                return None
            connection.receive_data(data)
            if head is None:
                _check_first_line(connection)
        elif type(event) is h11.Data:
            body.append(bytes(event.data))
        elif type(event) is h11.Request:
            head = event
        elif type(event) is h11.EndOfMessage:
            break
        else:  # the connection is closed, or paused after one that must close
            return None
    assert head is not None
    return Request(
        head.method.decode(),
        head.target.decode("latin-1"),
        _headers(head),
        b"".join(body),
        head.http_version.decode(),
        stream.remote,
        stream.local,
    )


def _check_first_line(connection: h11.Connection) -> None:
    """What cannot become a request is refused at its first line; h11 would wait for an empty one.

    Raises h11.RemoteProtocolError.
    """
    line, end, _ = connection.trailing_data[0].lstrip(b"\r\n").partition(b"\n")
    if end and not _REQUEST_LINE.fullmatch(line):
        raise h11.RemoteProtocolError("malformed request line")


async def _send_response(stream: ByteStream, connection: h11.Connection, request: Request, response: Response) -> None:
    headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in response.headers]
    body = response.body
    whole = isinstance(body, bytes)
    framed = any(k.lower() in (b"content-length", b"transfer-encoding") for k, _ in headers)
    bodiless = response.status in (204, 304) or response.status < 200
    if not framed and not bodiless:
        if isinstance(body, bytes):
            headers.append((b"Content-Length", b"%d" % len(body)))
        elif request.http_version == "1.1":
            headers.append((b"Transfer-Encoding", b"chunked"))
    phrase = reason_phrase(response.status) if response.reason is None else response.reason
    head = h11.Response(status_code=response.status, headers=headers, reason=phrase.encode("latin-1"))
    out = connection.send(head) or b""
    silent = request.method == "HEAD" or bodiless
    if isinstance(body, bytes):
        if body and not silent:
            out += connection.send(h11.Data(data=body)) or b""
    elif not silent:
        await stream.write(out)
        out = b""
        async for chunk in body:
            if chunk:
                await stream.write(connection.send(h11.Data(data=chunk)) or b"")
    out += connection.send(h11.EndOfMessage()) or b""
    if out or whole:
        await stream.write(out)


def _headers(event: h11.Request | h11.Response) -> Headers:
    return [(k.decode("latin-1"), v.decode("latin-1")) for k, v in event.headers.raw_items()]


class Exchange:
    """The client's side of one connection: `send`, `head`, then iterate `body`; again while `reusable`."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=4 * LARGEST_HEAD)
        self._got_bytes = False

    @property
    def reusable(self) -> bool:
        """After the body was read: whether another request may be sent."""
        return self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE

    @property
    def unread(self) -> bytes:
        """What came and is not understood yet."""
        return bytes(self._connection.trailing_data[0])

    async def send(self, method: str, target: str, headers: Headers, body: bytes = b"") -> bytes:
        """Send a request; Content-Length is added when there is a body and it is missing. Returns the head as sent.

        Raises BrokenPipeError, ConnectionResetError, ValueError (what cannot be sent as HTTP).
        """
        if self.reusable:
            self._connection.start_next_cycle()
        self._got_bytes = False
        sent = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers]
        if body and not header(headers, "content-length") and not header(headers, "transfer-encoding"):
            sent.append((b"Content-Length", b"%d" % len(body)))
        try:
            head = self._connection.send(h11.Request(method=method, target=target, headers=sent)) or b""
            rest = self._connection.send(h11.Data(data=body)) or b"" if body else b""
            rest += self._connection.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError as error:
            raise ValueError(str(error)) from None
        await self.stream.write(head + rest)
        return head

    async def head(self) -> Response:
        """The final answer's status line and headers, its body still to be read. Raises ProtocolError, OSError."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return Response(
                    event.status_code,
                    _headers(event),
                    b"",
                    event.reason.decode("latin-1"),
                    event.http_version.decode(),
                )

    async def body(self) -> AsyncIterator[bytes]:
        """The answer's body in the pieces it arrives in. Raises Disconnected when it is cut short."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return

    async def _next(self) -> h11.Event:
        connection = self._connection
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                if connection.trailing_data[1]:
                    raise Disconnected(str(error), empty=not self._got_bytes) from None
                raise ProtocolError(str(error)) from None
            if isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                raise Disconnected("connection closed", empty=not self._got_bytes)
            if event is not h11.NEED_DATA:
                assert isinstance(event, h11.Event)
                return event
            data = await self.stream.read()
            self._got_bytes = self._got_bytes or bool(data)
            connection.receive_data(data)


async def request(
    connect: Callable[[], Awaitable[ByteStream]],
    method: str,
    target: str,
    headers: Headers | None = None,
    body: bytes = b"",
    timeout: float | None = None,
) -> Response:
    """One request over a connection of its own, the answer's body read whole. `timeout` in real seconds.

    Raises TimeoutError, OSError as `connect`, ProtocolError. A Host header is the caller's to give.
    """
    async with asyncio.timeout(timeout):
        stream = await connect()
        try:
            exchange = Exchange(stream)
            await exchange.send(method, target, headers if headers is not None else [], body)
            response = await exchange.head()
            response.body = b"".join([chunk async for chunk in exchange.body()])
            return response
        finally:
            stream.close()
