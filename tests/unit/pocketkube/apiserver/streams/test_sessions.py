"""exec and attach over SPDY: what kubectl before 1.31 and k9s speak."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.streams.spdy_client import SpdyClient, upgraded
from tests.unit.pocketkube.apiserver.world import PODS, World

from pocketkube.apiserver.policy import Decision, Policy

V4 = "v4.channel.k8s.io"
SUCCESS = {"metadata": {}, "status": "Success"}
SPDY = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}


@pytest.fixture
def pod(world: World) -> World:
    world.pod("p")
    return world


def exec_path(*argv: str, **flags: str) -> str:
    query = "&".join([f"command={word}" for word in argv] + [f"{name}={value}" for name, value in flags.items()])
    return f"{PODS}/p/exec?{query}"


async def open_all(client: SpdyClient, *kinds: str) -> dict[str, int]:
    return {kind: await client.open(streamtype=kind) for kind in kinds}


async def outcome(client: SpdyClient, streams: dict[str, int]) -> Any:
    return json.loads(await client.all(streams["error"]))


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_output_and_success(pod: World, method: str) -> None:
    path = exec_path("echo", "hi", stdout="true", stderr="true")
    async with upgraded(pod, path, V4, "v3.channel.k8s.io", method=method) as client:
        streams = await open_all(client, "error", "stdout", "stderr")
        assert await outcome(client, streams) == SUCCESS
        assert await client.all(streams["stdout"]) == b"hi\n"
        assert await client.all(streams["stderr"]) == b""
        await client.until(lambda: client.gone)


async def test_exit_codes(pod: World) -> None:
    async with upgraded(pod, exec_path("fail", "7", stdout="1", stderr="1"), V4) as client:
        streams = await open_all(client, "error", "stdout", "stderr")
        status = await outcome(client, streams)
        assert await client.all(streams["stderr"]) == b"no\n"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


async def test_stdin_until_its_end(pod: World) -> None:
    async with upgraded(pod, exec_path("cat", stdin="1", stdout="1"), V4) as client:
        streams = await open_all(client, "error", "stdin", "stdout")
        for _ in range(10):
            await client.write(streams["stdin"], b"x" * 100_000)
        await client.write(streams["stdin"], b"", fin=True)
        assert await client.all(streams["stdout"]) == b"x" * 1_000_000
        assert await outcome(client, streams) == SUCCESS


async def test_a_terminal_is_resized(pod: World) -> None:
    async with upgraded(pod, exec_path("size", stdin="1", stdout="1", tty="1"), V4) as client:
        streams = await open_all(client, "error", "stdin", "stdout", "resize")
        await client.write(streams["resize"], b'{"Width":80,"Hei')
        await client.write(streams["resize"], b'ght":24}\n{"Width":81')
        assert await client.all(streams["stdout"]) == b"(80, 24)"


async def test_a_client_that_leaves_takes_its_command_along(pod: World) -> None:
    async with upgraded(pod, exec_path("sleep", stdout="1"), V4) as client:
        await open_all(client, "error", "stdout")
        await client.until(lambda: pod.runtime.asked)
    async with asyncio.timeout(20):
        await pod.runtime.killed.wait()


async def test_attach(pod: World) -> None:
    async with upgraded(pod, f"{PODS}/p/attach?stdout=1", V4) as client:
        streams = await open_all(client, "error", "stdout")
        assert await outcome(client, streams) == SUCCESS
        assert await client.all(streams["stdout"]) == b"attached\n"


async def test_stopping_ends_sessions(pod: World) -> None:
    async with upgraded(pod, exec_path("sleep", stdout="1"), V4) as client:
        await open_all(client, "error", "stdout")
        await client.until(lambda: pod.runtime.asked)
        async with asyncio.timeout(20):
            await pod.server.stop()
            await pod.runtime.killed.wait()
        await client.until(lambda: client.gone)


async def test_a_stream_that_was_not_asked_for_is_reset(pod: World) -> None:
    async with upgraded(pod, exec_path("echo", "hi", stdout="1"), V4) as client:
        streams = await open_all(client, "stdin", "error", "stdout")
        assert set(client.resets) == {streams["stdin"]}
        assert await client.all(streams["stdout"]) == b"hi\n"


async def test_protocols_without_exit_codes_are_refused_with_those_that_are_spoken(pod: World) -> None:
    headers = {**SPDY, "X_Stream_Protocol_Version": "v2.channel.k8s.io"}
    response = await pod.call("POST", exec_path("echo", stdout="1"), **headers)
    assert (response.status, response.headers["X-Accepted-Stream-Protocol-Versions"]) == (403, V4)
    text = "unable to upgrade: unable to negotiate protocol: client supports [v2.channel.k8s.io], server accepts "
    assert await response.text() == f"{text}[{V4}]\n"


async def test_a_client_that_names_no_protocol_is_refused(pod: World) -> None:
    response = await pod.call("POST", exec_path("echo", stdout="1"), **SPDY)
    assert response.status == 400
    assert "X-Stream-Protocol-Version does not exist" in await response.text()


@pytest.mark.parametrize("way", ["exec?command=echo&stdout=1", "attach?stdout=1", "portforward?ports=80"])
async def test_a_handshake_needs_the_right_to_create(pod: World, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A WebSocket handshake is a GET: who may read a subresource may not yet begin a session."""
    monkeypatch.setattr(Policy, "decide", lambda policy, user, wanted: Decision(wanted.verb == "get"))
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
    code, body = await pod.get(f"{PODS}/p/{way}", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", **headers)
    assert code == 403
    assert f'cannot create resource "pods/{way.partition("?")[0]}"' in body["message"]
