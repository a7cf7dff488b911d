"""Connections to endpoints, kept for the next request. One that ended or spoke unasked while idle is not used again."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pocketkube.network import tls
from pocketkube.network.ingress.wire import Wire
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.stream import Stream

IDLE_SECONDS = 90.0
"""As in Go's transport with Traefik's settings; so is the number kept for one endpoint."""
IDLE_MOST = 200
DIAL_SECONDS = 30.0

Key = tuple[str, str, int]
"""(scheme, address, port)."""


@dataclass(slots=True, eq=False)
class Link:
    """A connection to an endpoint. `reused`: it has served a request before, so it may turn out to be stale."""

    key: Key
    raw: Stream
    stream: Wire
    reused: bool = False
    since: float = 0.0

    @property
    def fit(self) -> bool:
        """Neither closed by the other side nor holding bytes nobody asked for."""
        return self.raw.state == "ESTABLISHED" and not self.raw.unread


class Pool:
    """`now` gives seconds of cluster time."""

    def __init__(self, net: PodNetwork, now: Callable[[], float]) -> None:
        self._net = net
        self._now = now
        self._idle: dict[Key, deque[Link]] = {}
        self._unverified: ssl.SSLContext | None = None

    async def take(self, key: Key, *, fresh: bool = False) -> Link:
        """An idle connection, or a new one. Raises OSError, TimeoutError, ssl.SSLError."""
        idle = self._idle.get(key)
        while idle and not fresh:
            link = idle.pop()
            if link.fit and self._now() - link.since < IDLE_SECONDS:
                link.reused = True
                return link
            link.stream.close()
        scheme, address, port = key
        raw = await self._net.connect(address, port, timeout=DIAL_SECONDS)
        if scheme != "https":
            return Link(key, raw, raw)
        try:
            async with asyncio.timeout(DIAL_SECONDS / self._net.fabric.clock.speed):
                return Link(key, raw, await tls.client(raw, self._context(), address))
        except BaseException:
            raw.close()
            raise

    def give_back(self, link: Link) -> None:
        idle = self._idle.setdefault(link.key, deque())
        link.since = self._now()
        idle.append(link)
        if len(idle) > IDLE_MOST:
            idle.popleft().stream.close()

    def sweep(self) -> None:
        """Close what was idle for too long or has ended."""
        for key, idle in list(self._idle.items()):
            kept = deque(link for link in idle if link.fit and self._now() - link.since < IDLE_SECONDS)
            for link in idle:
                if link not in kept:
                    link.stream.close()
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]

    def close(self) -> None:
        for idle in self._idle.values():
            for link in idle:
                link.stream.close()
        self._idle.clear()

    def _context(self) -> ssl.SSLContext:
        if self._unverified is None:
            self._unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._unverified.check_hostname = False
            self._unverified.verify_mode = ssl.CERT_NONE
            self._unverified.set_alpn_protocols(["http/1.1"])
        return self._unverified
