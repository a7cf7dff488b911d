from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from tests.unit.pocketkube.apiserver.streams.spdy_client import SpdyClient, running, upgraded
from tests.unit.pocketkube.apiserver.world import PODS, World

from pocketkube.apiserver.streams import carrying, portforward, spdy
from pocketkube.network.stream import Stream

PATH = f"{PODS}/p/portforward"
POD = "10.244.0.5"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
V4 = "v4.channel.k8s.io"


async def echo(stream: Stream) -> None:
    while data := await stream.read():
        await stream.write(data)
    stream.close()


@pytest.fixture
def pod(world: World) -> World:
    world.pod("p")
    world.pod("pend", node="")
    world.network.listening[POD, 80] = echo
    return world


class Tunnel:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        message = await self._socket.receive()
        return bytes(message.data) if message.type == aiohttp.WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), 1000):  # where messages end means nothing
            await self._socket.send_bytes(data[start : start + 1000])


@asynccontextmanager
async def spdy_client(world: World, way: str) -> AsyncIterator[SpdyClient]:
    if way == "spdy":
        async with upgraded(world, PATH, "portforward.k8s.io") as client:
            yield client
        return
    async with world.http.ws_connect(PATH, protocols=(TUNNEL,)) as socket:
        assert socket.protocol == TUNNEL
        async with running(Tunnel(socket)) as client:
            yield client


@pytest.fixture(params=["spdy", "websocket"])
async def client(pod: World, request: pytest.FixtureRequest) -> AsyncIterator[SpdyClient]:
    async with spdy_client(pod, request.param) as it:
        yield it


async def connect(client: SpdyClient, port: int, request: str = "0") -> tuple[int, int]:
    """(data, error) of a new connection, opened as kubectl does: the error stream first, and ended at once."""
    error = await client.open(streamtype="error", port=str(port), requestid=request)
    await client.write(error, b"", fin=True)
    return await client.open(streamtype="data", port=str(port), requestid=request), error


# -- SPDY, alone and inside a WebSocket


async def test_bytes_both_ways_and_the_end(client: SpdyClient) -> None:
    data, error = await connect(client, 80)
    await client.write(data, b"hello")
    await client.until(lambda: client.received.get(data) == b"hello")
    await client.write(data, b" again", fin=True)
    assert await client.all(data) == b"hello again"
    assert await client.all(error) == b""


async def test_many_connections_at_once(client: SpdyClient) -> None:
    async def one(number: int) -> bytes:
        await client.write(pairs[number][0], str(number).encode() * 1000, fin=True)
        return await client.all(pairs[number][0])

    pairs = [await connect(client, 80, str(number)) for number in range(50)]
    assert await asyncio.gather(*map(one, range(50))) == [str(n).encode() * 1000 for n in range(50)]


async def test_megabytes_both_ways(client: SpdyClient) -> None:
    data, _ = await connect(client, 80)

    async def send() -> None:
        for _ in range(64):
            await client.write(data, bytes(65536))
        await client.write(data, b"", fin=True)

    sending = asyncio.ensure_future(send())
    assert len(await client.all(data)) == 64 * 65536
    await sending


async def test_a_port_where_nobody_listens_is_told_and_the_others_go_on(client: SpdyClient) -> None:
    data, error = await connect(client, 81)
    assert await client.all(error) == b"error forwarding port 81 to pod f00, uid : nobody listens on 81"
    await client.until(lambda: data in client.resets)
    data, error = await connect(client, 80, "1")
    await client.write(data, b"x", fin=True)
    assert await client.all(data) == b"x"


async def test_a_connection_that_breaks_is_told(pod: World, client: SpdyClient) -> None:
    async def breaks(stream: Stream) -> None:
        await stream.read()
        stream.abort()

    pod.network.listening[POD, 80] = breaks
    data, error = await connect(client, 80)
    await client.write(data, b"x")
    text = b"error forwarding port 80 to pod f00, uid : broken: Connection reset by peer"
    assert await client.all(error) == text


async def test_a_client_that_resets_closes_the_pods_connection(pod: World, client: SpdyClient) -> None:
    closed = asyncio.Event()

    async def waits(stream: Stream) -> None:
        while await stream.read():
            pass
        closed.set()

    pod.network.listening[POD, 80] = waits
    data, error = await connect(client, 80)
    await client.write(data, b"x")
    await client.send(spdy.Reset(data, spdy.CANCEL))
    async with asyncio.timeout(20):
        await closed.wait()
    assert await client.all(error) == b""


async def test_who_goes_on_talking_to_a_half_closed_connection_is_heard(pod: World, client: SpdyClient) -> None:
    async def slow(stream: Stream) -> None:
        while await stream.read():
            pass
        for _ in range(3):
            await stream.write(b"x")
            await asyncio.sleep(carrying.LINGER / 2)
        stream.close()

    pod.network.listening[POD, 80] = slow
    data, _ = await connect(client, 80)
    await client.write(data, b"", fin=True)
    assert await client.all(data) == b"xxx"


async def test_who_says_nothing_on_a_half_closed_connection_is_given_up(pod: World, client: SpdyClient) -> None:
    async def mute(stream: Stream) -> None:
        await asyncio.Event().wait()

    pod.network.listening[POD, 80] = mute
    data, error = await connect(client, 80)
    await client.write(data, b"", fin=True)
    assert await client.all(data) == b""
    assert await client.all(error) == b""


async def test_clients_that_do_not_number_their_connections(client: SpdyClient) -> None:
    error = await client.open(streamtype="error", port="80")
    data = await client.open(streamtype="data", port="80")
    await client.write(data, b"x", fin=True)
    assert await client.all(data) == b"x"
    assert await client.all(error) == b""


