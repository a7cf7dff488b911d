"""One connection into a Pod, through the API server: kubectl's own way, SPDY/3.1 frames in a WebSocket.

Of SPDY only what two streams need: a connection has a stream for its bytes and one for what went wrong. The plainer
way, WebSocket channels, cannot say that one side has sent everything, for which the other may wait. Every connection
has a WebSocket of its own, so a slow reader holds up nobody else. Needs Kubernetes 1.31, where servers speak it.
Left out: header blocks that come in (nothing in them is needed), flow control (the servers have none).
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import aiohttp

from kindlab.kubectl.access import Access

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
SYN_STREAM, RST_STREAM, PING, GOAWAY = 1, 3, 6, 7
DATA = 0
"""Stands for the kind of a frame that carries bytes."""
FIN, CANCEL = 1, 5
ERRORS, BYTES = 1, 3
"""The numbers of our two streams."""
CHUNK = 1 << 16
_CONTROL, _VERSION = 1 << 31, 3 << 16


class Frame(NamedTuple):
    kind: int
    stream: int
    payload: bytes
    fin: bool


class Decoder:
    """Frames of bytes that come in pieces of any size."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            end = 8 + (second & 0xFF_FFFF)
            if len(self._buffer) < end:
                return
            payload, self._buffer = self._buffer[8:end], self._buffer[end:]
            control = bool(first & _CONTROL)
            stream = struct.unpack_from(">I", payload)[0] if control and len(payload) >= 4 else first
            yield Frame(first & 0xFFFF if control else DATA, stream & ~_CONTROL, payload, bool(second >> 24 & FIN))


def data(stream: int, payload: bytes, *, fin: bool = False) -> bytes:
    return struct.pack(">II", stream, fin << 24 | len(payload)) + payload


def control(kind: int, payload: bytes, *, fin: bool = False) -> bytes:
    return struct.pack(">II", _CONTROL | _VERSION | kind, fin << 24 | len(payload)) + payload


def opening(port: int) -> bytes:
    """The two streams for a port of the Pod; nothing more will come on the stream of errors. The headers are one
    compressed stream; SPDY's dictionary, which a reader may use where it is asked to, is not."""
    deflate = zlib.compressobj()
    opened = b""
    for stream, kind in ((ERRORS, "error"), (BYTES, "data")):
        headers = {"streamtype": kind, "port": str(port), "requestid": "0"}
        texts = [text.encode() for pair in headers.items() for text in pair]
        block = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(t)) + t for t in texts)
        packed = deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)
        opened += control(SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + packed, fin=stream == ERRORS)
    return opened


async def connect(access: Access, path: str, *, heartbeat: float | None = None) -> aiohttp.ClientWebSocketResponse:
    """A WebSocket to a Pod's portforward `path`. Raises ConnectionError in kubectl's words."""
    try:
        socket: aiohttp.ClientWebSocketResponse = await access.session.ws_connect(
            access.url(path),
            protocols=(PROTOCOL,),
            headers=access.headers(),
            heartbeat=heartbeat,
            max_msg_size=0,
            **access.options(),
        )
    except aiohttp.WSServerHandshakeError as error:
        raise ConnectionError(f"error upgrading connection: websocket: bad handshake ({error.status})") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ConnectionError(f"error upgrading connection: {error}") from error
    if socket.protocol != PROTOCOL:
        await socket.close()
        raise ConnectionError(
            f'unable to negotiate protocol: client supports "{PROTOCOL}", server returned "{socket.protocol or ""}" '
            "(port-forward through a WebSocket needs Kubernetes 1.31 or newer)"
        )
    return socket


async def carry(
    socket: aiohttp.ClientWebSocketResponse, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> str:
    """Carry one local connection to `port` of the Pod until the Pod has said everything or the client is gone; returns
    what went wrong on the other side, in the server's words, or ""."""
    await socket.send_bytes(opening(port))
    async with asyncio.TaskGroup() as group:
        upload = group.create_task(_upload(socket, reader), name=f"port-forward {port}, to the Pod")
        try:
            return await _download(socket, writer)
        finally:
            upload.cancel()


async def _upload(socket: aiohttp.ClientWebSocketResponse, reader: asyncio.StreamReader) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            await socket.send_bytes(data(BYTES, chunk))
        await socket.send_bytes(data(BYTES, b"", fin=True))
    except ConnectionError:  # either side is gone: the Pod need not go on
        with suppress(ConnectionError):
            await socket.send_bytes(control(RST_STREAM, struct.pack(">II", BYTES, CANCEL)))
        await socket.close()


async def _download(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> str:
    """Until the stream of errors ends, which it does last."""
    decoder, errors = Decoder(), b""
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY:
            continue
        for frame in decoder.feed(message.data):
            if frame.kind == PING:
                await socket.send_bytes(control(PING, frame.payload))
            elif frame.kind == DATA and frame.stream == BYTES:
                try:
                    writer.write(frame.payload)
                    await writer.drain()
                except ConnectionError:
                    return ""  # the client is gone: there is nobody to carry the rest to
                if frame.fin:
                    await _reset(socket)
            elif frame.kind == DATA and frame.stream == ERRORS:
                errors += frame.payload
                if frame.fin:
                    return errors.decode("utf-8", "replace")
            elif frame.kind == GOAWAY or (frame.kind == RST_STREAM and frame.stream == ERRORS):
                return errors.decode("utf-8", "replace")
    return errors.decode("utf-8", "replace")


async def _reset(socket: aiohttp.ClientWebSocketResponse) -> None:
    """The Pod has sent everything: as kubectl does, take nothing more to it, or the end of errors might wait for it."""
    with suppress(ConnectionError):
        await socket.send_bytes(control(RST_STREAM, struct.pack(">II", BYTES, CANCEL)))
