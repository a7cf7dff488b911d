"""Whatever a client sends, an endpoint sees whole, strictly formed requests only, and no more than were answered."""

from __future__ import annotations

import asyncio
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.pocketkube.network.ingress.harness import site

from pocketkube.network.stream import Stream

LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ /[!-~]* HTTP/1\.1")
HEADER = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?"
)


async def exact(stream: Stream, buffer: bytearray, size: int) -> bytes:
    while len(buffer) < size:
        data = await stream.read()
        if not data:
            raise EOFError
        buffer += data
    taken = bytes(buffer[:size])
    del buffer[:size]
    return taken


async def line(stream: Stream, buffer: bytearray) -> bytes:
    while b"\n" not in buffer:
        data = await stream.read()
        if not data:
            raise EOFError
        buffer += data
    size = buffer.index(b"\n") + 1
    found = await exact(stream, buffer, size)
    assert found.endswith(b"\r\n"), found
    assert b"\r" not in found[:-2], found
    return found[:-2]


class Strict:
    """An endpoint with a parser of its own, which forgives nothing."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.wrong: list[str] = []

    async def serve(self, stream: Stream) -> None:
        buffer = bytearray()
        try:
            while True:
                await self._one(stream, buffer)
        except (EOFError, ConnectionError):
            pass
        except AssertionError as error:
            self.wrong.append(str(error))

    async def _one(self, stream: Stream, buffer: bytearray) -> None:
        first = await line(stream, buffer)
        assert LINE.fullmatch(first), first
        headers: list[tuple[bytes, bytes]] = []
        while one := await line(stream, buffer):
            parsed = HEADER.fullmatch(one)
            assert parsed, one
            headers.append((parsed[1].lower(), parsed[2] or b""))
        names = [name for name, _ in headers]
        framing = [value for name, value in headers if name in (b"content-length", b"transfer-encoding")]
        assert len(framing) <= 1, headers
        assert names.count(b"host") == 1, headers
        assert b"evil" not in dict(headers).get(b"x-real-ip", b""), headers
        if framing and framing[0] == b"chunked":
            while size := int(await line(stream, buffer), 16):
                await exact(stream, buffer, size + 2)
            assert await line(stream, buffer) == b""
        elif framing:
            await exact(stream, buffer, int(framing[0]))
        self.requests.append(first)
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


LINES = [
    b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"GET /y HTTP/1.0\r\n",
    b"GET //a/../%2e%2e/b?c HTTP/1.1\r\n", b"GET http://evil/z HTTP/1.1\r\n", b"GET /\r\n", b"\r\n",
]  # fmt: skip
HEADERS = [
    b"Content-Length: 5\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: 30\r\n",
    b"Content-Length : 5\r\n", b"Content-Length: 5,5\r\n", b"Content_Length: 7\r\n", b"Content-Length: 0x5\r\n",
    b"Content-Length:\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: Chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n", b"Transfer-Encoding : chunked\r\n", b"Host: evil\r\n",
    b"Connection: close\r\n", b"Connection: content-length, host\r\n", b"Connection: Upgrade\r\n", b"Upgrade: x\r\n",
    b"Expect: 100-continue\r\n", b"X-Real-Ip: evil\r\n", b"X_Real_Ip: evil\r\n", b"X: a\r\n b\r\n", b"X: a\rb\r\n",
    b"X: a\nb: c\r\n", b"X:\0\r\n", b" ", b"\t", b":", b"\n", b"\r",
]  # fmt: skip
BODIES = [
    b"", b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"0\r\nContent-Length: 3\r\n\r\n",
    b"5;a=\"\r\n\"\r\nhello\r\n", b"05\r\nhello\r\n0\r\n\r\n", b"-1\r\n", b"5\nhello\r\n0\r\n\r\n",
    b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
]  # fmt: skip
one = st.builds(
    lambda first, host, headers, end, body: first + host + b"".join(headers) + end + body,
    st.sampled_from(LINES),
    st.sampled_from([b"Host: h\r\n"] * 5 + [b""]),
    st.lists(st.sampled_from(HEADERS), max_size=3),
    st.sampled_from([b"\r\n"] * 5 + [b"\n"]),
    st.sampled_from(BODIES),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(one, min_size=1, max_size=3).map(b"".join))
async def test_nothing_gets_through_that_was_not_understood(raw: bytes) -> None:
    endpoint = Strict()
    async with site() as here:
        here.raw(endpoint.serve)
        stream = await here.connect()
        await stream.write(raw)
        said = b""
        try:
            async with asyncio.timeout(0.02):  # long enough for most; what is later is not needed
                while data := await stream.read():
                    said += data
        except (TimeoutError, ConnectionError):
            pass
        stream.close()
    assert not endpoint.wrong, (raw, endpoint.wrong)
    assert said.count(b"HTTP/1.1 200 OK\r\n") <= len(endpoint.requests) <= len(here.log), (raw, said, here.log)
