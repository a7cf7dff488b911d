"""Whole folders of the host: how much is in one, and deleting one. No link is followed, and no depth is too much."""

from __future__ import annotations

import os
import stat as bits
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from pocketkube.kubelet.filesystem.host import HostTree, Node
from pocketkube.kubelet.filesystem.tree import BLOCK

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Meter:
    """Tells `over` once when a folder may hold more than `limit` bytes: what is written is counted, what is overwritten
    or removed is not, so that nothing has to be looked through before it is worth it. `measure` looks."""

    def __init__(self, tree: HostTree, limit: int, over: Callable[[], None]) -> None:
        self.limit = limit
        self._tree = tree
        self._over = over
        self._counted = 0
        self._told = False
        self.measure()

    def count(self, more: int) -> None:
        self._counted += more
        if self._counted > self.limit and not self._told:
            self._told = True
            self._over()

    @property
    def suspicious(self) -> bool:
        """Whether there is a reason to measure."""
        return self._counted > self.limit

    def measure(self) -> int:
        """Bytes on the disk, as du counts them."""
        self._counted, self._told = usage(self._tree), False
        return self._counted


def usage(tree: HostTree) -> int:
    """Bytes on the disk that a folder and all in it take; a file of several names counts once."""
    seen: set[int] = set()
    total = 0
    todo: list[Node] = [()]
    while todo:
        node = todo.pop()
        with suppress(OSError), tree.at(node) as fd, os.scandir(fd) as entries:
            total += _size(os.fstat(fd))
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if bits.S_ISDIR(found.st_mode):
                    todo.append((*node, entry.name))
                elif found.st_ino not in seen:
                    seen.add(found.st_ino)
                    total += _size(found)
    return total


def _size(found: os.stat_result) -> int:
    return int(getattr(found, "st_blocks", -(-found.st_size // BLOCK))) * BLOCK


def remove_folder(folder: Path) -> None:
    """Delete a folder and all in it; what is not there is fine, and so is what cannot be deleted."""
    HostTree.forget(folder)
    with suppress(OSError):
        top = os.open(folder, _FOLDER)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _empty(top: int) -> None:
    """Folders within folders are first moved up, so that two descriptors are enough."""
    spare = (f".pocketkube-removed-{number}" for number in count())
    kept: set[str] = set()
    while names := [name for name in os.listdir(top) if name not in kept]:
        for name in names:
            try:
                os.unlink(name, dir_fd=top)
            except OSError:
                try:
                    _dissolve(top, name, spare)
                except OSError:
                    kept.add(name)


def _dissolve(top: int, name: str, spare: Iterator[str]) -> None:
    fd = os.open(name, _FOLDER, dir_fd=top)
    try:
        for inner in os.listdir(fd):
            try:
                os.unlink(inner, dir_fd=fd)
            except OSError:
                os.rename(inner, next(spare), src_dir_fd=fd, dst_dir_fd=top)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=top)
