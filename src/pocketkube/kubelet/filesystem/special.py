"""/dev and /sys as a container sees them, and what such made-up trees (/proc is one, too) are built of.

Nothing here shows the host. Left out: almost all of sysfs.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.filesystem.tree import (
    DEVICE,
    DIRECTORY,
    FILE,
    SYMLINK,
    Stat,
    Tree,
    failure,
    inode_numbers,
)

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem.walk import Entry, Seer

_CHUNK = 65536


@dataclass(slots=True, eq=False)
class Folder:
    """`children` lists name -> node as the seer sees them."""

    children: Callable[[Seer], Mapping[str, Any]]
    mode: int = 0o555
    ino: int = field(default_factory=lambda: next(inode_numbers))


@dataclass(slots=True, eq=False)
class Text:
    """A file whose bytes are made when it is opened."""

    make: Callable[[Seer], bytes]
    mode: int = 0o444
    ino: int = field(default_factory=lambda: next(inode_numbers))


@dataclass(slots=True, eq=False)
class Link:
    target: Callable[[Seer], str]
    stream: Callable[[Seer], Any] | None = None
    """What opening the link gives, where that is more than its target's text (/proc/self/fd/N)."""
    jump: Callable[[Seer], Entry | None] | None = None
    """The place it leads to, where that is in another container (/proc/PID/root)."""
    mode: int = 0o777
    ino: int = field(default_factory=lambda: next(inode_numbers))


@dataclass(slots=True, eq=False)
class Device:
    numbers: tuple[int, int]
    stream: Callable[[Seer], Any]
    mode: int = 0o666
    ino: int = field(default_factory=lambda: next(inode_numbers))


class Static:
    """Bytes that were made when the file was opened."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_at(self, offset: int, most: int) -> bytes:
        return self._data[offset : offset + most]

    def write_at(self, offset: int, data: bytes) -> int:
        raise failure(errno.EACCES)

    def truncate(self, size: int) -> None:
        raise failure(errno.EACCES)

    def size(self) -> int:
        return len(self._data)

    def close(self) -> None:
        pass


class Made(Tree):
    """A tree of the nodes above."""

    _KINDS: Mapping[type, str] = {Folder: DIRECTORY, Text: FILE, Link: SYMLINK, Device: DEVICE}

    def __init__(self, root: Folder, fstype: str, source: str) -> None:
        super().__init__()
        self._root = root
        self.fstype = fstype
        self.source = source

    @property
    def root(self) -> Folder:
        return self._root

    def kind(self, node: Any) -> str:
        return self._KINDS[type(node)]

    def is_magic(self, node: Any) -> bool:
        return isinstance(node, Link) and node.stream is not None

    def leads_to(self, node: Any, seer: Seer) -> Entry | None:
        return node.jump(seer) if isinstance(node, Link) and node.jump is not None else None

    def lookup(self, node: Folder, name: str, seer: Seer) -> Any | None:
        return node.children(seer).get(name)

    def names(self, node: Folder, seer: Seer) -> Iterable[str]:
        return node.children(seer)

    def stat(self, node: Any, seer: Seer) -> Stat:
        now = seer.namespace.clock.time() if seer.namespace else 0.0
        rdev = node.numbers if isinstance(node, Device) else (0, 0)
        links = 2 if isinstance(node, Folder) else 1
        return Stat(self.kind(node), node.mode, 0, now, now, now, 0, 0, links, node.ino, 0, self.device, rdev)

    def readlink(self, node: Link, seer: Seer) -> str:
        return node.target(seer)

    def open(self, node: Any, seer: Seer) -> Any:
        if isinstance(node, Text):
            return Static(node.make(seer))
        return node.stream(seer)

    def create(self, parent: Any, name: str, kind: str, mode: int, uid: int, gid: int, target: str = "") -> Any:
        raise failure(errno.ENOENT if self.fstype == "proc" else errno.EPERM)

    def change(self, node: Any, **_: Any) -> None:
        if not isinstance(node, Device):
            raise failure(errno.EPERM)


class _Null:
    """Devices never make anybody wait, so each use of one lets others go on: programs read and write them forever."""

    async def read(self, most: int = 0, /) -> bytes:
        return b""

    async def write(self, data: bytes, /) -> int:
        await asyncio.sleep(0)
        return len(data)


class _Zero(_Null):
    async def read(self, most: int = _CHUNK, /) -> bytes:
        await asyncio.sleep(0)
        return bytes(min(most, 16 * _CHUNK))


class _Full(_Zero):
    async def write(self, data: bytes, /) -> int:
        raise failure(errno.ENOSPC)


class _Random(_Null):
    async def read(self, most: int = _CHUNK, /) -> bytes:
        await asyncio.sleep(0)
        return os.urandom(min(most, 16 * _CHUNK))


def _terminal(seer: Seer) -> Any:
    for number in (0, 1, 2):
        stream = seer.process.fds.get(number) if seer.process else None
        if getattr(stream, "terminal", None) is not None:
            return stream
    raise failure(errno.ENXIO)


def fixed(children: Mapping[str, Any], mode: int = 0o755) -> Folder:
    return Folder(lambda seer: children, mode)


def link(target: str) -> Link:
    return Link(lambda seer: target)


DEV = Made(
    fixed(
        {
            "null": Device((1, 3), lambda seer: _Null()),
            "zero": Device((1, 5), lambda seer: _Zero()),
            "full": Device((1, 7), lambda seer: _Full()),
            "random": Device((1, 8), lambda seer: _Random()),
            "urandom": Device((1, 9), lambda seer: _Random()),
            "tty": Device((5, 0), _terminal),
            "stdin": link("/proc/self/fd/0"),
            "stdout": link("/proc/self/fd/1"),
            "stderr": link("/proc/self/fd/2"),
            "fd": link("/proc/self/fd"),
            "shm": fixed({}, 0o1777),
            "pts": fixed({}),
        }
    ),
    "tmpfs",
    "tmpfs",
)
