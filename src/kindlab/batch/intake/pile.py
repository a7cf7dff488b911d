"""What has been read of one submission, bounded: contents in memory, and what was left out and why."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from kindlab.batch.intake import limits, names
from kindlab.batch.submission import Refused


class Unreadable(Exception):
    """Nothing of the submission can be used; the text is a sentence."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Entry:
    """A file: the folders and the name it was handed in under, and what it holds."""

    parts: tuple[str, ...]
    data: bytes

    @property
    def name(self) -> str:
        return names.shown("/".join(self.parts))


@dataclass
class Pile:
    entries: list[Entry] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    more_refused: int = 0
    looked_at: int = 0
    bytes: int = 0

    def look(self) -> None:
        """Count one more file or folder. Raises Unreadable for too many: which of them would be taken is chance."""
        self.looked_at += 1
        if self.looked_at > limits.ENTRIES:
            raise Unreadable(
                f"It holds more than {limits.ENTRIES:,} files and folders, of which none was graded. Hand in the files "
                "of the lab only: kindlab submit makes such a zip."
            )

    def refuse(self, name: str, why: str, then: str) -> None:
        if len(self.refused) < limits.REFUSED:
            self.refused.append(Refused(names.shown(name), why, then, names.shown(name)))
        else:
            self.more_refused += 1

    def refuse_archive(self, name: str, why: str, then: str) -> None:
        """As `refuse`, and before all that was said of single files: it is told in any case."""
        self.refused.insert(0, Refused(names.shown(name), why, then, names.shown(name)))

    def named(self, raw: str) -> tuple[str, ...]:
        """The parts of a name, () and refused where it leads anywhere else or is an archive in a submission."""
        try:
            found = names.parts(raw)
        except ValueError as error:
            self.refuse(raw, f"{error}", "Pack the folder anew, with plain file names.")
            return ()
        return found

    def take(self, found: tuple[str, ...], open_: Callable[[], AbstractContextManager[Readable]]) -> None:
        """Read a file that is graded; any other is passed over. Raises OSError, ValueError and what `open_` raises."""
        name, most = "/".join(found), names.wanted(found)
        if not most:
            return
        if len(self.entries) >= limits.FILES:
            self.refuse(name, f"there are more than {limits.FILES} files", "Put several objects into one file.")
            return
        with open_() as stream:
            data = read(stream, most + 1)
        if len(data) > most:
            self.refuse(name, f"it is larger than {_size(most)}", "Hand in manifests only, without outputs or data.")
        elif self.bytes + len(data) > limits.ALL:
            self.refuse(name, f"all files together are larger than {_size(limits.ALL)}", "Hand in manifests only.")
        else:
            self.bytes += len(data)
            self.entries.append(Entry(found, data))


def read(stream: Readable, most: int) -> bytes:
    """At most so many bytes; a stream may give fewer at a time."""
    pieces, left = [], most
    while left > 0 and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
