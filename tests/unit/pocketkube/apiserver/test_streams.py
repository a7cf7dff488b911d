from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest
from tests.unit.pocketkube.apiserver.world import PODS, World

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
EXIT_7 = b"\x03command terminated with non-zero exit code: error executing command [fail 7], exit code 7"
SUCCESS = {"metadata": {}, "status": "Success"}


@pytest.fixture
def pod(world: World) -> World:
    world.pod("p")
    world.pod("two", "c", "side", "down")
    world.pod("pend", node="")
    return world


def exec_path(*argv: str, pod: str = "p", **flags: str) -> str:
    query = "&".join([f"command={word}" for word in argv] + [f"{name}={value}" for name, value in flags.items()])
    return f"{PODS}/{pod}/exec?{query}"


async def collect(socket: aiohttp.ClientWebSocketResponse) -> tuple[dict[int, bytes], Any]:
    """(bytes by channel, status) once the server has closed normally."""
    found: dict[int, bytes] = {}
    async with asyncio.timeout(20):
        async for message in socket:
            found[message.data[0]] = found.get(message.data[0], b"") + message.data[1:]
    assert socket.close_code == 1000
    return found, json.loads(found.pop(3))


@pytest.mark.parametrize("protocol", [V5, V4])
async def test_output_and_success(pod: World, protocol: str) -> None:
    path = exec_path("echo", "hi", stdout="true", stderr="1")
    async with pod.http.ws_connect(path, protocols=(protocol,)) as socket:
        assert socket.protocol == protocol
        assert await collect(socket) == ({1: b"hi\n"}, SUCCESS)
    assert pod.runtime.asked == {"pod": "test/p", "container": "c", "argv": ["echo", "hi"], "tty": False}


async def test_exit_codes_and_stderr(pod: World) -> None:
    async with pod.http.ws_connect(exec_path("fail", "7", stdout="1", stderr="1"), protocols=(V5, V4)) as socket:
        found, status = await collect(socket)
    assert found == {1: b"", 2: b"no\n"}
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


OLD: list[tuple[str, ...]] = [(), ("channel.k8s.io",)]


@pytest.mark.parametrize("protocols", OLD)
async def test_before_v4_the_outcome_is_a_text(pod: World, protocols: tuple[str, ...]) -> None:
    """Only of what failed: success is silence."""
    for argv, messages in ((("echo", "hi"), [b"\x01", b"\x01hi\n"]), (("fail", "7"), [b"\x01", b"\x02no\n", EXIT_7])):
        path = exec_path(*argv, stdout="1", stderr="1")
        async with asyncio.timeout(20), pod.http.ws_connect(path, protocols=protocols) as socket:
            assert [message.data async for message in socket] == messages
            assert socket.close_code == 1000


@pytest.mark.parametrize("protocol", ["v4.base64.channel.k8s.io", "base64.channel.k8s.io"])
async def test_browsers_speak_base64(pod: World, protocol: str) -> None:
    path = exec_path("head", stdin="1", stdout="1")
    async with asyncio.timeout(20), pod.http.ws_connect(path, protocols=(protocol,)) as socket:
        assert await socket.receive_str() == "1"
        await socket.send_str("0no base64")
        await socket.send_str("0" + base64.b64encode(b"line\n").decode())
        assert await socket.receive_str() == "1" + base64.b64encode(b"line\n").decode()
        rest = [message.data async for message in socket]
    success = base64.b64encode(json.dumps(SUCCESS, separators=(",", ":")).encode()).decode()
    assert rest == (["3" + success] if protocol.startswith("v4") else [])


@pytest.mark.parametrize("kind", ["binary", "text"])
async def test_stdin_until_half_close(pod: World, kind: str) -> None:
    async with pod.http.ws_connect(exec_path("cat", stdin="True", stdout="1"), protocols=(V5,)) as socket:
        if kind == "binary":
            await socket.send_bytes(b"\x00hello ")
        else:
            await socket.send_str("\x00hello ")
        await socket.send_bytes(b"\x00" + b"x" * 200_000)
        await socket.send_bytes(b"\xff\x00")
        assert await collect(socket) == ({1: b"hello " + b"x" * 200_000}, SUCCESS)


