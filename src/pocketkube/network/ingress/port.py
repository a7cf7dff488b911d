"""One port of the controller: its listener, its TLS, and the connections that came in by it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING

from pocketkube.network import tls
from pocketkube.network.ingress.certificates import Names
from pocketkube.network.ingress.connection import HEAD_SECONDS, Connection
from pocketkube.network.ingress.matching import Routes
from pocketkube.network.sockets import Listener
from pocketkube.network.stream import Stream

if TYPE_CHECKING:
    from pocketkube.network.ingress.server import ReverseProxy

log = logging.getLogger(__name__)

TLS_HANDSHAKE = 22
"""The first byte of a TLS connection."""
MOST = 2000
"""Connections of a port that are served at a time, tunnels among them. Those that follow stay in the listener's backlog
until one ends, as with a Traefik that has used up its file descriptors."""


class Port:
    """`run()` accepts until `close()`; `routes`, `names` and `tls` may be exchanged at any time."""

    def __init__(self, proxy: ReverseProxy, listener: Listener) -> None:
        self.proxy = proxy
        self.listener = listener
        self.routes = Routes(())
        self.tls = False
        self.names = Names({}, {})
        self.gone = asyncio.Event()
        """Set when it is closed and its last connection has ended."""
        self._connections: set[Connection] = set()
        self._silent: set[Stream] = set()
        """Connected to a TLS port and not one byte sent yet."""
        self._front: ssl.SSLContext | None = None
        self._places = asyncio.Semaphore(MOST)

    @property
    def closed(self) -> bool:
        return self.listener.closed

    def close(self) -> None:
        """Stop listening; idle connections end now, the others after their request."""
        self.listener.close()
        for connection in tuple(self._connections):
            connection.close_when_idle()
        for stream in tuple(self._silent):
            stream.close()

    async def run(self) -> None:
        """Until the port is closed and its last connection has ended."""
        try:
            async with asyncio.TaskGroup() as connections:
                try:
                    while True:
                        await self._places.acquire()
                        stream = await anext(self.listener, None)
                        if stream is None:
                            break
                        served = connections.create_task(self._serve(stream), name=f"ingress {stream.remote}")
                        served.add_done_callback(lambda _: self._places.release())
                finally:
                    self.listener.close()
        finally:
            self.gone.set()

    async def _serve(self, raw: Stream) -> None:
        try:
            connection = await self._connection(raw)
            if connection is None:
                return
            self._connections.add(connection)
            try:
                await connection.run()
            finally:
                self._connections.discard(connection)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            log.debug("connection from %s: %s", raw.remote[0], error)
        except Exception:
            log.exception("a connection of the ingress controller failed")
        finally:
            raw.close()

    async def _connection(self, raw: Stream) -> Connection | None:
        """None when the client left at once. Raises ssl.SSLError, ConnectionError, TimeoutError."""
        if not self.tls:
            return Connection(self, raw, tls=False)
        async with self.proxy.clock.timeout(HEAD_SECONDS):
            self._silent.add(raw)
            try:
                first = await raw.read()
            finally:
                self._silent.discard(raw)
            if not first:
                return None
            if first[0] != TLS_HANDSHAKE:  # no rule is served in the clear here: 404, as from Traefik
                return Connection(self, raw, tls=False, first=first)
            return Connection(self, await tls.server(raw, self._context(), first), tls=True)

    def _context(self) -> ssl.SSLContext:
        if self._front is None:
            self._front = self.proxy.certificates.front(lambda name: self.names.find(name))
        return self._front
