"""One client's connection: its requests one after another, each looked up in the table of that moment."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

import h11

from pocketkube.network.addresses import host_port
from pocketkube.network.ingress import answers
from pocketkube.network.ingress.accesslog import Record
from pocketkube.network.ingress.answers import Answer
from pocketkube.network.ingress.exchange import BackendFailed, Cut, Exchange, discard
from pocketkube.network.ingress.filters import Moved, Outgoing, apply
from pocketkube.network.ingress.forwarding import to_backend
from pocketkube.network.ingress.inbox import Inbox
from pocketkube.network.ingress.mirroring import Copy
from pocketkube.network.ingress.reading import ClientGone, Reader, Refused
from pocketkube.network.ingress.request import Header, Request, spelled
from pocketkube.network.ingress.routes import Backend, Rule
from pocketkube.network.ingress.wire import Wire, end

if TYPE_CHECKING:
    from pocketkube.network.ingress.port import Port

log = logging.getLogger(__name__)

HEAD_SECONDS = 60.0
"""Until a request that has begun must have arrived: Traefik's readTimeout."""
IDLE_SECONDS = 180.0
"""A kept connection without a request: Traefik's idleTimeout."""
DRAIN = 256 * 1024
"""Bytes of a body nobody wanted that are read to keep the connection, as Go does."""
LINGER_SECONDS = 0.5


