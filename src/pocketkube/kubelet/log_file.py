"""The part of a container's log that is on disk: lines in blocks, appended, read back block by block.

Models what containerd writes under /var/log/pods, in a format of its own. A block is read whole, so it is small.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson


class Line(NamedTuple):
    at: float
    data: bytes
    """With its newline, unless the stream ended, or the line went on, without one."""
    number: int


class Block(NamedTuple):
    offset: int
    size: int
    lines: int
    last: int
    """The number of its last line."""


class LogFile:
    """`path` is made with the first block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks: list[Block] = []
        self._size = 0

    @property
    def blocks(self) -> list[Block]:
        """Oldest first."""
        return self._blocks

    def append(self, lines: Iterable[Line]) -> None:
        """Raises OSError."""
        held = list(lines)
        # bytes have no place in JSON, and Latin-1 gives each byte a character
        data = orjson.dumps([[line.at, line.data.decode("latin-1"), line.number] for line in held])
        if not self._blocks:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.open("ab") as file:
            file.write(data)
        self._blocks.append(Block(self._size, len(data), len(held), held[-1].number))
        self._size += len(data)

    def read(self, block: Block) -> Iterator[Line]:
        """Raises OSError; FileNotFoundError for a block that has been dropped."""
        if block not in self._blocks:
            raise FileNotFoundError(self._path)
        with self._path.open("rb") as file:
            file.seek(block.offset)
            data = file.read(block.size)
        for at, text, number in orjson.loads(data):
            yield Line(at, text.encode("latin-1"), number)

    def drop(self) -> None:
        """Forget it all."""
        self._blocks, self._size = [], 0
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
