"""Streaming, time-outs, retries and everything else that happens between a request and its answer."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.unit.pocketkube.network.ingress.harness import rule, site

from pocketkube.clock import Clock
from pocketkube.network import http
from pocketkube.network.ingress.routes import Backend, Table
from pocketkube.network.stream import Stream

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


async def until(stream: Stream, end: bytes) -> bytes:
    got = b""
    while end not in got:
        data = await stream.read()
        assert data, got
        got += data
    return got


def answering(*answers: bytes, close: bool = False) -> Callable[[Stream], Awaitable[None]]:
    """A program that answers each request head with the next of `answers`, the last again and again."""
    left = list(answers)

    async def program(stream: Stream) -> None:
        got = b""
        while True:
            while b"\r\n\r\n" not in got:
                data = await stream.read()
                if not data:
                    return
                got += data
            got = got.partition(b"\r\n\r\n")[2]
            answer = left.pop(0) if len(left) > 1 else left[0]
            if answer:
                await stream.write(answer)
            if close or not answer:
                return

    return program


async def test_a_large_body_streams_both_ways_with_little_memory() -> None:
    size = 100 * 1024 * 1024
    held = 0

    async def program(stream: Stream) -> None:
        nonlocal held
        head = await until(stream, b"\r\n\r\n")
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        left = size - len(head.partition(b"\r\n\r\n")[2])
        await stream.write(b"x" * (size - left))
        while left:  # an echo: back-pressure on one side reaches the other
            data = await stream.read()
            left -= len(data)
            await stream.write(data)

    async with site() as here:
        here.raw(program)
        client = await here.connect()
        sent = 0

        async def upload() -> None:
            nonlocal sent
            await client.write(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
            while sent < size:
                await client.write(b"x" * 65536)
                sent += 65536

        uploading = asyncio.create_task(upload())
        head, _, body = (await until(client, b"\r\n\r\n")).partition(b"\r\n\r\n")
        assert f"Content-Length: {size}".encode() in head
        got = len(body)
        while got < size:
            data = await client.read()
            assert data
            got += len(data)
            held = max(held, sent - got)
        await uploading
        assert got == size
        assert held < 2 * 1024 * 1024
        assert f" 200 {size} " in await here.line()


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_chunked_bodies_both_ways(method: str) -> None:
    async def program(stream: Stream) -> None:
        got = await until(stream, b"0\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in got
        assert b"Content-Length" not in got
        assert got.endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        await stream.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n")
        await stream.write(b"3\r\nabc\r\n0\r\nX-T: dropped\r\n\r\n")

    async with site() as here:
        here.raw(program)
        raw = method.encode() + b" / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        said = await here.talk(raw + b"2\r\nab\r\n1;ext=1\r\nc\r\n0\r\nX-Trailer: y\r\n\r\n")
        head, _, body = said.partition(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        assert b"railer" not in head
        assert body == b"3\r\nabc\r\n0\r\n\r\n"


async def test_events_arrive_when_they_are_sent() -> None:
    go_on = asyncio.Event()

    async def events(request: http.Request) -> http.Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            await go_on.wait()
            yield b"data: 2\n\n"

        return http.Response(200, [("Content-Type", "text/event-stream")], pieces())

    async with site() as here:
        here.serve(handler=events)
        stream = await here.connect()
        await stream.write(CLOSING)
        assert b"data: 1\n\n" in await until(stream, b"data: 1\n\n\r\n")
        go_on.set()
        assert b"data: 2\n\n" in await until(stream, b"0\r\n\r\n")


async def test_100_continue_is_said_when_the_body_is_wanted_and_only_then() -> None:
    async with site(rule("/web")) as here:
        here.serve()
        head = b"PUT /web HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        stream = await here.connect()
        await stream.write(head)
        assert await stream.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.write(b"ok")
        answer = await until(stream, b'"server"')
        assert b'"body": 2' in answer
        assert b"expect" not in answer.lower()
        said = await here.talk(head.replace(b"/web", b"/none").replace(b"Connection: close\r\n", b""))
        assert said.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert b"\r\nConnection: close\r\n" in said


async def test_bodiless_answers() -> None:
    answers = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    )
    async with site() as here:
        here.raw(answering(*answers))
        exchange = http.Exchange(await here.connect())
        for method, status, length in (("HEAD", 200, "5"), ("GET", 204, ""), ("GET", 304, ""), ("GET", 200, "0")):
            await exchange.send(method, "/", [("Host", "h")])
            head = await exchange.head()
            assert (head.status, head.header("content-length")) == (status, length)
            assert [piece async for piece in exchange.body()] == []
        assert len(here.log) == 4


async def test_connections_are_kept_on_both_sides() -> None:
    connections = 0

    async def program(stream: Stream) -> None:
        nonlocal connections
        connections += 1
        await answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(stream)

    async with site() as here:
        here.raw(program)
        exchange = http.Exchange(await here.connect())
        for _ in range(20):
            await exchange.send("GET", "/", [("Host", "h")])
            assert (await exchange.head()).status == 200
            assert [piece async for piece in exchange.body()] == [b"ok"]
        assert connections == 1


async def test_a_stale_connection_is_tried_again_only_when_that_is_safe() -> None:
    """The endpoint ends a kept connection exactly when the next request comes."""
    requests: list[bytes] = []

    async def program(stream: Stream) -> None:
        await until(stream, b"\r\n\r\n")
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        requests.append(await stream.read())

    async with site() as here:
        here.raw(program)
        assert (await here.get()).status == 200
        assert (await here.get()).status == 200
        assert requests[0].startswith(b"GET / HTTP/1.1\r\n")
        assert (await here.get(method="DELETE")).status == 502
        assert (await here.get()).status == 200
        assert (await here.get(method="POST", body=b"x")).status == 502


async def test_an_endpoint_that_closed_its_kept_connection_is_asked_on_a_new_one() -> None:
    async with site() as here:
        here.raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", close=True))
        for _ in range(5):
            assert (await here.get(method="POST", body=b"x" * 10)).status == 200


BROKEN = {
    "nothing": (b"", 502),
    "not HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", 500),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 500),
    "unasked upgrade": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 500),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", 502),
}


@pytest.mark.parametrize(("answer", "status"), BROKEN.values(), ids=BROKEN.keys())
async def test_answers_that_are_none(answer: bytes, status: int) -> None:
    async with site() as here:
        here.raw(answering(answer, close=True))
        response = await here.get()
        words = {500: "Internal Server Error", 502: "Bad Gateway"}
        assert (response.status, response.text) == (status, words[status])


async def test_an_answer_that_breaks_off_breaks_off_for_the_client() -> None:
    async with site() as here:
        here.raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", close=True))
        with pytest.raises((ConnectionResetError, http.Disconnected)):
            await here.get()
        assert '" 200 3 ' in here.log[0]


async def test_an_early_answer_ends_the_upload() -> None:
    async def program(stream: Stream) -> None:
        await until(stream, b"\r\n\r\n")
        await stream.write(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")

    async with site() as here:
        here.raw(program)
        stream = await here.connect()

        async def upload() -> None:
            with contextlib.suppress(ConnectionError):
                await stream.write(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n")
                await stream.write(b"x" * 99999999)

        uploading = asyncio.create_task(upload())
        assert b"\r\n\r\nbig" in await until(stream, b"big")
        await asyncio.wait_for(uploading, 10)


async def test_http_1_0_clients_get_one_answer_and_the_end() -> None:
    async def chunks(request: http.Request) -> http.Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"ab"
            yield b"c"

        return http.Response(200, [], pieces())

    async with site() as here:
        here.serve(handler=chunks)
        said = await here.talk(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = said.partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert b"Connection: close" in head
        assert body == b"abc"


async def test_time_outs_are_504() -> None:
    never = asyncio.Event()

    async def slow(request: http.Request) -> http.Response:
        await never.wait()
        return http.Response()

    rules = (rule("/whole", request_timeout=0.05), rule("/try", backend_timeout=0.05))
    dropped = rule("/dropped", backends=(Backend("shop", "nowhere", 80),))
    async with site(*rules, dropped, clock=Clock(speed=10)) as here:
        here.serve(handler=slow)
        here.endpoints["nowhere", 80] = [("192.0.2.1", 80)]
        for path in ("/whole", "/try", "/dropped"):
            answer = await here.get(path)
            assert (answer.status, answer.text) == (504, "Gateway Timeout")


async def test_a_time_out_amid_the_answer_cuts_it() -> None:
    async with site(rule(request_timeout=0.1)) as here:
        stuck = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
        here.raw(answering(stuck))
        with pytest.raises((ConnectionResetError, http.Disconnected)):
            await here.get()


async def test_a_client_that_goes_away_is_499_and_the_endpoint_is_told() -> None:
    came, told = asyncio.Event(), asyncio.Event()

    async def program(stream: Stream) -> None:
        await until(stream, b"\r\n\r\n")
        came.set()
        with contextlib.suppress(ConnectionError):
            while await stream.read():
                pass
        told.set()

    async with site() as here:
        here.raw(program)
        stream = await here.connect()
        await stream.write(GET)
        await came.wait()
        stream.close()
        await asyncio.wait_for(told.wait(), 10)
        assert '"GET / HTTP/1.1" 499 ' in await here.line()


async def test_a_body_that_ends_early_is_no_answer() -> None:
    async with site() as here:
        here.serve()
        stream = await here.connect()
        await stream.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        stream.write_eof()
        got = b""
        while data := await stream.read():
            got += data
        assert b" 200 " not in got
        assert " 499 " in await here.line()


async def test_a_body_that_stops_is_504() -> None:
    async with site(clock=Clock(speed=200)) as here:
        here.serve()
        stream = await here.connect()
        await stream.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        assert (await until(stream, b"Gateway Timeout")).startswith(b"HTTP/1.1 504 ")


async def test_upgrade_passes_bytes_through() -> None:
    async def program(stream: Stream) -> None:
        got = await until(stream, b"\r\n\r\n")
        assert b"\r\nConnection: Upgrade\r\n" in got
        assert b"\r\nUpgrade: websocket\r\n" in got
        assert b"\r\nSec-WebSocket-Key: abc\r\n" in got
        assert b"\r\nX-Forwarded-Proto: ws\r\n" in got
        await stream.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello"
        )
        while data := await stream.read():
            await stream.write(data.upper())

    async with site() as here:
        here.raw(program)
        stream = await here.connect()
        head = b"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        await stream.write(head + b"Sec-Websocket-Key: abc\r\n\r\nfirst")
        got = await until(stream, b"FIRST")
        assert got.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert got.endswith(b"\r\n\r\nhelloFIRST")
        here.update(Table())  # a connection that was handed over outlives the rule
        await stream.write(b"\x00\xff\r\n more")
        assert await until(stream, b"MORE") == b"\x00\xff\r\n MORE"
        stream.write_eof()
        assert await stream.read() == b""
        assert '"GET /chat HTTP/1.1" 101 ' in await here.line()


async def test_a_reset_client_resets_the_endpoint_it_was_handed_to() -> None:
    told = asyncio.Event()

    async def program(stream: Stream) -> None:
        await until(stream, b"\r\n\r\n")
        await stream.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        try:
            while await stream.read():
                pass
        except ConnectionResetError:
            told.set()

    async with site() as here:
        here.raw(program)
        stream = await here.connect()
        await stream.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await until(stream, b"\r\n\r\n")
        stream.abort()
        await asyncio.wait_for(told.wait(), 10)


async def test_an_upgrade_that_is_declined_is_an_answer() -> None:
    async with site() as here:
        here.serve()
        said = await here.told(headers=[("Connection", "upgrade"), ("Upgrade", "websocket")])
        assert said["headers"]["upgrade"] == "websocket"  # type: ignore[index]
        said = await here.told(headers=[("Upgrade", "h2c")])
        assert "upgrade" not in said["headers"]


async def test_informational_answers_pass() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with site() as here:
        here.raw(answering(hints))
        said = await here.talk(CLOSING)
        assert said.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_hop_by_hop_headers_end_here() -> None:
    answer = (
        b"HTTP/1.1 200 Fine\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    )
    async with site() as here:
        here.raw(answering(answer))
        response = await here.get(headers=[("TE", "trailers"), ("Proxy-Authorization", "x"), ("Keep-Alive", "5")])
        assert response.reason == "Fine"
        assert response.headers == [
            ("Content-Length", "0"),
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ]


async def test_h2c_is_refused() -> None:
    async with site(rule(backends=(Backend("shop", "web", 80, scheme="h2c"),))) as here:
        here.serve()
        assert (await here.get()).status == 502


async def test_the_access_log_cannot_be_forged() -> None:
    async with site() as here:
        here.serve()
        agent = 'x" 200 \\ \xe9\x80'
        await here.get("/a?b", headers=[("User-Agent", agent), ("Referer", "http://r/")])
        line = here.log[0]
        assert line.startswith("10.244.1.9 - - [")
        assert '] "GET /a?b HTTP/1.1" 200 ' in line
        assert '"http://r/" "x\\" 200 \\\\ é\\x80" 1 "Ingress shop/web" "http://10.244.2.11:8080" ' in line
        assert line.endswith("ms")


async def test_unread_bodies_do_not_confuse_the_next_request() -> None:
    async with site(rule("/web")) as here:
        here.serve()
        raw = b"POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\nGET /x HTTP/1.1\r\nHost: y\r\n\r\n..."
        said = await here.talk(raw + CLOSING.replace(b"/ ", b"/web "))
        assert said.count(b"HTTP/1.1 404 ") == 1
        assert said.count(b"HTTP/1.1 200 ") == 1
        body = json.loads(said.rpartition(b"\r\n\r\n")[2])
        assert body["target"] == "/web"
