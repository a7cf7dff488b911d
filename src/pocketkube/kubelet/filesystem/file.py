"""Open files: what a file descriptor refers to. Readers and writers are coroutines, as for pipes and sockets."""

from __future__ import annotations

import asyncio
import errno
import os
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.filesystem.tree import Content, Stat, failure, write_all

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 65536
_TURN = 64
"""Calls after which an operation lets others run: a loop over a file must not stop the cluster."""


class File:
    """An open file with a position. Raises OSError(EBADF) for what its mode does not allow, or after close."""

    def __init__(
        self,
        content: Content,
        name: str,
        stat: Callable[[], Stat],
        *,
        readable: bool = True,
        writable: bool = False,
        append: bool = False,
    ) -> None:
        self.name = name
        self.closed = False
        self._content = content
        self._stat = stat
        self._readable = readable
        self._writable = writable
        self._append = append
        self._position = 0
        self._calls = 0

    async def read(self, most: int = -1, /) -> bytes:
        """Up to `most` bytes (all that follow when negative); b"" at the end."""
        await self._turn(self._readable)
        if most < 0:
            most = max(0, self._content.size() - self._position) or _CHUNK
        data = self._content.read_at(self._position, most)
        self._position += len(data)
        return data

    async def write(self, data: bytes, /) -> int:
        """All of it, at the position or (mode `a`) at the end. Raises OSError(ENOSPC)."""
        await self._turn(self._writable)
        if self._append:
            self._position = self._content.size()
        written = write_all(self._content, self._position, bytes(data))
        self._position += written
        if written < len(data):
            raise failure(errno.ENOSPC)
        return written

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        target = offset + (self._content.size() if base is None else base)
        if target < 0:
            raise failure(errno.EINVAL)
        self._position = target
        return target

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int | None = None) -> None:
        if not self._writable:
            raise failure(errno.EINVAL)
        self._content.truncate(self._position if size is None else size)

    def stat(self) -> Stat:
        return self._stat()

    @property
    def content(self) -> Content:
        """The bytes without position or mode."""
        return self._content

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._content.close()

    async def _turn(self, allowed: bool) -> None:
        if self.closed or not allowed:
            raise failure(errno.EBADF)
        self._calls += 1
        if not self._calls % _TURN:
            await asyncio.sleep(0)

    def __enter__(self) -> File:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class StreamFile(File):
    """What was opened has no position: a device, or (through /proc/self/fd) another descriptor."""

    def __init__(self, stream: Any, name: str, stat: Callable[[], Stat]) -> None:
        self.name = name
        self.closed = False
        self._stream = stream
        self._stat = stat

    async def read(self, most: int = -1, /) -> bytes:
        if not hasattr(self._stream, "read"):
            raise failure(errno.EBADF)
        data: bytes = await self._stream.read(_CHUNK if most < 0 else most)
        return data

    async def write(self, data: bytes, /) -> Any:
        if not hasattr(self._stream, "write"):
            raise failure(errno.EBADF)
        return await self._stream.write(data)

    @property
    def content(self) -> Content:
        return _Empty()

    @property
    def terminal(self) -> Any:
        return getattr(self._stream, "terminal", None)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        raise failure(errno.ESPIPE)

    def tell(self) -> int:
        raise failure(errno.ESPIPE)

    def truncate(self, size: int | None = None) -> None:
        raise failure(errno.EINVAL)

    def close(self) -> None:
        self.closed = True


class _Empty:
    """What a device has when it is taken as a whole: nothing to read, and writes go nowhere."""

    def read_at(self, offset: int, most: int) -> bytes:
        return b""

    def write_at(self, offset: int, data: bytes) -> int:
        return len(data)

    def truncate(self, size: int) -> None:
        pass

    def size(self) -> int:
        return 0

    def close(self) -> None:
        pass
