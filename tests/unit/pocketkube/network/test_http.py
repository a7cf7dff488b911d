import asyncio
from collections.abc import AsyncIterator

import pytest

from pocketkube.network.http import (
    Disconnected,
    Exchange,
    Handler,
    ProtocolError,
    Request,
    Response,
    request,
    serve,
    serve_forever,
)
from pocketkube.network.sockets import Listener
from pocketkube.network.stream import Stream


async def echo(request: Request) -> Response:
    return Response(200, [("X-Method", request.method)], request.body or request.path.encode())


class Server:
    """Serves `handler` over pairs of streams; `connect` gives a client's side."""

    def __init__(self, handler: Handler = echo) -> None:
        self.handler = handler
        self.tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> Stream:
        client, server = Stream.pair(("10.244.1.2", 40000), ("10.244.1.3", 80))
        self.tasks.append(asyncio.create_task(serve(server, self.handler)))
        return client


async def talk(raw: bytes, handler: Handler = echo) -> bytes:
    """Everything a server says to these bytes."""
    stream = await Server(handler).connect()
    await stream.write(raw)
    stream.write_eof()
    said = b""
    while data := await stream.read():
        said += data
    return said


async def test_request_and_answer_with_headers_in_order_and_case() -> None:
    async def handler(got: Request) -> Response:
        assert (got.method, got.path, got.query, got.host) == ("PUT", "/a b", {"x": "1", "y": ""}, "web:80")
        assert got.headers[1] == ("X-Mixed", "Yes")
        assert got.remote == ("10.244.1.2", 40000)
        return Response(201, [("Zeta", "1"), ("Alpha", "2")], got.body.upper())

    server = Server(handler)
    headers = [("Host", "web:80"), ("X-Mixed", "Yes")]
    response = await request(server.connect, "PUT", "/a%20b?x=1&y=&x=2", headers, b"body")
    assert (response.status, response.reason, response.body) == (201, "Created", b"BODY")
    assert response.headers == [("Zeta", "1"), ("Alpha", "2"), ("Content-Length", "4")]
    await server.tasks[0]


async def test_keep_alive_serves_several_requests_on_one_connection() -> None:
    exchange = Exchange(await Server().connect())
    for path in ("/one", "/two"):
        await exchange.send("GET", path, [("Host", "h")])
        assert (await exchange.head()).status == 200
        assert b"".join([c async for c in exchange.body()]) == path.encode()
        assert exchange.reusable


async def test_pipelined_requests_are_answered_in_order() -> None:
    said = await talk(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert said.index(b"/1") < said.index(b"/2")
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 2


async def test_head_has_the_length_and_no_body() -> None:
    said = await talk(b"HEAD /four HTTP/1.1\r\nHost: h\r\n\r\n")
    assert said == b"HTTP/1.1 200 OK\r\nX-Method: HEAD\r\nContent-Length: 5\r\n\r\n"


async def test_chunked_bodies_both_ways() -> None:
    async def handler(got: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"<"
            yield got.body
            yield b">"

        return Response(body=pieces())

    raw = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    said = await talk(raw, handler)
    assert said.endswith(b"Transfer-Encoding: chunked\r\n\r\n1\r\n<\r\n3\r\nabc\r\n1\r\n>\r\n0\r\n\r\n")
    answer = await request(Server(handler).connect, "POST", "/", [("Host", "h")], b"xyz")
    assert answer.body == b"<xyz>"


async def test_100_continue_comes_before_the_body_is_read() -> None:
    stream = await Server().connect()
    await stream.write(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert await stream.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await stream.write(b"ok")
    assert (await stream.read()).endswith(b"\r\n\r\nok")


async def test_a_first_line_that_is_no_request_gets_400_at_once() -> None:
    stream = await Server().connect()
    await stream.write(b"hostName\n")  # and nothing more, nor an end
    async with asyncio.timeout(5):
        assert (await stream.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"GET /\r\n\r\n"])
async def test_what_is_malformed_gets_400_and_the_connection_ends(raw: bytes) -> None:
    said = await talk(raw)
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert said.endswith(b"\r\n\r\n400 Bad Request")


async def test_http_1_0_closes_and_connection_close_is_honoured() -> None:
    assert (await talk(b"GET / HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")).count(b"HTTP/1.1 200") == 1
    raw = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    assert (await talk(raw + raw)).count(b"HTTP/1.1 200") == 1


async def test_a_client_gone_mid_request_is_no_error() -> None:
    server = Server()
    stream = await server.connect()
    await stream.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\npart")
    stream.abort()
    await server.tasks[0]
    stream = await server.connect()
    stream.close()
    await server.tasks[1]


async def test_no_answer_at_all_is_told_from_half_an_answer() -> None:
    client, server = Stream.pair(("c", 1), ("s", 2))
    exchange = Exchange(client)
    await exchange.send("GET", "/", [("Host", "h")])
    server.close()
    with pytest.raises(Disconnected) as caught:
        await exchange.head()
    assert caught.value.empty

    client, server = Stream.pair(("c", 1), ("s", 2))
    exchange = Exchange(client)
    await exchange.send("GET", "/", [("Host", "h")])
    await server.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    server.close()
    assert (await exchange.head()).status == 200
    with pytest.raises(ProtocolError) as broken:
        [c async for c in exchange.body()]
    assert isinstance(broken.value, Disconnected)
    assert not broken.value.empty


async def test_what_is_not_http_is_a_protocol_error() -> None:
    client, server = Stream.pair(("c", 1), ("s", 2))
    exchange = Exchange(client)
    await exchange.send("GET", "/", [("Host", "h")])
    await server.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    with pytest.raises(ProtocolError):
        await exchange.head()
    with pytest.raises(ValueError, match="header"):
        await Exchange(client).send("GET", "/", [("Host", "h"), ("Bad\nName", "x")])


async def test_serve_forever_serves_connections_side_by_side() -> None:
    both_in = asyncio.Barrier(2)

    async def handler(got: Request) -> Response:
        await both_in.wait()
        return Response(body=got.path.encode())

    listener = Listener(("0.0.0.0", 80), 10, lambda _: None, lambda _: None)
    serving = asyncio.create_task(serve_forever(listener, handler))

    async def connect() -> Stream:
        client, server = Stream.pair(("c", 1), ("s", 2))
        listener.offer(server)
        return client

    answers = await asyncio.gather(*(request(connect, "GET", f"/{i}", [("Host", "h")]) for i in range(2)))
    assert [a.text for a in answers] == ["/0", "/1"]
    listener.close()
    await serving


async def test_a_failing_handler_drops_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(got: Request) -> Response:
        raise RuntimeError("boom")

    listener = Listener(("0.0.0.0", 80), 10, lambda _: None, lambda _: None)
    serving = asyncio.create_task(serve_forever(listener, handler))
    client, server = Stream.pair(("c", 1), ("s", 2))
    listener.offer(server)
    exchange = Exchange(client)
    await exchange.send("GET", "/", [("Host", "h")])
    with pytest.raises(Disconnected):
        await exchange.head()
    assert "boom" in caplog.text
    listener.close()
    await serving
