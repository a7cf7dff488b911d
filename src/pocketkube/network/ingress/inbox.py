"""What a client sends, read ahead by a task of its own, so that its going away is seen while a backend is waited for.

As in Go's net/http (and so in Traefik), the end of what a client sends counts as its going away while its request is
being served: a client that half-closes its connection gets no answer but 499.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pocketkube.network.ingress.wire import Wire

LIMIT = 65536
"""Bytes read ahead; then the client has to wait."""


class Inbox:
    """`pump()` runs until the stream ends; `read()` takes what came."""

    def __init__(self, stream: Wire) -> None:
        self.ended = False
        self.broken = False
        """The connection was reset, so nobody reads what is sent either."""
        self.on_end: Callable[[], None] | None = None
        """Called once, when the client ends or is gone."""
        self._stream = stream
        self._data = bytearray()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    async def pump(self) -> None:
        try:
            while data := await self._stream.read():
                self._data += data
                self._arrived.set()
                while len(self._data) >= LIMIT:
                    self._room.clear()
                    await self._room.wait()
        except OSError:
            self.broken = True
        finally:
            self.ended = True
            self._arrived.set()
            if self.on_end is not None:
                self.on_end()

    @property
    def empty(self) -> bool:
        return not self._data

    async def read(self) -> bytes:
        """What came since the last call; b"" at the end."""
        await self.arrival()
        return self.take()

    async def arrival(self) -> None:
        """Until there is something to take, or the end."""
        while not self._data and not self.ended:
            self._arrived.clear()
            await self._arrived.wait()

    def take(self) -> bytes:
        """What is there, without waiting."""
        data = bytes(self._data)
        self._data.clear()
        self._room.set()
        return data

    def push_back(self, data: bytes) -> None:
        """Bytes that were read but belong to what comes next."""
        if data:
            self._data[:0] = data
            self._arrived.set()
