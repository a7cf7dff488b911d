"""Reading requests off a client's connection: what is not exactly HTTP/1.1 is refused, never repaired and passed on.

h11 parses; refused before it is asked are lone CR or LF, folded lines and oversized heads, and after it both
Content-Length and Transfer-Encoding, chunked HTTP/1.0, other versions, CONNECT and unreadable targets. Left out:
trailers, which are read and dropped; keep-alive for HTTP/1.0.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

import h11

from pocketkube.network.ingress.inbox import Inbox
from pocketkube.network.ingress.request import Request
from pocketkube.network.ingress.targets import BadTarget, host_of, parse
from pocketkube.network.stream import Address

LARGEST_HEAD = 1 << 20
"""Bytes of request line and headers: Go's default, which Traefik keeps."""
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

    def __init__(self, inbox: Inbox, *, tls: bool, remote: Address) -> None:
        self._inbox = inbox
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
        head = b""
        start = 0
        while True:
            data = await self._inbox.read()
            if not data:
                if head:
                    raise ClientGone
                return b""
            head += data
            end = head.find(b"\r\n\r\n", start)
            whole = head[: end + 4] if end >= 0 else head
            _check(whole, complete=end >= 0)
            if end >= 0:
                self._inbox.push_back(head[end + 4 :])
                return whole
            if not start:
                began()
            start = max(1, len(head) - 3)

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
        """The body in the pieces it arrives in. Raises Refused, ClientGone."""
        protocol = self.protocol
        while True:
            try:
                event = protocol.next_event()
            except h11.RemoteProtocolError as error:
                if self._inbox.ended and self._inbox.empty:
                    raise ClientGone from None
                raise Refused(400, _briefly(error)) from None
            if event is h11.NEED_DATA:
                protocol.receive_data(await self._inbox.read())
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                self._inbox.push_back(protocol.trailing_data[0])
                return


def _check(head: bytes, *, complete: bool) -> None:
    if head[0] < 0x21:
        raise Refused(400, "malformed request")
    lines = head.count(b"\r\n")
    feeds, returns = head.count(b"\n"), head.count(b"\r")
    if feeds != lines or (returns != lines and (complete or returns != lines + 1 or not head.endswith(b"\r"))):
        raise Refused(400, "a line does not end with CR LF")
    if b"\r\n " in head or b"\r\n\t" in head:
        raise Refused(400, "folded header line")
    if len(head) > LARGEST_HEAD:
        raise Refused(431, HTTPStatus(431).phrase)


def _briefly(error: Exception) -> str:
    """Why, without quoting the client to itself."""
    return str(error).partition(":")[0]
