"""Clients' connections: how long and how large the head of a request may be, and what is answered to what is no HTTP.

Models Go's net/http server as kube-apiserver sets it up (MaxHeaderBytes, ReadHeaderTimeout). A line of a head has no
limit of its own there, so that long selectors fit into an address. Bodies come as they were sent: their
Content-Encoding is not looked at. Left out: HTTP/2.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

log = logging.getLogger(__name__)

HEAD_LIMIT: Final = 1 << 20
"""Bytes of a request's line and headers together."""
MOST_HEADERS: Final = 10_000
HEAD_WITHIN = 32.0
"""Seconds for the head of a connection's first request, and from the first byte of a later one until its end."""
IDLE: Final = 630.0
"""Seconds between two requests."""
_LINGER: Final = 0.5
"""Seconds for a client that was refused to read why, while it may still be sending."""


class Connections(web.Server):
    """As web.Server, with connections of the kind below."""

    def __call__(self) -> web.RequestHandler:
        return Connection(
            self,
            loop=self._loop,
            access_log=None,  # type: ignore[arg-type]  # none is kept
            keepalive_timeout=IDLE,
            auto_decompress=False,
            max_headers=MOST_HEADERS,
            max_line_size=2 * HEAD_LIMIT,
            max_field_size=2 * HEAD_LIMIT,
        )


class Connection(web.RequestHandler):
    """One client's."""

    _head = 0
    """Bytes so far of a head that is not there as a whole."""
    _too_late: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wait_for_head(0)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        before, current = self._request_count, self._current_request
        super().data_received(data)
        if self._request_count != before:
            self._head_is_there()
            if current is not None and not current.content.is_eof():  # what followed was no body, and no request
                current.content.set_exception(web.RequestPayloadError("malformed chunked encoding"))
        elif before == 0 or (self._waiter is not None and not self._waiter.done()):
            self._wait_for_head(len(data))

    def _wait_for_head(self, received: int) -> None:
        self._head += received
        if self._too_late is None:
            self._too_late = self._loop.call_later(HEAD_WITHIN, self.force_close)
        if self._head > HEAD_LIMIT:
            self._refuse("431 Request Header Fields Too Large")

    def _head_is_there(self) -> None:
        self._head = 0
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _refuse(self, why: str) -> None:
        assert self.transport is not None  # it has just received something
        head = f"HTTP/1.1 {why}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        self.transport.write(f"{head}{why}".encode())
        self._refused = True
        self.close()
        self._head_is_there()
        self._too_late = self._loop.call_later(_LINGER, self.force_close)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Wait until the client has taken the answer, or who asks on and reads nothing fills the memory."""
        answered = await super().finish_response(request, resp, start_time)
        await request.writer.drain()
        return answered

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what cannot be read: what Go says, and no traceback in the log, which anybody could fill."""
        if isinstance(exc, ConnectionError):
            raise exc  # nobody is there to be answered
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        log.debug("%s sent what is no request: %s", request.remote, exc)
        status = 431 if isinstance(exc, LineTooLong) else 400
        response = web.Response(status=status)
        response.text = f"{status} {response.reason}"
        response.force_close()
        return response

    def log_exception(self, *args: Any, **how: Any) -> None:
        if not isinstance(how.get("exc_info"), web.RequestPayloadError):  # the rest of a body that was broken anyway
            super().log_exception(*args, **how)


async def tell_to_continue(http: web.BaseRequest) -> None:
    """Say that the body may come, to a client that waits for that."""
    if http.headers.get("Expect", "").lower() == "100-continue":
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0
