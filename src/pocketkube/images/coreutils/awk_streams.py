"""What awk reads and writes: records of files, of standard input and of commands; files and pipes it prints to."""

from __future__ import annotations

import os
from typing import Any

from pocketkube.images.coreutils.awk_values import AwkFailure
from pocketkube.images.coreutils.regex import extended
from pocketkube.images.shell.descriptors import OpenFile, decode, encode, pipe
from pocketkube.kubelet.process import Process
from pocketkube.regex import posix

_CHUNK = 65536
_LONGEST = 4 << 20
"""Bytes of a record."""
_MANY = 64
"""Streams that are open at a time."""


class Source:
    """Records of something readable."""

    def __init__(self, stream: Any, child: Process | None = None) -> None:
        self.child = child
        self._stream = stream
        self._pending = b""
        self._at = 0
        self._ended = False

    async def record(self, separator: str) -> str | None:
        """The next record, None at the end. `separator` as RS: one character, "" for paragraphs, else a pattern."""
        while True:
            found = self._cut(separator)
            if found is not None:
                return found
            if self._ended:
                return self._rest(separator)
            if len(self._pending) - self._at > _LONGEST:
                raise AwkFailure("out of memory")
            data = await self._stream.read(_CHUNK)
            self._pending = self._pending[self._at :] + data
            self._at = 0
            self._ended = not data

    def _cut(self, separator: str) -> str | None:
        if len(separator) == 1:
            at = self._pending.find(encode(separator), self._at)
            return self._take(at, at + len(encode(separator))) if at >= 0 else None
        text = decode(self._pending[self._at :])
        if not separator:
            stripped = text.lstrip("\n")
            self._at += len(text) - len(stripped)
            found = posix("\n\n+").search(stripped)
        else:
            found = posix(extended(separator)).search(text)
            stripped = text
        if found is None or (found.end() == len(stripped) and not self._ended) or found.end() == found.start():
            return None
        start = self._at + len(encode(stripped[: found.start()]))
        return self._take(start, start + len(encode(found.group())))

    def _take(self, end: int, following: int) -> str:
        data = self._pending[self._at : end]
        self._at = following
        return decode(data)

    def _rest(self, separator: str) -> str | None:
        data, self._pending, self._at = self._pending[self._at :], b"", 0
        if not separator:
            data = data.strip(b"\n")
        return decode(data) if data else None

    async def close(self) -> int:
        close = getattr(self._stream, "close", None)
        if close is not None and self.child is not None:
            self._stream.release()
        elif close is not None:
            close()
        return await self.child.wait() if self.child is not None else 0


class Sink:
    """Something that is printed to, in large pieces."""

    def __init__(self, stream: Any, child: Process | None = None, *, prompt: bool = False) -> None:
        self._stream = stream
        self._child = child
        self._prompt = prompt
        self._parts: list[str] = []
        self._size = 0

    async def write(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text)
        if self._size > _CHUNK or self._prompt:
            await self.flush()

    async def flush(self) -> None:
        data = encode("".join(self._parts))
        self._parts.clear()
        self._size = 0
        if data:
            await self._stream.write(data)

    async def close(self) -> int:
        await self.flush()
        if isinstance(self._stream, OpenFile) or self._child is not None:
            self._stream.release()
        return await self._child.wait() if self._child is not None else 0


class Streams:
    """Those of one program, by the name it gave them."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.out = Sink(process.stdout, prompt=getattr(process.fds.get(1), "terminal", None) is not None)
        self._error = Sink(process.stderr, prompt=True)
        self._open: dict[tuple[str, str], Source | Sink] = {}

    async def sink(self, kind: str, name: str) -> Sink:
        """`kind` is > >> or |. Raises AwkFailure."""
        if kind != "|" and name in ("/dev/stdout", "-"):
            return self.out
        if kind != "|" and name == "/dev/stderr":
            return self._error
        key = ("|" if kind == "|" else ">", name)
        found = self._open.get(key)
        if isinstance(found, Sink):
            return found
        self._bound()
        if kind == "|":
            await self.flush()
            reader, writer = pipe()
            writer.hold()
            reader.hold()
            child = self._spawn(name, {0: reader})
            reader.release()
            made = Sink(writer, child)
        else:
            try:
                file = OpenFile(self._process.fs.open(self._process.path(name), "a" if kind == ">>" else "w"))
            except OSError as error:
                raise AwkFailure(f"can't open '{name}': {os.strerror(error.errno or 0)}") from None
            file.hold()
            made = Sink(file)
        self._open[key] = made
        return made

    async def source(self, kind: str, name: str) -> Source | None:
        """`kind` is < or |; None when there is no such file."""
        found = self._open.get((kind, name))
        if isinstance(found, Source):
            return found
        self._bound()
        if kind == "|":
            await self.flush()
            reader, writer = pipe()
            reader.hold()
            writer.hold()
            child = self._spawn(name, {1: writer})
            writer.release()
            made = Source(reader, child)
        else:
            try:
                made = self.file(name)
            except OSError:
                return None
        self._open[(kind, name)] = made
        return made

    def file(self, name: str) -> Source:
        """Raises OSError."""
        if name in ("-", "/dev/stdin"):
            return Source(_Unclosed(self._process.stdin))
        return Source(self._process.fs.open(self._process.path(name)))

    async def system(self, command: str) -> int:
        await self.flush()
        return await self._spawn(command, {}).wait()

    def _spawn(self, command: str, fds: dict[int, Any]) -> Process:
        try:
            return self._process.spawn(["/bin/sh", "-c", command], fds=fds)
        except OSError as error:
            raise AwkFailure(f"can't start a command: {os.strerror(error.errno or 0)}") from None

    def _bound(self) -> None:
        if len(self._open) >= _MANY:
            raise AwkFailure("too many open files: close() them")

    async def flush(self) -> None:
        await self.out.flush()
        for stream in self._open.values():
            if isinstance(stream, Sink):
                await stream.flush()

    async def close(self, name: str) -> int:
        status = -1
        for key in [key for key in self._open if key[1] == name]:
            status = await self._open.pop(key).close()
        return status

    async def close_all(self) -> None:
        await self.out.flush()
        for key in list(self._open):
            await self._open.pop(key).close()


class _Unclosed:
    def __init__(self, stream: Any) -> None:
        self.read = stream.read
