"""Between a real socket of this machine and a stream of the fabric: bytes both ways, ends and resets included."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pocketkube.network.stream import Stream

CHUNK = 65536


async def join(stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes both ways until both sides have ended; a reset of one side resets the other."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_inward(reader, stream))
            both.create_task(_outward(stream, writer))
    except* ConnectionError:
        reset(writer)
    finally:
        stream.close()


@asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _inward(reader: asyncio.StreamReader, stream: Stream) -> None:
    while data := await reader.read(CHUNK):
        await stream.write(data)
    stream.write_eof()


async def _outward(stream: Stream, writer: asyncio.StreamWriter) -> None:
    while data := await stream.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection as a refused or aborted one ends: with RST instead of FIN."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