class Connection:
    """`run()` serves it to its end and closes it."""

    def __init__(self, port: Port, stream: Wire, *, tls: bool, first: bytes = b"") -> None:
        self._port = port
        self._proxy = port.proxy
        self._stream = stream
        self._inbox = Inbox(stream)
        self._inbox.push_back(first)
        self._reader = Reader(self._inbox, self._proxy.clock, tls=tls, remote=stream.remote)
        self._tls = tls
        self.idle = True

    async def run(self) -> None:
        pump = asyncio.get_running_loop().create_task(self._inbox.pump(), name="ingress inbox")
        try:
            while await self._serve_next():
                pass
        except Cut as error:
            log.debug("%s", error)
            self._stream.abort()
        except (ClientGone, ConnectionError, ssl.SSLError, TimeoutError):
            pass
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            self._stream.close()

    def close_when_idle(self) -> None:
        """The port is going away: no further request is taken."""
        if self.idle and self._inbox.empty:
            self._stream.close()

    async def _serve_next(self) -> bool:
        """One request; whether another may follow."""
        self.idle = True
        if self._port.closed and self._inbox.empty:
            return False
        try:
            request = await self._next_head()
        except Refused as error:
            await self._refuse(error)
            return False
        if request is None:
            return False
        self.idle = False
        record = self._proxy.access_log.begin(request)
        try:
            await self._route(request, record)
        except ClientGone:
            record.status = record.status or answers.CLIENT_GONE
            raise
        except Refused as error:
            record.status = error.status
            await self._refuse(error)
            return False
        finally:
            self._proxy.access_log.end(record)
        return await self._finish()

    async def _next_head(self) -> Request | None:
        async with self._proxy.clock.timeout(IDLE_SECONDS) as limit:

            def began() -> None:
                self.idle = False
                limit.reschedule(self._proxy.deadline(HEAD_SECONDS))

            return await self._reader.head(began)

    async def _route(self, request: Request, record: Record) -> None:
        rule = self._port.routes.find(request) if self._tls == self._port.tls else None
        if rule is None:
            await self._say(answers.NOT_FOUND, record)
            return
        record.owner = rule.owner
        out = Outgoing(request.target, request.authority, to_backend(request, self._proxy.name))
        moved = apply(rule.filters, request, rule, out)
        if moved is None and not rule.backends:
            await self._say(Answer(500), record)
            return
        backend = None if moved else self._proxy.turns.backend(rule)
        if backend is not None:
            moved = apply(backend.filters, request, rule, out)
        if isinstance(moved, Moved):
            await self._say(answers.moved(moved.status, moved.location), record)
        elif backend is None:
            await self._say(answers.UNAVAILABLE, record)
        elif backend.answer is not None:
            await self._say(Answer(backend.answer), record)
        else:
            await self._forward(request, out, rule, backend, record)

    async def _forward(self, request: Request, out: Outgoing, rule: Rule, backend: Backend, record: Record) -> None:
        address = self._proxy.turns.endpoint(backend)
        if address is None:
            await self._say(answers.UNAVAILABLE, record)
            return
        record.server = f"{backend.scheme}://{host_port(*address)}"
        if backend.scheme not in ("http", "https"):
            log.warning("%s: %s backends are not supported, answered 502", rule.owner, backend.scheme)
            await self._say(answers.failed(502), record)
            return
        exchange = Exchange(request, out, self._reader, self._inbox, self._stream)
        copies = [Copy(request, out, mirror) for mirror in out.mirrors if self._proxy.turns.mirrored(rule, mirror)]
        if copies and request.has_body:
            exchange.copy_body_to([copy.add for copy in copies])
        limits = [seconds for seconds in (rule.request_timeout, rule.backend_timeout) if seconds]
        failed: Answer | None = None
        try:
            async with self._proxy.clock.timeout(min(limits) if limits else None):
                await exchange.run(self._proxy.pool, (backend.scheme, *address), self._own_headers)
        except TimeoutError:
            if exchange.status:
                raise Cut(f"{rule.owner}: the answer took longer than its time-out") from None
            log.debug("%s: %s did not answer in time", rule.owner, record.server)
            failed = answers.failed(504)
        except Refused:
            if exchange.status:
                raise Cut("the request's body turned out not to be HTTP") from None
            raise
        except BackendFailed as error:
            log.debug("%s: %s: %s", rule.owner, record.server, error)
            failed = answers.failed(error.status)
        except ClientGone:
            if not exchange.status and self._inbox.ended:
                with suppress(Exception):  # one that only half-closed can still read it
                    await self._say(answers.failed(answers.CLIENT_GONE), record)
            raise
        finally:
            record.status, record.size = exchange.status or record.status, exchange.size
        if failed is not None:
            await self._say(failed, record)
        for copy in copies:
            self._proxy.mirror(copy)

    async def _say(self, answer: Answer, record: Record) -> None:
        """An answer of the proxy's own."""
        protocol = self._reader.protocol
        date, *rest = self._own_headers()
        headers = [*answer.headers, date, (b"content-length", b"%d" % len(answer.body)), *rest]  # Go's order
        data = protocol.send(
            h11.Response(
                status_code=answer.status,
                headers=[(spelled(name), value) for name, value in headers],
                reason=answers.phrase(answer.status).encode(),
            )
        )
        out = data or b""
        if answer.body and record.request.method != "HEAD":
            out += protocol.send(h11.Data(data=answer.body)) or b""
        out += protocol.send(h11.EndOfMessage()) or b""
        record.status, record.size = answer.status, len(answer.body)
        await self._stream.write(out)

    def _own_headers(self) -> list[Header]:
        headers = [(b"date", self._proxy.date())]
        if self._port.closed or self._reader.protocol.they_are_waiting_for_100_continue:
            headers.append((b"connection", b"close"))
        return headers

    async def _finish(self) -> bool:
        """After an answer: whether the connection can take another request."""
        protocol = self._reader.protocol
        if protocol.our_state is not h11.DONE:
            if protocol.our_state is h11.MUST_CLOSE:
                await self._linger()
            return False
        if protocol.their_state is h11.SEND_BODY:
            drained = False
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    drained = await discard(self._reader.body(), DRAIN)
            if not drained:
                await self._linger()
                return False
        return protocol.their_state is h11.DONE

    async def _refuse(self, error: Refused) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            await self._stream.write(answers.refused(error.status, str(error)))
            await self._linger()

    async def _linger(self) -> None:
        """End our side and read on a little: a reset could take the answer away from the client."""
        with suppress(TimeoutError, ConnectionError, ssl.SSLError):
            await end(self._stream)
            async with asyncio.timeout(LINGER_SECONDS):
                left = DRAIN
                while left > 0 and (data := await self._inbox.read()):
                    left -= len(data)
