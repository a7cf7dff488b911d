"""Pods reach the API server, and cannot take all the sockets it has."""

from __future__ import annotations

import asyncio

import pytest

from pocketkube.clock import Clock
from pocketkube.network import api_endpoint
from pocketkube.network.api_endpoint import ApiEndpoint
from pocketkube.network.fabric import Fabric


async def test_attack_pods_that_hold_many_connections_are_refused_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_endpoint, "MOST", 2)
    fabric = Fabric(Clock())
    node = fabric.attach("172.18.0.2", "node-1")
    pod = fabric.attach("10.244.0.5", "pod", node="node-1")

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    serving = asyncio.create_task(ApiEndpoint(node, lambda: server.sockets[0].getsockname()[1]).run())
    await asyncio.sleep(0)
    try:
        held = [await pod.connect("172.18.0.2", 6443) for _ in range(2)]
        for stream in held:
            await stream.write(b"hello")
            assert await stream.read() == b"hello"
        more = await pod.connect("172.18.0.2", 6443)
        with pytest.raises(ConnectionError):
            await more.read()
        held[0].close()
        async with asyncio.timeout(10):
            while True:  # the place is free as soon as both sides have ended
                again = await pod.connect("172.18.0.2", 6443)
                try:
                    await again.write(b"again")
                    assert await again.read() == b"again"
                    break
                except ConnectionError:
                    await asyncio.sleep(0)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        server.close()
