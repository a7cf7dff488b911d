"""A folder of things that are there whole or not at all, each a folder of its own with a record and its bytes.

`<folder>/<id>/record.json` says what it is, `<folder>/<id>/data` is its content. One is made under a name that begins
with a dot and then renamed; it is deleted by being renamed back, then removed. Whatever moment the process dies at,
what has no dot is whole, and `recover` removes the rest. As durable as the store: against the death of the process,
not of the machine.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pocketkube import room
from pocketkube.removal import finish, remove

log = logging.getLogger(__name__)
RECORD, DATA, _NEW_RECORD = "record.json", "data", ".record.json"


class Record(Protocol):
    """A frozen dataclass of plain values."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=Record)


class Records(Generic[R]):
    """Those of one type. What is in memory is what is on disk: every change is on disk first."""

    def __init__(self, folder: Path, type_: type[R]) -> None:
        self.folder = folder
        self._type = type_
        self._by_id: dict[str, R] = {}
        self._by_name: dict[str, str] = {}
        self._read()

    def find(self, id: str) -> R | None:
        return self._by_id.get(id)

    def named(self, name: str) -> R | None:
        return self._by_id.get(self._by_name.get(name, ""))

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._by_id.values()))

    def data(self, record: R) -> Path:
        """Where its content is."""
        return self.folder / record.id / DATA

    @contextmanager
    def making(self, record: R) -> Iterator[Path]:
        """The block makes the content at the path it is given; then the record appears, or nothing if it raises."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        room.check(self.folder)
        unfinished = self.folder / f".new-{record.id}"
        unfinished.mkdir(mode=0o700)
        try:
            yield unfinished / DATA
            _write(unfinished / RECORD, record)
            unfinished.rename(self.folder / record.id)
        except BaseException:
            remove(unfinished)
            raise
        self._remember(record)

    def replace(self, record: R) -> None:
        """Put another record in the place of the one with its id. Raises OSError, and then nothing has changed."""
        new = self.folder / record.id / _NEW_RECORD
        try:
            _write(new, record)
            new.rename(self.folder / record.id / RECORD)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        self._remember(record)

    def delete(self, record: R) -> None:
        """It is gone when this returns; what is large is removed from the disk soon after."""
        gone = self.folder / f".old-{record.id}"
        (self.folder / record.id).rename(gone)
        del self._by_id[record.id]
        self._by_name.pop(record.name, None)
        finish(gone)

    def recover(self) -> None:
        """Remove what is half made and half deleted."""
        if self.folder.is_dir():
            for entry in self.folder.iterdir():
                if entry.name.startswith("."):
                    remove(entry)
                else:
                    remove(entry / _NEW_RECORD)

    def _read(self) -> None:
        if not self.folder.is_dir():
            return
        known = {field.name for field in dataclasses.fields(self._type)}  # type: ignore[arg-type]
        for entry in sorted(self.folder.iterdir()):
            if entry.name.startswith("."):
                continue
            try:
                found = json.loads((entry / RECORD).read_text(encoding="utf-8"))
                record = self._type(**{name: found[name] for name in found if name in known})
                if record.id != entry.name:
                    raise ValueError(f"it is the record of {record.id}")
            except (OSError, ValueError, TypeError, AttributeError) as error:
                log.error("%s is left alone: its %s cannot be read (%s)", entry, RECORD, error)
                continue
            self._remember(record)

    def _remember(self, record: R) -> None:
        self._by_id[record.id] = record
        self._by_name[record.name] = record.id


def _write(path: Path, record: Record) -> None:
    path.write_text(json.dumps(dataclasses.asdict(record)), encoding="utf-8")  # type: ignore[call-overload]
