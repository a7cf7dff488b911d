"""How much is in a folder of the host: looked at a part at a time, following no link."""

from __future__ import annotations

import os
import stat as bits
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from pocketkube.kubelet.filesystem.host import HostTree, Node
from pocketkube.kubelet.filesystem.tree import BLOCK

STEP: Final = 0.005
"""Seconds after which others get their turn."""


class Meter:
    """Tells `over` once when a folder may hold more than `limit` bytes: what is written is counted, what is overwritten
    or removed is not, so that nothing has to be looked through before it is worth it. `look` does."""

    def __init__(self, tree: HostTree, limit: int, over: Callable[[], None]) -> None:
        self.limit = limit
        self._tree = tree
        self._over = over
        self._counted = limit + 1  # what is there from before is not known
        self._told = False
        self._looking: Iterator[int] | None = None
        self._sum = 0

    def count(self, more: int) -> None:
        self._counted += more
        if self._counted > self.limit and not self._told:
            self._told = True
            self._over()

    @property
    def suspicious(self) -> bool:
        """Whether there is a reason to look."""
        return self._counted > self.limit

    def look(self) -> bool:
        """Look through a part of the folder. Whether that was the last: then `suspicious` is certain."""
        if self._looking is None:
            self._looking, self._sum = sizes(self._tree), 0
        end = time.monotonic() + STEP
        for size in self._looking:
            self._sum += size
            if self._sum > self.limit:
                break
            if time.monotonic() >= end:
                return False
        self._looking = None
        self._counted, self._told = self._sum, False
        return True


def usage(tree: HostTree) -> int:
    """Bytes on the disk that a folder and all in it take, as du counts them; a file of several names counts once."""
    return sum(sizes(tree))


def sizes(tree: HostTree) -> Iterator[int]:
    """What each file and folder takes."""
    seen: set[int] = set()
    todo: list[Node] = [()]
    while todo:
        node = todo.pop()
        with suppress(OSError), tree.at(node) as fd, os.scandir(fd) as entries:
            yield _size(os.fstat(fd))
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if bits.S_ISDIR(found.st_mode):
                    todo.append((*node, entry.name))
                elif found.st_nlink == 1:
                    yield _size(found)
                elif found.st_ino not in seen:
                    seen.add(found.st_ino)
                    yield _size(found)


def _size(found: os.stat_result) -> int:
    return int(getattr(found, "st_blocks", -(-found.st_size // BLOCK))) * BLOCK
