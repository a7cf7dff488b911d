"""What a container wrote: lines with their times, as the container runtime keeps them for `kubectl logs`.

Models the CRI log format as containerd writes it: a line is kept once its newline came or its stream ended, stdout and
stderr each in order. Kept in memory, the newest LIMIT bytes of each container instance (upstream: files of 10 MiB).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import NamedTuple

LIMIT = 1 << 20
LONGEST_LINE = 16 * 1024


class Line(NamedTuple):
    at: float
    data: bytes
    """With its newline, unless the stream ended, or the line went on, without one."""
    number: int


class Log:
    """The lines of one container instance; `ended` once nothing more can come."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.ended = False
        self._lines: deque[Line] = deque()
        self._size = 0
        self._count = 0
        self._followers: set[asyncio.Event] = set()

    def add(self, data: bytes) -> None:
        self._lines.append(Line(self.now(), data, self._count))
        self._count += 1
        self._size += len(data)
        while self._size > LIMIT:
            self._size -= len(self._lines.popleft().data)
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        for follower in self._followers:
            follower.set()

    def tail(self, lines: int, most: int) -> bytes:
        """The last `lines` lines, and of them the last `most` bytes."""
        kept = list(self._lines)[-lines:]
        return b"".join(line.data for line in kept)[-most:]

    async def read(
        self, *, follow: bool = False, tail: int | None = None, since: float | None = None, timestamps: bool = False
    ) -> AsyncIterator[bytes]:
        """Lines from the first kept one on; `tail` starts that many before the end, `since` drops older ones."""
        lines = [line for line in self._lines if since is None or line.at >= since]
        if tail is not None:
            lines = lines[len(lines) - tail :] if tail < len(lines) else lines
        after = self._count - 1
        for line in lines:
            yield self._show(line, timestamps)
        if not follow:
            return
        news = asyncio.Event()
        self._followers.add(news)
        try:
            while True:
                news.clear()
                fresh = [line for line in self._lines if line.number > after]
                for line in fresh:
                    after = line.number
                    yield self._show(line, timestamps)
                if not fresh:
                    if self.ended:
                        return
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
