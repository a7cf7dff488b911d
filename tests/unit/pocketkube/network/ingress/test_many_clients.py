"""Attacks on the ingress controller's ports by clients that are many, slow or silent: others are served."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.pocketkube.network.ingress.harness import rule, site

from pocketkube.network import http
from pocketkube.network.ingress import port
from pocketkube.network.stream import Stream

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: "
BODY = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("start", [HEAD, BODY], ids=["head", "body"])
async def test_attack_clients_that_trickle_do_not_keep_others_waiting(start: bytes) -> None:
    async with site() as here:
        here.serve()
        slow = [await here.connect() for _ in range(500)]
        for stream in slow:
            await stream.write(start)
        for _ in range(5):
            for stream in slow:
                await stream.write(b"x")
            assert (await here.get()).status == 200


async def test_attack_more_connections_than_a_port_serves_wait_for_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "MOST", 5)
    async with site() as here:
        here.serve()
        held = [await here.connect() for _ in range(5)]
        for stream in held:
            await stream.write(HEAD)
        waiting = [asyncio.create_task(here.get()) for _ in range(20)]
        for _ in range(200):
            await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await held[0].write(b"\r\n\r\n")  # who is served goes on
        assert (await held[0].read()).startswith(b"HTTP/1.1 200 OK\r\n")
        held[1].abort()
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * 20


async def test_a_full_port_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "MOST", 2)
    async with site() as here:
        held = [await here.connect() for _ in range(4)]
        for _ in range(20):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await here.proxy.drain()
            for stream in held[:2]:
                assert await stream.read() == b""
            for stream in held[2:]:
                with pytest.raises(ConnectionResetError):
                    await stream.read()


async def test_attack_many_tunnels_and_requests_beside_them() -> None:
    async def echo(stream: Stream) -> None:
        while b"\r\n\r\n" not in await stream.read():
            pass
        await stream.write(SWITCHED)
        while data := await stream.read():
            await stream.write(data)

    async def hello(request: http.Request) -> http.Response:
        return http.Response(200, [], b"hello")

    async with site(rule()) as here:
        here.raw(echo)
        tunnels = [await here.connect() for _ in range(300)]
        for stream in tunnels:
            await stream.write(UPGRADE)
        for stream in tunnels:
            assert (await stream.read()).startswith(b"HTTP/1.1 101 ")
        here.endpoints.clear()
        here.serve(handler=hello)
        assert (await here.get()).body == b"hello"
        for number, stream in enumerate(tunnels):
            await stream.write(b"%d" % number)
        for number, stream in enumerate(tunnels):
            assert await stream.read() == b"%d" % number