async def test_a_terminal_is_resized(pod: World) -> None:
    path = exec_path("size", stdin="1", stdout="1", tty="1")
    async with pod.http.ws_connect(path, protocols=(V5,)) as socket:
        await socket.send_bytes(b'\x04{"Width":80,"Height":24}\n')
        found, _ = await collect(socket)
    assert found == {1: b"(80, 24)"}
    assert pod.runtime.asked["tty"] is True


async def test_pings_are_answered(pod: World) -> None:
    async with pod.http.ws_connect(exec_path("cat", stdin="1", stdout="1"), protocols=(V5,), autoping=False) as socket:
        await socket.ping(b"there?")
        async with asyncio.timeout(20):
            while (message := await socket.receive()).type != aiohttp.WSMsgType.PONG:
                pass
        assert bytes(message.data) == b"there?"


async def test_a_client_that_leaves_takes_its_command_along(pod: World) -> None:
    async with pod.http.ws_connect(exec_path("sleep", stdout="1"), protocols=(V5,)):
        pass
    async with asyncio.timeout(20):
        await pod.runtime.killed.wait()


async def test_a_refusal_by_the_node_is_the_status(pod: World) -> None:
    async with pod.http.ws_connect(exec_path("nope", stdout="1"), protocols=(V4,)) as socket:
        _, status = await collect(socket)
    assert (status["code"], status["message"]) == (400, "no such command: nope")


async def test_attach(pod: World) -> None:
    async with pod.http.ws_connect(f"{PODS}/p/attach?stdout=1", protocols=(V5,)) as socket:
        assert await collect(socket) == ({1: b"attached\n"}, SUCCESS)


async def test_stopping_ends_sessions(pod: World) -> None:
    async with pod.http.ws_connect(exec_path("sleep", stdout="1"), protocols=(V5,)) as socket:
        async with asyncio.timeout(20):
            await pod.server.stop()
            await pod.runtime.killed.wait()
        assert (await socket.receive()).type is not None


UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
HANDSHAKE = {**UPGRADE, "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.mark.parametrize(
    ("path", "headers", "code", "message"),
    [
        (exec_path("echo", stdout="1"), {}, 400, "Upgrade request required"),
        (
            exec_path("echo", stdout="1"),
            {"Connection": "Upgrade", "Upgrade": "h2c"},
            400,
            "unable to upgrade: h2c is not supported, only websocket and SPDY/3.1",
        ),
        (
            exec_path("echo", stdout="1"),
            {**HANDSHAKE, "Sec_WebSocket_Protocol": "v9.channel.k8s.io"},
            400,
            "unable to upgrade: none of the protocols ['v9.channel.k8s.io'] is supported",
        ),
        (exec_path("echo", stdout="1", container="zz"), HANDSHAKE, 400, "container zz is not valid for pod p"),
        (
            exec_path("echo", pod="two", stdout="1"),
            HANDSHAKE,
            400,
            "a container name must be specified for pod two, choose one of: [c side down]",
        ),
        (exec_path("echo", pod="ghost", stdout="1"), HANDSHAKE, 404, 'pods "ghost" not found'),
        (exec_path("echo", pod="pend", stdout="1"), HANDSHAKE, 400, "pod pend does not have a host assigned"),
        (exec_path("echo"), HANDSHAKE, 400, "you must specify at least 1 of stdin, stdout, stderr"),
        (exec_path(stdout="1"), HANDSHAKE, 400, "you must specify at least 1 command for the container"),
    ],
)
async def test_refused_before_the_upgrade(
    pod: World, path: str, headers: dict[str, str], code: int, message: str
) -> None:
    seen, body = await pod.get(path, **headers)
    assert (seen, body["message"][: len(message)]) == (code, message)


@pytest.mark.parametrize("path", [exec_path("echo", pod="two", stdout="1"), f"{PODS}/two/attach?stdout=1"])
async def test_the_kubelet_refuses_in_a_text(pod: World, path: str) -> None:
    assert await pod.get(f"{path}&container=down", **HANDSHAKE) == (500, 'container not found ("down")')


