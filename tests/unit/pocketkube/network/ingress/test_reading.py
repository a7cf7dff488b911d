"""What is not exactly HTTP/1.1 is answered 400 (or its like) and never reaches a backend."""

import asyncio

import pytest
from tests.unit.pocketkube.network.ingress.harness import site

from pocketkube.clock import Clock
from pocketkube.network import http
from pocketkube.network.stream import Stream

LINE = b"GET / HTTP/1.1\r\n"
HEAD = LINE + b"Host: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"

MALFORMED = {
    "no request line": b"nonsense\r\n\r\n",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01",
    "empty line first": b"\r\n" + HEAD + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
    "lower case protocol": b"GET / http/1.1\r\nHost: h\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "byte above ASCII in the target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
    "no slash": b"GET path HTTP/1.1\r\nHost: h\r\n\r\n",
    "other scheme": b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
    "broken escape": b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
    "cut escape": b"GET /a%2 HTTP/1.1\r\nHost: h\r\n\r\n",
    "no Host": LINE + b"\r\n",
    "two Hosts": HEAD + b"Host: other\r\n\r\n",
    "Host with a path": LINE + b"Host: h/x\r\n\r\n",
    "Host with a space": LINE + b"Host: a b\r\n\r\n",
    "bare LF lines": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF in one line": LINE + b"Host: h\nX: y\r\n\r\n",
    "bare CR in a value": HEAD + b"X: a\rb\r\n\r\n",
    "CR before the end": HEAD + b"X: a\r\r\n\r\n",
    "NUL in a value": HEAD + b"X: a\0b\r\n\r\n",
    "space before the colon": HEAD + b"X : y\r\n\r\n",
    "no colon": HEAD + b"X\r\n\r\n",
    "empty name": HEAD + b": y\r\n\r\n",
    "name with a space": HEAD + b"X Y: z\r\n\r\n",
    "folded line": HEAD + b"X: a\r\n b\r\n\r\n",
    "line folded with a tab": HEAD + b"X: a\r\n\tb\r\n\r\n",
    "space before the first header": LINE + b" Host: h\r\n\r\n",
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "two lengths in one": POST + b"Content-Length: 5, 6\r\n\r\nabcdef",
    "length with a sign": POST + b"Content-Length: +5\r\n\r\nabcde",
    "negative length": POST + b"Content-Length: -5\r\n\r\nabcde",
    "hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nabcde",
    "length with words": POST + b"Content-Length: 5 apples\r\n\r\nabcde",
    "enormous length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size of letters": POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunk size with 0x": POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
    "chunk longer than said": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n",
    "chunk ended by LF": POST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
}
BYTE_BY_BYTE = ("bare LF in one line", "bare CR in a value", "CR before the end", "folded line", "bare LF lines")
OTHER = {
    b"HTTP/1.1 501": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 505": b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    b"HTTP/1.1 431": HEAD + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n",
}


async def silent(stream: Stream) -> None:
    """Takes everything, answers nothing; a request that gets here whole would hang the test."""
    while await stream.read():
        pass


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_is_400_and_the_connection_ends(raw: bytes) -> None:
    async with site(clock=Clock(speed=20)) as here:
        here.raw(silent)
        said = await here.talk(raw)
        assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n"), said
        assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("name", BYTE_BY_BYTE)
async def test_malformed_is_400_however_slowly_it_comes(name: str) -> None:
    async with site() as here:
        stream = await here.connect()
        for byte in MALFORMED[name]:
            await stream.write(bytes((byte,)))
            for _ in range(3):
                await asyncio.sleep(0)
            if stream.unread:
                break
        assert (await stream.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize(("status", "raw"), OTHER.items(), ids=[s.decode() for s in OTHER])
async def test_other_refusals(status: bytes, raw: bytes) -> None:
    async with site() as here:
        here.raw(silent)
        assert (await here.talk(raw)).startswith(status)


async def test_a_refused_request_is_not_followed_by_what_it_smuggles() -> None:
    async with site() as here:
        here.serve()
        smuggled = b"GET /secret HTTP/1.1\r\nHost: h\r\n\r\n"
        raw = POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled
        said = await here.talk(raw)
        assert said.count(b"HTTP/1.1 ") == 1
        assert here.log == []


async def test_a_slow_client_is_served_and_one_that_stops_is_dropped() -> None:
    async with site(clock=Clock(speed=100)) as here:
        here.serve()
        stream = await here.connect()
        for byte in HEAD + b"Connection: close\r\n\r\n":
            await stream.write(bytes((byte,)))
        assert (await stream.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        dropped = await here.connect()
        await dropped.write(b"GET / HTTP/1.1\r\nHo")
        assert await dropped.read() == b""


async def test_identical_lengths_are_one() -> None:
    async with site() as here:
        here.serve()
        said = await here.talk(POST + b"Connection: close\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")
        assert said.startswith(b"HTTP/1.1 200 OK")
        assert b'"body": 2' in said


async def test_absolute_form_names_the_host() -> None:
    async with site() as here:
        here.serve()
        said = await here.told("http://Real.example.com:81/a?b", host="other")
        assert said["target"] == "/a?b"
        assert said["headers"]["host"] == "Real.example.com:81"  # type: ignore[index]
        assert (await here.get("*", method="OPTIONS")).status == 404
        assert (await here.talk(b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).startswith(
            b"HTTP/1.1 501 "
        )


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def echo(request: http.Request) -> http.Response:
        return http.Response(200, [], request.target.encode() + request.body)

    async with site() as here:
        here.serve(handler=echo)
        one = b"POST /%d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Trailer: y\r\n\r\n"
        raw = b"".join(one % number for number in range(200))
        said = await here.talk(raw + b"GET /end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert said.count(b"HTTP/1.1 200 OK\r\n") == 201
        places = [said.index(b"/%dx" % number) for number in range(200)]
        assert places == sorted(places)
        assert said.endswith(b"/end")
