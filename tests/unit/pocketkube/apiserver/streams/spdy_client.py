"""A SPDY client for tests: the upgrade, and then streams as spdystream's client opens them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.pocketkube.apiserver.world import World

from pocketkube.apiserver.streams import spdy


class Wire:
    """What an upgraded connection is to both ends: bytes in, bytes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        return await self._reader.read(65536)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


class SpdyClient:
    def __init__(self, wire: Any) -> None:
        self.wire = wire
        self.received: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.replied: set[int] = set()
        self.resets: dict[int, int] = {}
        self.pings: list[int] = []
        self.gone = False
        self._encoder, self._decoder = spdy.Encoder(), spdy.Decoder()
        self._news = asyncio.Event()
        self._next = 1

    async def send(self, frame: spdy.Frame) -> None:
        await self.wire.write(self._encoder.encode(frame))

    async def open(self, **headers: str) -> int:
        """Open a stream and wait for the reply, as clients do; its number."""
        number, self._next = self._next, self._next + 2
        await self.send(spdy.Opened(number, headers))
        await self.until(lambda: number in self.replied or number in self.resets)
        return number

    async def write(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        await self.send(spdy.Data(stream, data, fin))

    async def all(self, stream: int) -> bytes:
        """What comes on a stream until it ends or is reset."""
        await self.until(lambda: stream in self.ended or stream in self.resets or self.gone)
        return self.received.get(stream, b"")

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def run(self) -> None:
        try:
            while data := await self.wire.read():
                for frame in self._decoder.feed(data):
                    self._take(frame)
                    self._news.set()
        except ConnectionError:
            pass
        self.gone = True
        self._news.set()

    def _take(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.Data(stream, data, fin):
                self.received[stream] = self.received.get(stream, b"") + data
                if fin:
                    self.ended.add(stream)
            case spdy.Replied(stream):
                self.replied.add(stream)
            case spdy.Reset(stream, status):
                self.resets[stream] = status
            case spdy.Ping(number):
                self.pings.append(number)


@asynccontextmanager
async def running(wire: Any) -> AsyncIterator[SpdyClient]:
    client = SpdyClient(wire)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(client.run())
        try:
            yield client
        finally:
            task.cancel()


@asynccontextmanager
async def upgraded(world: World, path: str, *protocols: str, method: str = "POST") -> AsyncIterator[SpdyClient]:
    """A client on a connection of its own that has been switched to SPDY. Fails the test when it is not."""
    context = ssl.create_default_context(cadata=world.pki.ca_pem)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=context)
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {world.pki.token}",
        "Connection: Upgrade",
        "Upgrade: SPDY/3.1",
        *(f"X-Stream-Protocol-Version: {protocol}" for protocol in protocols),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 101 "), head
        assert "upgrade: spdy/3.1\r\n" in head
        assert f"x-stream-protocol-version: {protocols[0]}\r\n" in head
        async with running(Wire(reader, writer)) as client:
            yield client
    finally:
        writer.transport.abort()
