"""A small HTTPS client that costs little: raw HTTP/1.1 over kept TLS connections, so that the server is measured.

Each connection sends a request, waits for its answer, and sends the next. Left out: everything the API server's
answers do not use (redirects, trailers, HTTP/2); chunked answers are an error here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import uvloop


class Connection(asyncio.Protocol):
    """Takes requests from `requests` until there are none left; `done` then holds nothing or what went wrong."""

    def __init__(self, requests: Iterator[bytes], expect: bytes) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._expect = b"HTTP/1.1 " + expect + b" "
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        if not head.startswith(self._expect):
            self._end(RuntimeError(f"expected {self._expect!r}, got {self._received[:400]!r}"))
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) >= int(length):
            self._received = b""
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end(None)
            self._transport.close()
        else:
            self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """The bytes of one request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def rate(server: str, ca: Path, requests: list[bytes], expect: bytes, *, connections: int = 8) -> float:
    """Answers a second when `requests` go to the URL over that many connections. Raises when one is not `expect`."""
    url = urlsplit(server)

    async def run() -> float:
        trust = ssl.create_default_context(cafile=ca)
        waiting = iter(requests)
        loop = asyncio.get_running_loop()
        began = perf_counter()
        made = [
            await loop.create_connection(
                lambda: Connection(waiting, expect), url.hostname or "", url.port or 443, ssl=trust
            )
            for _ in range(connections)
        ]
        await asyncio.gather(*(connection.done for _, connection in made))
        return len(requests) / (perf_counter() - began)

    return uvloop.run(run())