@pytest.mark.parametrize(
    "headers",
    [
        {"streamtype": "data", "requestid": "0"},
        {"streamtype": "data", "requestid": "0", "port": "0"},
        {"streamtype": "data", "requestid": "0", "port": "65536"},
        {"streamtype": "data", "requestid": "0", "port": "http"},
        {"streamtype": "other", "requestid": "0", "port": "80"},
        {"requestid": "0", "port": "80"},
    ],
)
async def test_streams_without_sense_are_reset(client: SpdyClient, headers: dict[str, str]) -> None:
    stream = await client.open(**headers)
    assert stream in client.resets


async def test_a_second_stream_that_never_comes(client: SpdyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portforward, "STREAMS_WITHIN", 0.01)
    error = await client.open(streamtype="error", port="80", requestid="7")
    assert await client.all(error) == b"(request=7) timed out waiting for streams"


@pytest.mark.parametrize("way", ["spdy", "websocket"])
async def test_a_client_that_leaves_closes_the_pods_connections(pod: World, way: str) -> None:
    closed = asyncio.Event()

    async def waits(stream: Stream) -> None:
        try:
            while await stream.read():
                pass
        finally:
            closed.set()

    pod.network.listening[POD, 80] = waits
    async with spdy_client(pod, way) as client:
        data, _ = await connect(client, 80)
        await client.write(data, b"x")
    async with asyncio.timeout(20):
        await closed.wait()


async def test_stopping_ends_sessions(pod: World, client: SpdyClient) -> None:
    await connect(client, 80)
    async with asyncio.timeout(20):
        await pod.server.stop()
    await client.until(lambda: client.gone)


# -- channels


async def collect(socket: aiohttp.ClientWebSocketResponse, channels: dict[int, bytes], wanted: Any) -> None:
    async with asyncio.timeout(20):
        while not wanted(channels):
            message = await socket.receive()
            if message.type != aiohttp.WSMsgType.BINARY:
                return
            channels[message.data[0]] = channels.get(message.data[0], b"") + message.data[1:]


@pytest.mark.parametrize("protocols", [(V4,), ("v5.channel.k8s.io", V4), ()])
async def test_channels_begin_with_their_port(pod: World, protocols: tuple[str, ...]) -> None:
    pod.network.listening[POD, 258] = echo
    seen: dict[int, bytes] = {}
    async with pod.http.ws_connect(f"{PATH}?ports=80,258", protocols=protocols) as socket:
        assert socket.protocol == (V4 if protocols else None)
        firsts = [bytes((await socket.receive()).data) for _ in range(4)]
        assert firsts == [b"\0\x50\0", b"\1\x50\0", b"\2\2\1", b"\3\2\1"]
        await socket.send_bytes(b"\0eighty")
        await socket.send_str("\2other")
        await socket.send_bytes(b"\1errors are not read")
        await collect(socket, seen, lambda seen: seen == {0: b"eighty", 2: b"other"})


async def test_the_error_channel_tells_and_the_connection_ends(pod: World) -> None:
    seen: dict[int, bytes] = {}
    async with pod.http.ws_connect(f"{PATH}?ports=81", protocols=(V4,)) as socket:
        await collect(socket, seen, lambda seen: False)
        assert socket.close_code == 1000
    text = b"error forwarding port 81 to pod f00, uid : nobody listens on 81"
    assert seen == {0: b"\x51\0", 1: b"\x51\0" + text}


async def test_what_was_sent_before_leaving_arrives(pod: World) -> None:
    """A pod that reads slowly is not cut off from what its client has handed over."""
    got, done = 0, asyncio.Event()

    async def slow(stream: Stream) -> None:
        nonlocal got
        while data := await stream.read(20_000):
            got += len(data)
            await asyncio.sleep(0)
        done.set()

    pod.network.listening[POD, 80] = slow
    async with pod.http.ws_connect(f"{PATH}?ports=80", protocols=(V4,)) as socket:
        for _ in range(30):
            await socket.send_bytes(b"\0" + bytes(100_000))
    async with asyncio.timeout(20):
        await done.wait()
    assert got == 3_000_000


# -- refusals

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
HANDSHAKE = {**UPGRADE, "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.mark.parametrize(
    ("path", "headers", "code", "message"),
    [
        (PATH, {}, 400, "Upgrade request required"),
        (f"{PODS}/pend/portforward", HANDSHAKE, 400, "pod pend does not have a host assigned"),
        (f"{PODS}/ghost/portforward", HANDSHAKE, 404, 'pods "ghost" not found'),
        (PATH, HANDSHAKE, 400, 'query parameter "port" is required'),
        (f"{PATH}?ports=0", HANDSHAKE, 400, 'port "0" must be > 0'),
        (f"{PATH}?ports=80,x", HANDSHAKE, 400, 'unable to parse "x" as a port'),
        (f"{PATH}?ports=65536", HANDSHAKE, 400, 'unable to parse "65536" as a port'),
        (PATH, {"Connection": "Upgrade", "Upgrade": "h2c"}, 400, "unable to upgrade: h2c is not supported"),
        (f"{PATH}?ports=80", {**HANDSHAKE, "Sec_WebSocket_Protocol": "v9"}, 400, "unable to upgrade: none of"),
    ],
)
async def test_refused_before_the_upgrade(
    pod: World, path: str, headers: dict[str, str], code: int, message: str
) -> None:
    seen, body = await pod.get(path, **headers)
    assert (seen, body["message"][: len(message)]) == (code, message)


async def test_another_protocol_above_spdy_is_refused(pod: World) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X_Stream_Protocol_Version": "other"}
    response = await pod.call("POST", PATH, **headers)
    assert response.status == 403
    assert response.headers["X-Accepted-Stream-Protocol-Versions"] == "portforward.k8s.io"
