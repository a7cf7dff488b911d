"""Copies of requests for mirrors: sent after the request itself, their answers read and thrown away.

A body longer than LARGEST is not mirrored, and a debug line says so. Nothing a mirror does is seen by the client.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pocketkube.network.http import Exchange, ProtocolError
from pocketkube.network.ingress.filters import Outgoing
from pocketkube.network.ingress.request import Request, spelled
from pocketkube.network.ingress.routes import Mirror

if TYPE_CHECKING:
    from pocketkube.network.ingress.server import ReverseProxy

log = logging.getLogger(__name__)

LARGEST = 1 << 20
SECONDS = 30.0


class Copy:
    """A request to be sent again; `add` collects its body."""

    def __init__(self, request: Request, out: Outgoing, mirror: Mirror) -> None:
        self._method = request.method
        self._target = out.target.sent
        self._headers = [("Host", out.authority)]
        self._headers += [(spelled(name).decode("latin-1"), value.decode("latin-1")) for name, value in out.headers]
        self._backend = mirror.backend
        self._body: list[bytes] | None = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > LARGEST:
            self._body = None
        elif self._body is not None:
            self._body.append(piece)

    async def send(self, proxy: ReverseProxy) -> None:
        """Never raises what the mirror causes."""
        where = f"the mirror {self._backend.namespace}/{self._backend.service}"
        address = proxy.turns.endpoint(self._backend)
        if address is None or self._body is None or self._backend.scheme not in ("http", "https"):
            log.debug("no copy for %s: no endpoint, a scheme that is not supported, or too large a body", where)
            return
        try:
            async with proxy.clock.timeout(SECONDS):
                link = await proxy.pool.take((self._backend.scheme, *address), fresh=True)
                try:
                    exchange = Exchange(link.stream)
                    await exchange.send(self._method, self._target, self._headers, b"".join(self._body))
                    await exchange.head()
                    async for _ in exchange.body():
                        pass
                finally:
                    link.stream.close()
        except (OSError, ProtocolError, ValueError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            log.debug("%s: %s", where, error)
