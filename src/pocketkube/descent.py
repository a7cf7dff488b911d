"""Walking a folder of the host that somebody may change meanwhile, without ever being led out of it.

Every name is opened below the descriptor of the folder it is in, and links are not followed. However deep a tree is,
few descriptors are open at a time.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

Names = tuple[str, ...]
GONE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What opening a folder says that is no longer one."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT: Final = 64
_NEAR: Final = 64
DEEPEST: Final = 2048
"""Folders below each other, as many as a path of 4,096 bytes can name: containers get deeper by moving folders only."""


class Descent:
    """Descriptors of the folders of one tree; those opened last are kept, as the next one is mostly near them."""

    def __init__(self, path: Path, base: Names = ()) -> None:
        """The root is `base` below `path`; none of its names is followed if it is a link. Raises OSError."""
        self._open: dict[Names, int] = {}
        self._root = os.open(path, _FOLDER)
        for name in base:
            above = self._root
            try:
                self._root = os.open(name, _FOLDER, dir_fd=above)
            finally:
                os.close(above)

    def __enter__(self) -> Descent:
        return self

    def __exit__(self, type_: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        for fd in (*self._open.values(), self._root):
            os.close(fd)

    def at(self, names: Names) -> int:
        """The descriptor of the folder at these names below the root, valid until the next call. Raises OSError."""
        known = self._nearest(names)
        fd, kept = self._open.get(known, self._root), True
        for depth in range(len(known), len(names)):
            try:
                deeper = os.open(names[depth], _FOLDER, dir_fd=fd)
            finally:
                if not kept:
                    os.close(fd)
            fd, kept = deeper, len(names) - depth < _KEPT
            if kept:
                self._keep(names[: depth + 1], fd)
        return fd

    def _nearest(self, names: Names) -> Names:
        """The deepest folder on the way there that is open."""
        for near in (names, names[:-1]):
            if near in self._open:
                return near
        on_the_way = [kept for kept in self._open if kept == names[: len(kept)]]
        return max(on_the_way, key=len, default=())

    def _keep(self, names: Names, fd: int) -> None:
        self._open[names] = fd
        if len(self._open) > _KEPT:
            os.close(self._open.pop(next(iter(self._open))))


@contextmanager
def opened(path: Path, names: Names = ()) -> Iterator[int]:
    """A descriptor of the folder at these names below `path`; none of the names is followed. Raises OSError."""
    with Descent(path, names) as descent:
        yield descent.at(())


def folders(path: Path, base: Names = ()) -> Iterator[tuple[Names, int]]:
    """(names from there down, descriptor) of every folder of the tree at `path`/`base`, an outer one before its inner.

    A folder is looked into for inner ones when its turn is over. Raises OSError (ENAMETOOLONG: deeper than any path
    could name)."""
    ahead: list[tuple[Names, str]] = [((), "")]
    with Descent(path, base) as descent:
        while ahead:
            above, name = ahead.pop()
            folder = (*above, name) if name else ()
            if len(folder) > DEEPEST:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            try:
                fd = descent.at(folder)
            except OSError as error:
                if error.errno not in GONE:
                    raise
                continue
            yield folder, fd
            with os.scandir(fd) as entries:
                ahead += [(folder, entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]


def measure(source: Path, most_names: int, most_bytes: int | None = None) -> tuple[int, int] | None:
    """(names in the tree, bytes that take room), or None when there are more: names far down count as more, for the way
    to them is long. Raises OSError."""
    found = os.lstat(source)
    names, size, effort = 0, _bytes(found), 0
    if stat.S_ISDIR(found.st_mode):
        for folder, fd in folders(source):
            effort += len(folder) // _NEAR
            with os.scandir(fd) as entries:
                for entry in entries:
                    names += 1
                    with suppress(FileNotFoundError):
                        size += _bytes(entry.stat(follow_symlinks=False))
                    if names + effort > most_names or (most_bytes is not None and size > most_bytes):
                        return None
    return None if most_bytes is not None and size > most_bytes else (names, size)


def _bytes(found: os.stat_result) -> int:
    return min(found.st_size, getattr(found, "st_blocks", sys.maxsize) * 512) if stat.S_ISREG(found.st_mode) else 0