# -- logs


async def test_logs_are_text(pod: World) -> None:
    assert await pod.get(f"{PODS}/p/log") == (200, "one\ntwo\nthree\n")
    response = await pod.call("GET", f"{PODS}/p/log")
    assert response.content_type == "text/plain"
    assert await pod.get(f"{PODS}/p/log?tailLines=1") == (200, "three\n")
    assert await pod.get(f"{PODS}/pend/log") == (200, "")


@pytest.mark.parametrize("protocols", [(), ("binary.k8s.io",), ("base64.binary.k8s.io",)])
async def test_logs_over_websocket(pod: World, protocols: tuple[str, ...]) -> None:
    async with asyncio.timeout(20), pod.http.ws_connect(f"{PODS}/p/log", protocols=protocols) as socket:
        messages = [message.data async for message in socket]
        assert socket.close_code == 1000
    if socket.protocol == "base64.binary.k8s.io":
        messages = [base64.b64decode(message) for message in messages]
    assert messages[0] == b""
    assert b"".join(messages) == b"one\ntwo\nthree\n"


async def test_who_stops_following_over_websocket_is_let_go(pod: World) -> None:
    async with asyncio.timeout(20), pod.http.ws_connect(f"{PODS}/p/log?follow=1&container=c") as socket:
        assert await socket.receive_bytes() == b""
        assert await socket.receive_bytes() == b"one\n"
    async with asyncio.timeout(20):
        await pod.runtime.unfollowed.wait()


async def test_logs_over_websocket_in_no_protocol_that_is_known(pod: World) -> None:
    headers = {**HANDSHAKE, "Sec_WebSocket_Protocol": "v9.binary.k8s.io"}
    code, body = await pod.get(f"{PODS}/p/log", **headers)
    assert (code, body["reason"]) == (400, "BadRequest")


async def test_log_options_reach_the_node(pod: World) -> None:
    query = "container=side&timestamps=true&limitBytes=9&sinceTime=2020-01-01T00:00:00.123456789Z"
    code, _ = await pod.get(f"{PODS}/two/log?{query}")
    assert code == 200
    asked = pod.runtime.asked
    assert (asked["container"], asked["timestamps"], asked["limit_bytes"]) == ("side", True, 9)
    assert asked["since"] == pytest.approx(1577836800.123456)
    await pod.get(f"{PODS}/p/log?sinceSeconds=60")
    assert pod.runtime.asked["since"] == pytest.approx(pod.registry.clock.time() - 60, abs=10)


async def test_followed_logs_come_as_they_are_written(pod: World) -> None:
    async with pod.http.get(f"{PODS}/p/log?follow=true&tailLines=1") as response:
        assert await response.content.readline() == b"three\n"
        await pod.runtime.more.put(b"four\n")
        assert await response.content.readline() == b"four\n"
        await pod.runtime.more.put(None)
        assert await response.content.read() == b""


async def test_a_quiet_follower_gets_its_headers_and_a_clean_end(pod: World) -> None:
    pod.runtime.lines = []
    async with asyncio.timeout(20), pod.http.get(f"{PODS}/p/log?follow=true") as response:
        assert response.status == 200
        await pod.server.stop()
        assert await response.content.read() == b""


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("sinceTime=yesterday", 400, 'parsing time "yesterday"'),
        ("container=zz", 400, "container zz is not valid for pod p"),
        ("previous=true", 400, 'previous terminated container "c" in pod "p" not found'),
        ("previous=true&follow=true", 400, 'previous terminated container "c" in pod "p" not found'),
    ],
)
async def test_logs_refused(pod: World, query: str, code: int, message: str) -> None:
    seen, body = await pod.get(f"{PODS}/p/log?{query}")
    assert seen == code
    assert message in body["message"]


async def test_logs_of_an_unclear_container(pod: World) -> None:
    code, body = await pod.get(f"{PODS}/two/log")
    text = "a container name must be specified for pod two, choose one of: [c side down]"
    assert (code, body["message"]) == (400, text)
