"""A terminal between a user and a process: what `kubectl exec -it` and `tty: true` give a program as its descriptors.

Models the Linux tty line discipline in its usual setting: echo, line editing (erase, kill, end of file), CR to NL on
the way in and NL to CR NL on the way out, SIGINT, SIGQUIT to the foreground group. A program that reads keys itself
asks for `raw` ones. Left out: stopping (^Z), flow control, the width of wide characters when erasing.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pocketkube.kubelet.pid_namespace import PidNamespace

_INTERRUPT, _QUIT, _END, _KILL, _WORD = b"\x03", b"\x1c", b"\x04", b"\x15", b"\x17"
_ERASE = (b"\x7f", b"\x08")
LONGEST_LINE = 4095
"""Bytes of a line that is still typed, as Linux has it: the rest is lost."""
_MOST_UNREAD = 64 << 10
"""Bytes nobody has read; the keyboard waits then."""
_SIGNALS = {_INTERRUPT: (signal.SIGINT, b"^C"), _QUIT: (signal.SIGQUIT, b"^\\")}


class Signalled(Protocol):
    """A process or a group of them."""

    def signal(self, number: int) -> None: ...


class ProcessGroup:
    """The processes of a group, as a terminal signals them."""

    def __init__(self, namespace: PidNamespace, number: int) -> None:
        self._namespace = namespace
        self._number = number

    def signal(self, number: int) -> None:
        for process in tuple(self._namespace.processes.values()):
            if process.group == self._number:
                process.signal(number)


class Terminal:
    """Both a readable and a writable: descriptors 0, 1 and 2 are the same terminal."""

    name = "/dev/pts/0"

    def __init__(self, keyboard: Any, screen: Any) -> None:
        self.keyboard = keyboard
        self.screen = screen
        self.canonical = True
        self.echo = True
        self.signals = True
        self.size = (80, 24)
        self.foreground: Signalled | None = None
        """What ^C interrupts; a shell sets it to the group of its children while it waits for them."""
        self._line = b""
        self._ready: deque[bytes] = deque()
        self._unread = 0
        """Bytes of `_ready`."""
        self._taken = asyncio.Event()
        self._ended = False
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    @property
    def terminal(self) -> Terminal:
        return self

    def isatty(self) -> bool:
        return True

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Every key as it comes, without echo and signals, for as long."""
        kept = self.canonical, self.echo, self.signals
        self.canonical = self.echo = self.signals = False
        if self._line:
            self._give(self._line)
        try:
            yield
        finally:
            self.canonical, self.echo, self.signals = kept

    def resize(self, width: int, height: int) -> None:
        self.size = (width, height)
        if self.foreground is not None:
            self.foreground.signal(signal.SIGWINCH)

    async def read(self, most: int = 65536, /) -> bytes:
        """The next line (or, not canonical, the next keys); b"" at the end of file."""
        while not self._ready:
            if self._ended:
                return b""
            self._news.clear()
            await self._news.wait()
        data = self._ready.popleft()
        if len(data) > most:
            self._ready.appendleft(data[most:])
        self._unread -= len(data[:most])
        self._taken.set()
        return data[:most]

    async def write(self, data: bytes, /) -> int:
        if self.screen is not None:
            await self.screen.write(data.replace(b"\n", b"\r\n"))
        return len(data)

    def follow(self, keyboard: Any) -> None:
        """Take the size from a keyboard that knows it (`size`, `on_resize`), now and at each change."""
        if not hasattr(keyboard, "on_resize"):
            return
        self.size = keyboard.size or self.size
        keyboard.on_resize = self.resize

    def start(self) -> None:
        """Take keys in from now on, as they come: ^C works while nobody reads."""
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._listen(), name="terminal")

    def close(self) -> None:
        """Hang up: readers see the end."""
        if self._pump is not None:
            self._pump.cancel()
        self._ended = True
        self._news.set()

    async def _listen(self) -> None:
        while keys := await self.keyboard.read(4096):
            for at in range(len(keys)):
                await self._key(keys[at : at + 1])
            await asyncio.sleep(0)  # what is pasted is there at once
            while self._unread > _MOST_UNREAD:
                self._taken.clear()
                await self._taken.wait()
        self._ended = True
        self._news.set()

    async def _key(self, key: bytes) -> None:
        if self.signals and key in _SIGNALS:
            number, shown = _SIGNALS[key]
            self._line = b""
            await self._show(shown)
            if self.foreground is not None:
                self.foreground.signal(number)
            return
        if key == b"\r":
            key = b"\n"
        if not self.canonical:
            await self._show(key.replace(b"\n", b"\r\n"))
            self._give(key)
        elif key == _END:
            self._give(self._line)
        elif key in _ERASE:
            if self._line:
                self._line = self._line.decode(errors="surrogateescape")[:-1].encode(errors="surrogateescape")
                await self._show(b"\b \b")
        elif key in (_KILL, _WORD):
            kept = (
                self._line.rstrip().rpartition(b" ")[0] + b" " if key == _WORD and b" " in self._line.rstrip() else b""
            )
            await self._show(b"\b \b" * (len(self._line) - len(kept)))
            self._line = kept
        elif len(self._line) < LONGEST_LINE or key == b"\n":
            self._line += key
            await self._show(key.replace(b"\n", b"\r\n"))
            if key == b"\n":
                self._give(self._line)

    def _give(self, data: bytes) -> None:
        self._line = b""
        self._ready.append(data)
        self._unread += len(data)
        self._news.set()

    async def _show(self, data: bytes) -> None:
        if self.echo and self.screen is not None:
            await self.screen.write(data)
