"""Bytes that have arrived and wait to be read: a bounded queue between who receives and who reads."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

LIMIT: Final = 256 * 1024


class Inbox:
    """`put` never waits, `feed` waits while more than `limit` bytes lie unread, so that no sender fills the memory."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._error: OSError | None = None
        self._readable = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def full(self) -> bool:
        return self._held >= self._limit

    @property
    def ended(self) -> bool:
        """Nothing more will arrive; there may be bytes left to read."""
        return self._ended

    async def read(self, most: int = 65536, /) -> bytes:
        """b"" at the end. Raises what `break_` was given."""
        while not self._chunks:
            if self._error is not None:
                raise type(self._error)(*self._error.args)
            if self._ended:
                return b""
            self._readable.clear()
            await self._readable.wait()
        chunk = self._chunks.popleft()
        if len(chunk) > most:
            self._chunks.appendleft(chunk[most:])
            chunk = chunk[:most]
        self._held -= len(chunk)
        if not self.full:
            self._room.set()
        return chunk

    def put(self, data: bytes) -> None:
        """What arrives after the end is dropped."""
        if data and not self._ended:
            self._chunks.append(data)
            self._held += len(data)
            self._readable.set()
            if self.full:
                self._room.clear()

    async def feed(self, data: bytes) -> None:
        self.put(data)
        await self._room.wait()

    def end(self) -> None:
        """No more will come; what is here can still be read."""
        self._ended = True
        self._readable.set()
        self._room.set()

    def break_(self, error: OSError) -> None:
        """The reader gets `error`, and what lies unread is gone."""
        self._error = self._error or error
        self._chunks.clear()
        self._held = 0
        self.end()
