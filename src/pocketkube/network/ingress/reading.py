"""Reading requests off a client's connection: what is not exactly HTTP/1.1 is refused, never repaired and passed on.

h11 parses; refused before it is asked are lone CR or LF, folded lines and oversized heads, and after it both
Content-Length and Transfer-Encoding, chunked HTTP/1.0, other versions, CONNECT and unreadable targets. Left out:
trailers, which are read and dropped; keep-alive for HTTP/1.0.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

import h11

from pocketkube.clock import Clock
from pocketkube.network.ingress.inbox import Inbox
from pocketkube.network.ingress.request import Request
from pocketkube.network.ingress.targets import BadTarget, host_of, parse
from pocketkube.network.stream import Address

LARGEST_HEAD = 1 << 20
"""Bytes of request line and headers: Go's default, which Traefik keeps."""
BODY_SECONDS = 60.0
"""A client that sends nothing of its body for so long is given up: Traefik's readTimeout, but for each piece."""
_ODD_LINE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\n[ \t]")
VERSIONS = (b"1.1", b"1.0")


class Refused(Exception):
    """A request that cannot be understood, and the status it is answered with."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class ClientGone(Exception):
    """The client ended the connection in the middle of a request."""


class Reader:
    """One client's requests, one after another: `head()`, then `body()` to its end."""

    def __init__(self, inbox: Inbox, clock: Clock, *, tls: bool, remote: Address) -> None:
        self._inbox = inbox
        self._clock = clock
        self._tls = tls
        self._remote = remote
        self.protocol = h11.Connection(h11.SERVER)
        """Of the request being served: a new one each, as h11 keeps what it was fed for the next message."""

    async def head(self, began: Callable[[], None]) -> Request | None:
        """The next request, None at the end of the connection; `began` is called when only its beginning has come.

        Raises Refused, ClientGone.
        """
        raw = await self._raw_head(began)
        if not raw:
            return None
        self.protocol = protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD + 4096)
        protocol.receive_data(raw)
        try:
            event = protocol.next_event()
        except h11.RemoteProtocolError as error:
            raise Refused(error.error_status_hint, _briefly(error)) from None
        if not isinstance(event, h11.Request):
            raise Refused(400, "malformed request")
        return self._request(event)

    async def _raw_head(self, began: Callable[[], None]) -> bytes:
        head = bytearray()
        while True:
            data = await self._inbox.read()
            if not data:
                if head:
                    raise ClientGone
                return b""
            looked = max(0, len(head) - 3)  # only what is new is looked at: a client may send byte by byte
            head += data
            end = head.find(b"\r\n\r\n", looked)
            if head[0] < 0x21:
                raise Refused(400, "malformed request")
            if _ODD_LINE.search(head, looked, len(head) if end < 0 else end + 4):
                raise Refused(400, "a line that is folded or does not end with CR LF")
            if (len(head) if end < 0 else end) > LARGEST_HEAD:
                raise Refused(431, HTTPStatus(431).phrase)
            if end >= 0:
                self._inbox.push_back(bytes(head[end + 4 :]))
                return bytes(head[: end + 4])
            if not looked:
                began()

    def _request(self, event: h11.Request) -> Request:
        if event.http_version not in VERSIONS:
            raise Refused(505, "unsupported protocol version")
        if event.method == b"CONNECT":
            raise Refused(501, HTTPStatus(501).phrase)
        headers = list(event.headers)
        names = {name for name, _ in headers}
        chunked, sized = b"transfer-encoding" in names, b"content-length" in names
        if chunked and (sized or event.http_version == b"1.0"):
            raise Refused(400, "ambiguous length of the request")
        try:
            target = parse(event.target.decode("ascii"))
            authority = target.authority
            if authority is None:
                authority = next((value.decode("latin-1") for name, value in headers if name == b"host"), "")
            host = host_of(authority)
        except (BadTarget, UnicodeDecodeError) as error:
            raise Refused(400, _briefly(error)) from None
        request = Request(
            method=event.method.decode("ascii"),
            target=target,
            authority=authority,
            host=host,
            headers=headers,
            version=event.http_version,
            tls=self._tls,
            remote=self._remote,
            has_body=chunked or (sized and any(k == b"content-length" and int(v) for k, v in headers)),
        )
        if not request.has_body:
            self.protocol.next_event()  # the end of the message
        return request

    async def body(self) -> AsyncIterator[bytes]:
        """The body in the pieces it arrives in. Raises Refused, ClientGone, TimeoutError."""
        protocol = self.protocol
        while True:
            try:
                event = protocol.next_event()
            except h11.RemoteProtocolError as error:
                if self._inbox.ended and self._inbox.empty:
                    raise ClientGone from None
                raise Refused(400, _briefly(error)) from None
            if event is h11.NEED_DATA:
                if self._inbox.empty:
                    async with self._clock.timeout(BODY_SECONDS):
                        await self._inbox.arrival()
                protocol.receive_data(self._inbox.take())
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                self._inbox.push_back(protocol.trailing_data[0])
                return


def _briefly(error: Exception) -> str:
    """Why, without quoting the client to itself."""
    return str(error).partition(":")[0]
