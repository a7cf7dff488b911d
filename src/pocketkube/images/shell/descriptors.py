"""What a shell opens for its commands: files, pipes, here-documents. The last process to let go closes it."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

from pocketkube.network.stream import Channel

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem import File


class Descriptor:
    """Counts its holders, as the kernel counts an open file description's. `Process` holds and releases its own."""

    def __init__(self) -> None:
        self._holders = 0

    def hold(self) -> None:
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        if self._holders <= 0:
            self.close()

    def close(self) -> None:
        raise NotImplementedError


class OpenFile(Descriptor):
    """A file opened by a redirection; descriptors made from it share its position."""

    def __init__(self, file: File) -> None:
        super().__init__()
        self._file = file

    async def read(self, most: int = 65536, /) -> bytes:
        return await self._file.read(most)

    async def write(self, data: bytes, /) -> Any:
        return await self._file.write(data)

    def close(self) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class PipeEnd(Descriptor):
    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel


class Reader(PipeEnd):
    async def read(self, most: int = 65536, /) -> bytes:
        return await self._channel.read(most)

    def close(self) -> None:
        self._channel.break_()


class Writer(PipeEnd):
    async def write(self, data: bytes, /) -> int:
        await self._channel.write(data)
        return len(data)

    def close(self) -> None:
        self._channel.write_eof()


def pipe() -> tuple[Reader, Writer]:
    channel = Channel()
    return Reader(channel), Writer(channel)


class Collector(Descriptor):
    """The writing end of a command substitution; `everything` waits until all holders are gone. `most`: bytes."""

    def __init__(self, most: int = 1 << 20) -> None:
        super().__init__()
        self._most = most
        self._data = bytearray()
        self._ended = asyncio.Event()
        self._writes = 0

    async def write(self, data: bytes, /) -> int:
        if len(self._data) > self._most:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        self._data += data
        self._writes += 1
        if not self._writes % 64:
            await asyncio.sleep(0)
        return len(data)

    def close(self) -> None:
        self._ended.set()

    async def everything(self) -> bytes:
        await self._ended.wait()
        return bytes(self._data)


class Document(Descriptor):
    """A here-document as standard input."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._position = 0

    async def read(self, most: int = 65536, /) -> bytes:
        part = self._data[self._position : self._position + most] if most >= 0 else self._data[self._position :]
        self._position += len(part)
        return part

    def close(self) -> None:
        pass


def encode(text: str) -> bytes:
    """Text as bytes; bytes that are no UTF-8 come back as they were read."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def reason(error: OSError) -> str:
    """The text of an errno."""
    return os.strerror(error.errno) if error.errno else str(error)
