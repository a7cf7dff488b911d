"""What a container wrote: lines with their times, as the container runtime keeps them for `kubectl logs`.

Models the CRI log format as containerd writes it: a line is kept once its newline came or its stream ended, stdout and
stderr each in order; and pkg/kubelet/logs: a log that has grown to containerLogMaxSize is rotated, and what is read is
the newest file's, so that it starts anew then (upstream looks every ten seconds, and keeps four older files on the
node that nobody can ask for). What came last is in memory, what went before on disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pocketkube.kubelet.log_file import Line, LogFile

MAX_SIZE = 10 << 20
"""containerLogMaxSize: bytes of a log, the time and stream before each line included."""
LONGEST_LINE = 16 * 1024
PREFIX = len("2016-10-06T00:17:09.669794202Z stdout F ")
IN_MEMORY = 64 << 10


class Log:
    """The lines of one container instance; `ended` once nothing more can come. Without a `path` all is in memory."""

    def __init__(self, now: Callable[[], float], path: Path | None = None) -> None:
        self.now = now
        self.ended = False
        self._file = LogFile(path) if path is not None else None
        self._lines: deque[Line] = deque()
        """What is not on disk."""
        self._held = 0
        """Bytes of it, as `_size` counts them: a line that is next to nothing takes room, too."""
        self._size = 0
        self._count = 0
        self._followers: set[asyncio.Event] = set()

    def add(self, data: bytes) -> None:
        size = PREFIX + len(data)
        if self._size + size > MAX_SIZE:
            self._rotate()
        self._lines.append(Line(self.now(), data, self._count))
        self._count += 1
        self._size += size
        self._held += size
        if self._file is not None and self._held > IN_MEMORY:
            self._spill(self._file)
        self._wake()

    def _spill(self, file: LogFile) -> None:
        with suppress(OSError):  # on a full disk lines without a place are lost, as on a node
            file.append(self._lines)
        self._lines.clear()
        self._held = 0

    def _rotate(self) -> None:
        if self._file is not None:
            self._file.drop()
        self._lines.clear()
        self._held = self._size = 0

    def end(self) -> None:
        self.ended = True
        self._wake()

    def drop(self) -> None:
        """Nobody can ask for it any more."""
        self._rotate()

    def _wake(self) -> None:
        for follower in self._followers:
            follower.set()

    def tail(self, lines: int, most: int) -> bytes:
        """The last `lines` lines, and of them the last `most` bytes."""
        kept = [line.data for line in self._from(self._first_of(lines))]
        return b"".join(kept)[-most:]

    def _first_of(self, lines: int) -> int:
        """The number of the first of the last so many lines."""
        return max(0, self._count - lines)

    def _from(self, number: int) -> Iterator[Line]:
        """The lines that are kept, from that number on; it may be changed meanwhile."""
        blocks = [block for block in self._file.blocks if block.last >= number] if self._file is not None else []
        rest = [line for line in self._lines if line.number >= number]
        for block in blocks:
            assert self._file is not None
            try:
                lines = list(self._file.read(block))
            except OSError:  # rotated away while somebody read
                continue
            yield from (line for line in lines if line.number >= number)
        yield from rest

    async def read(
        self, *, follow: bool = False, tail: int | None = None, since: float | None = None, timestamps: bool = False
    ) -> AsyncIterator[bytes]:
        """Lines from the first kept one on; `tail` starts that many before the end, `since` drops older ones."""
        news = asyncio.Event()
        self._followers.add(news)
        number = 0 if tail is None else self._first_of(tail)
        try:
            while True:
                news.clear()
                before, ended = number, self.ended
                for line in self._from(number):
                    number = line.number + 1
                    if since is None or line.at >= since:
                        yield self._show(line, timestamps)
                if not follow or (ended and number == before):
                    return
                if number == before:
                    await news.wait()
        finally:
            self._followers.discard(news)

    def _show(self, line: Line, timestamps: bool) -> bytes:
        return stamp(line.at).encode() + b" " + line.data if timestamps else line.data


def stamp(at: float) -> str:
    """RFC 3339 with nine decimals, as log lines carry it."""
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%S}.{round(at % 1 * 1e9) % 10**9:09d}Z"


class Output:
    """A container's stdout or stderr: goes to the log line by line, and to everybody attached as it comes."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._pending = b""
        self.listeners: set[Callable[[bytes], None]] = set()

    async def write(self, data: bytes, /) -> int:
        for listener in tuple(self.listeners):
            listener(data)
        first, *rest = data.split(b"\n")
        self._pending += first
        for part in rest:
            self._log.add(self._pending + b"\n")
            self._pending = part
        while len(self._pending) > LONGEST_LINE:
            self._log.add(self._pending[:LONGEST_LINE])
            self._pending = self._pending[LONGEST_LINE:]
        return len(data)

    def finish(self) -> None:
        """The stream ended: what has no newline yet is a line of its own."""
        if self._pending:
            self._log.add(self._pending)
            self._pending = b""
