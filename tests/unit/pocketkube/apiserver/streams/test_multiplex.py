from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.pocketkube.apiserver.streams.spdy_client import SpdyClient, running

from pocketkube.apiserver.streams import spdy
from pocketkube.apiserver.streams.inbox import LIMIT
from pocketkube.apiserver.streams.multiplex import Connection, Refused, Stream
from pocketkube.network import stream as fabric


class End:
    """One end of a connection in memory, as a Wire."""

    def __init__(self, stream: fabric.Stream) -> None:
        self.stream = stream

    async def read(self) -> bytes:
        return await self.stream.read()

    async def write(self, data: bytes) -> None:
        await self.stream.write(data)


class Server:
    def __init__(self) -> None:
        self.streams: asyncio.Queue[Stream] = asyncio.Queue()

    def accept(self, stream: Stream) -> None:
        if stream.headers.get("streamtype") == "nonsense":
            raise Refused
        self.streams.put_nowait(stream)


@pytest.fixture
async def both() -> AsyncIterator[tuple[SpdyClient, Server]]:
    here, there = fabric.Stream.pair(("127.0.0.1", 1), ("127.0.0.1", 2))
    server = Server()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(Connection(End(there), server.accept).run())
        async with running(End(here)) as client:
            yield client, server
        task.cancel()


async def test_bytes_both_ways_and_both_ends(both: tuple[SpdyClient, Server]) -> None:
    client, server = both
    number = await client.open(streamtype="data")
    stream = await server.streams.get()
    await client.write(number, b"ping", fin=True)
    assert [await stream.read(), await stream.read()] == [b"ping", b""]
    await stream.write(b"pong" * 50_000)
    await stream.close()
    assert await client.all(number) == b"pong" * 50_000


async def test_streams_do_not_mix(both: tuple[SpdyClient, Server]) -> None:
    client, server = both
    numbers = [await client.open(port=str(port)) for port in range(20)]
    streams = [await server.streams.get() for _ in numbers]
    await asyncio.gather(*(stream.write(stream.headers["port"].encode() * 40_000) for stream in streams))
    await asyncio.gather(*(stream.close() for stream in streams))
    for number, stream in zip(numbers, streams, strict=True):
        assert await client.all(number) == stream.headers["port"].encode() * 40_000


async def test_a_stream_without_sense_is_reset_and_the_others_go_on(both: tuple[SpdyClient, Server]) -> None:
    client, server = both
    refused = await client.open(streamtype="nonsense")
    assert client.resets == {refused: spdy.REFUSED_STREAM}
    number = await client.open(streamtype="data")
    await (await server.streams.get()).finish()
    assert await client.all(number) == b""


async def test_pings_are_answered(both: tuple[SpdyClient, Server]) -> None:
    client, _ = both
    await client.send(spdy.Ping(7))
    await client.until(lambda: client.pings == [7])


async def test_a_reset_breaks_reading_and_writing(both: tuple[SpdyClient, Server]) -> None:
    client, server = both
    number = await client.open(streamtype="data")
    stream = await server.streams.get()
    reading = asyncio.ensure_future(stream.read())
    await client.send(spdy.Reset(number, spdy.CANCEL))
    with pytest.raises(ConnectionResetError):
        await reading
    with pytest.raises(BrokenPipeError):
        await stream.write(b"x")


async def test_a_stream_nobody_reads_holds_the_connection_and_no_more_than_its_share(
    both: tuple[SpdyClient, Server],
) -> None:
    client, server = both
    number = await client.open(streamtype="data")
    stream = await server.streams.get()
    sending = asyncio.ensure_future(client.write(number, bytes(4_000_000)))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not sending.done()
    held = 0
    while not sending.done() or held < 4_000_000:
        held += len(await stream.read())
    assert held == 4_000_000
    assert stream.inbox._held <= LIMIT + 65536


async def test_what_comes_for_a_finished_stream_is_dropped(both: tuple[SpdyClient, Server]) -> None:
    client, server = both
    number = await client.open(streamtype="data")
    await (await server.streams.get()).finish()
    await client.write(number, bytes(2_000_000))
    await client.send(spdy.Ping(1))
    await client.until(lambda: client.pings == [1])


async def test_rubbish_ends_the_connection(both: tuple[SpdyClient, Server]) -> None:
    client, server = both
    await client.open(streamtype="data")
    stream = await server.streams.get()
    await client.wire.write(b"\x80\x02\x00\x01\x00\x00\x00\x00")
    with pytest.raises(ConnectionResetError):
        await stream.read()


async def test_a_number_that_was_used_is_rubbish(both: tuple[SpdyClient, Server]) -> None:
    client, server = both
    number = await client.open(streamtype="data")
    stream = await server.streams.get()
    await client.send(spdy.Opened(number, {"streamtype": "data"}))
    with pytest.raises(ConnectionResetError):
        await stream.read()
