"""Clients that mean harm, or know no better: each gets an answer or is left, and the others notice nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, World

from pocketkube import store as stores
from pocketkube.apiserver import connections
from pocketkube.apiserver.body import LIMIT
from pocketkube.apiserver.connections import HEAD_LIMIT

# asyncio's TLS leaves what it could not send to clients that have gone to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

WAIT = 20
READER_LIMIT = 1 << 22


class Raw:
    """A connection on which the tests say every byte."""

    def __init__(self, world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = f"Host: x\r\nAuthorization: Bearer {world.pki.token}\r\n".encode()

    def send(self, method: str, path: str, headers: bytes = b"", body: bytes = b"") -> None:
        self.writer.write(f"{method} {path} HTTP/1.1\r\n".encode() + self.head + headers + b"\r\n" + body)

    async def answer(self) -> tuple[int, bytes]:
        """(status, body) of the next answer, which says its length or ends the connection."""
        async with asyncio.timeout(WAIT):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            code = int(lines[0].split()[1])
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            length = headers.get("content-length")
            if code == 100:
                return code, b""
            return code, await (self.reader.read() if length is None else self.reader.readexactly(int(length)))

    async def ended(self) -> bool:
        """Whether the server ends the connection, whatever it says before."""
        async with asyncio.timeout(WAIT):
            with suppress(ConnectionError, ssl.SSLError):
                while await self.reader.read(1 << 16):
                    pass
        return True


@asynccontextmanager
async def connected(world: World, **how: int) -> AsyncIterator[Raw]:
    trust = ssl.create_default_context(cadata=world.pki.ca_pem)
    plain = socket.create_connection(("127.0.0.1", world.server.port))
    for name, value in how.items():
        plain.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    plain.setblocking(False)
    reader, writer = await asyncio.open_connection(
        sock=plain, ssl=trust, server_hostname="127.0.0.1", limit=how.get("SO_RCVBUF", READER_LIMIT)
    )
    try:
        yield Raw(world, reader, writer)
    finally:
        writer.transport.abort()


async def served(world: World) -> None:
    """Others are answered meanwhile."""
    async with asyncio.timeout(WAIT):
        assert (await world.get(f"{CONFIGMAPS}?limit=1"))[0] == 200


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not holds():  # noqa: ASYNC110 - what it asks for is nobody's event
            await asyncio.sleep(0)


def streams(world: World) -> int:
    """Watches and the like that are being served."""
    assert world.server._api is not None
    return len(world.server._api.streams)


def open_connections(world: World) -> list[Any]:
    assert world.server._runner is not None
    assert world.server._runner.server is not None
    return [connection for connection in world.server._runner.server.connections if connection.transport is not None]


def requests(world: World) -> int:
    """Requests that are being handled, their answers being written included."""
    return sum(connection._request_in_progress for connection in open_connections(world))


def unsent(world: World) -> int:
    """Bytes that clients have not taken yet."""
    return sum(connection.transport.get_write_buffer_size() for connection in open_connections(world))


# -- heads


@pytest.mark.parametrize(
    ("line", "headers", "code"),
    [
        ("GET /version HTTP/1.1", b"X: " + b"a" * (HEAD_LIMIT - 1000) + b"\r\n", 200),
        ("GET /version?a=" + "a" * (HEAD_LIMIT - 1000) + " HTTP/1.1", b"", 200),
        ("GET /version HTTP/1.1", b"".join(b"X%d: a\r\n" % number for number in range(1000)), 200),
        ("GET /version HTTP/1.1", b"X: " + b"a" * 8 * HEAD_LIMIT + b"\r\n", 431),
        ("GET /version?a=" + "a" * 2 * HEAD_LIMIT + " HTTP/1.1", b"", 431),
        ("GET /version HTTP/1.1", b"".join(b"X%d: %s\r\n" % (n, b"a" * 1000) for n in range(2000)), 431),
        ("GET https://elsewhere/version HTTP/1.1", b"", 200),
        ("GET /version HTTP/3.0", b"", 400),
        ("GET /version\xff HTTP/1.1", b"", 400),
        ("\x00\x01\x02", b"", 400),
        ("\x16\x03\x01\x02", b"", 400),
        ("GET /version HTTP/1.1", b"X Y: 1\r\n", 400),
        ("GET /version HTTP/1.1", b"no colon\r\n", 400),
        ("GET /version HTTP/1.1", b"X: a\x00b\r\n", 400),
        ("GET /version HTTP/1.1", b"Content-Length: abc\r\n", 400),
        ("GET /version HTTP/1.1", b"Content-Length: -5\r\n", 400),
        (f"POST {CONFIGMAPS} HTTP/1.1", b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        (f"POST {CONFIGMAPS} HTTP/1.1", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_heads(world: World, caplog: pytest.LogCaptureFixture, line: str, headers: bytes, code: int) -> None:
    async with connected(world) as raw:
        raw.writer.write(line.encode("latin-1") + b"\r\n" + raw.head + headers + b"\r\n")
        seen, body = await raw.answer()
        assert seen == code, body[:300]
        if code != 200:
            assert body == {400: b"400 Bad Request", 431: b"431 Request Header Fields Too Large"}[code]
            assert await raw.ended()
    await served(world)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("sent", [b"", b"GET /version HTTP/1.1\r\nX: "])
async def test_a_head_that_does_not_come(world: World, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN", 0.05)
    async with connected(world) as raw:
        raw.writer.write(sent)
        assert await raw.ended()


async def test_the_second_head_has_the_same_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(world) as raw:
        for _ in range(2):
            raw.send("GET", "/version")
            assert (await raw.answer())[0] == 200
        monkeypatch.setattr(connections, "HEAD_WITHIN", 0.05)
        raw.writer.write(b"GET /ver")
        assert await raw.ended()


async def test_a_head_that_trickles(world: World) -> None:
    async with connected(world) as raw:
        for byte in b"GET /version HTTP/1.1\r\n" + raw.head + b"\r\n":
            raw.writer.write(bytes((byte,)))
            await raw.writer.drain()
        assert (await raw.answer())[0] == 200


async def test_requests_one_behind_the_other(world: World) -> None:
    async with connected(world) as raw:
        for _ in range(300):
            raw.send("GET", "/version")
        assert [(await raw.answer())[0] for _ in range(300)] == [200] * 300


# -- bodies


JSON = b"Content-Type: application/json\r\n"


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("POST", "application/json"),
        ("PUT", "application/yaml"),
        ("PATCH", "application/merge-patch+json"),
        ("PATCH", "application/apply-patch+yaml"),
        ("DELETE", "application/json"),
        ("POST", "application/vnd.kubernetes.protobuf"),
    ],
)
@pytest.mark.parametrize("way", ["length", "chunked", "said only"])
async def test_bodies_too_large(world: World, method: str, kind: str, way: str) -> None:
    world.configmap("a")
    path = CONFIGMAPS if method == "POST" else f"{CONFIGMAPS}/a?fieldManager=f"
    body = b'{"data":{"k":"' + b"x" * LIMIT + b'"}}'
    length, sent = {
        "length": (b"Content-Length: %d\r\n" % len(body), body),
        "chunked": (b"Transfer-Encoding: chunked\r\n", chunked(body)),
        "said only": (b"Content-Length: 1000000000000\r\n", b"{"),
    }[way]
    async with connected(world) as raw:
        raw.send(method, path, f"Content-Type: {kind}\r\n".encode() + length, sent)
        code, answer = await raw.answer()
        assert (code, json.loads(answer)["message"]) == (413, "Request entity too large: limit is 3145728")
    await served(world)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "/",
        "application",
        "application/json/x",
        ";",
        "application/jsonx",
        "\xff\xfe",
        "a" * 5000,
        "multipart/form-data",
    ],
    ids=lambda kind: repr(kind[:20]),
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_content_types(world: World, kind: str, method: str) -> None:
    world.configmap("a")
    body = b'{"metadata":{"name":"b"}}' if method == "POST" else b'{"metadata":{"name":"a"}}'
    async with connected(world) as raw:
        head = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n".encode("latin-1")
        raw.send(method, CONFIGMAPS if method == "POST" else f"{CONFIGMAPS}/a", head, body)
        code, answer = await raw.answer()
    if kind == "" and method != "PATCH":
        assert code in (200, 201)  # JSON is what is sent when nothing is said
    elif kind == ";" and method != "PATCH":
        assert code in (200, 201, 415)
    else:
        assert (code, json.loads(answer)["reason"]) == (415, "UnsupportedMediaType")


DEEP = 100_000


@pytest.mark.parametrize(
    ("method", "kind", "body"),
    [
        ("POST", "application/json", b'{"data":' + b"[" * DEEP),
        ("POST", "application/json", b'{"data":' + b"[" * DEEP + b"]" * DEEP + b"}"),
        ("POST", "application/json", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        ("POST", "application/yaml", b"data: " + b"[" * DEEP + b"]" * DEEP),
        ("POST", "application/yaml", b"- " * DEEP),
        ("POST", "application/vnd.kubernetes.protobuf", b"k8s\x00" + b"\x0a\x7f" * DEEP),
        ("PATCH", "application/merge-patch+json", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        ("PATCH", "application/strategic-merge-patch+json", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        ("PATCH", "application/json-patch+json", b"[" * DEEP + b"]" * DEEP),
        ("PATCH", "application/apply-patch+yaml", b"a: " + b"[" * DEEP + b"]" * DEEP),
        ("DELETE", "application/json", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_bodies_nested_deep(
    world: World, caplog: pytest.LogCaptureFixture, method: str, kind: str, body: bytes
) -> None:
    world.configmap("a")
    path = CONFIGMAPS if method == "POST" else f"{CONFIGMAPS}/a?fieldManager=f"
    async with asyncio.timeout(WAIT):
        code, answer = await world.ask(method, path, body, content_type=kind)
    assert (code, answer["kind"], answer["reason"]) == (400, "Status", "BadRequest")
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_packed_body_is_not_unpacked(world: World) -> None:
    body = gzip.compress(b'{"data":{"k":"' + b"x" * 10_000_000 + b'"}}')
    code, answer = await world.post(CONFIGMAPS, body, Content_Encoding="gzip")
    assert (code, answer["reason"]) == (400, "BadRequest")


async def test_a_body_in_broken_chunks(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(world) as raw:
        raw.send("POST", CONFIGMAPS, JSON + b"Transfer-Encoding: chunked\r\n")
        await until(lambda: requests(world) == 1)
        raw.writer.write(b"zz\r\n{}\r\n")
        code, answer = await raw.answer()
        assert (code, json.loads(answer)["reason"]) == (400, "BadRequest")
        assert await raw.ended()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_body_that_waits_to_be_asked_for(world: World) -> None:
    body = b'{"metadata":{"name":"a"}}'
    async with connected(world) as raw:
        raw.send("POST", CONFIGMAPS, JSON + b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(body))
        assert (await raw.answer())[0] == 100
        raw.writer.write(body)
        assert (await raw.answer())[0] == 201


async def test_bodies_that_trickle(world: World) -> None:
    body = b'{"metadata":{"name":"a"}}'
    async with connected(world) as raw:
        raw.send("POST", CONFIGMAPS, JSON + b"Content-Length: %d\r\n" % len(body))
        for byte in body[:-1]:
            raw.writer.write(bytes((byte,)))
            await raw.writer.drain()
            await served(world)
        raw.writer.write(body[-1:])
        assert (await raw.answer())[0] == 201


async def test_bodies_that_never_end_leave_nothing(world: World) -> None:
    async with connected(world) as one, connected(world) as two:
        for raw in (one, two):
            raw.send("POST", CONFIGMAPS, JSON + b"Content-Length: 100\r\n", b"{")
        await until(lambda: requests(world) == 2)
        await served(world)
        raw.writer.close()
        await until(lambda: requests(world) == 1)
    await until(lambda: requests(world) == 0)


# -- readers


def fill(world: World, name: str, size: int = 500_000) -> None:
    world.configmap(name, {"k": "x" * size})


async def test_large_lists_that_nobody_reads(world: World) -> None:
    for number in range(20):
        fill(world, f"c{number}")
    async with connected(world, SO_RCVBUF=4096) as raw:
        for _ in range(10):  # the next is begun when the client has taken the one before
            raw.send("GET", CONFIGMAPS)
        await until(lambda: unsent(world) > 0)
        await served(world)
        assert (requests(world), unsent(world) < 11_000_000) == (1, True)
    await until(lambda: requests(world) == 0)


async def test_who_does_not_read_does_not_keep_the_server_from_stopping(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        fill(world, f"c{number}")
    async with connected(world, SO_RCVBUF=4096) as one, connected(world, SO_RCVBUF=4096) as two:
        for _ in range(3):
            one.send("GET", CONFIGMAPS)
        two.send("GET", f"{CONFIGMAPS}?watch=1")
        await until(lambda: (requests(world), streams(world)) == (2, 1) and unsent(world) > 0)
        async with asyncio.timeout(WAIT):
            await world.server.stop()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_watch_that_nobody_reads_holds_up_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "QUEUE_LIMIT", 10)
    async with connected(world, SO_RCVBUF=4096) as raw, world.http.get(f"{CONFIGMAPS}?watch=1") as other:
        raw.send("GET", f"{CONFIGMAPS}?watch=1")
        await until(lambda: streams(world) == 2)
        watching = world.server._api.watching["configmaps"]  # type: ignore[union-attr]
        for number in range(60):
            fill(world, f"c{number}")
            async with asyncio.timeout(WAIT):
                assert json.loads(await other.content.readline())["object"]["metadata"]["name"] == f"c{number}"
        assert sorted(len(watch.backlog) for watch in watching) == [0, 10]  # the rest is not kept for it
        assert len(world.registry.store._subscribers["configmaps"]) == 1
        assert (await world.call("DELETE", f"{CONFIGMAPS}/c0")).status == 200
    await until(lambda: streams(world) == 0)


@pytest.mark.parametrize("path", [f"{CONFIGMAPS}?watch=1", f"/api/v1/namespaces/{NAMESPACE}/pods/p/log?follow=true"])
async def test_a_client_that_has_closed_its_half(world: World, path: str) -> None:
    world.pod("p")
    async with connected(world) as raw:
        raw.send("GET", path)
        await raw.reader.readuntil(b"\r\n\r\n")
        await until(lambda: streams(world) == 1)
        raw.writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await until(lambda: streams(world) == 0)
        assert await raw.ended()


async def test_a_half_closed_socket_in_the_middle_of_a_body(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(world) as raw:
        raw.send("POST", CONFIGMAPS, JSON + b"Content-Length: 100\r\n", b"{")
        await until(lambda: requests(world) == 1)
        raw.writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await until(lambda: requests(world) == 0)
        assert await raw.ended()
    assert world.registry.store.list("configmaps") == []
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_who_speaks_no_tls(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
    writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(WAIT):
        with suppress(ConnectionError):
            assert b"HTTP" not in await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    await served(world)


WATCHES = 2000


@pytest.mark.slow
async def test_two_thousand_watches_at_once(world: World) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * WATCHES + 500  # both ends are here
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this process may open {hard} files, which is not enough for {WATCHES} connections with both ends")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        await _two_thousand(world)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _two_thousand(world: World) -> None:
    trust = ssl.create_default_context(cadata=world.pki.ca_pem)
    request = (
        f"GET {CONFIGMAPS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.pki.token}\r\n\r\n".encode()
    )
    few = asyncio.Semaphore(50)
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def watch() -> None:
        async with few:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=trust)
            opened.append((reader, writer))
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    async with asyncio.timeout(120):
        await asyncio.gather(*(watch() for _ in range(WATCHES)))
        await until(lambda: streams(world) == WATCHES)
        world.configmap("a")
        lines = await asyncio.gather(*(reader.readuntil(b"}\n\r\n") for reader, _ in opened))
        assert all(b'"type":"ADDED"' in line for line in lines)
        await served(world)
        for _, writer in opened:
            writer.transport.abort()
        await until(lambda: streams(world) == 0)
