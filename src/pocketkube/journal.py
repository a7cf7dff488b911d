"""The store's log on disk: an SQLite file in WAL mode with a row for each version of an object.

A row is committed before `append` returns, so it survives `kill -9`. A store in memory only has no journal.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import orjson

from pocketkube.errors import StoreFull
from pocketkube.objects import Obj, key, sharing

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  revision  INTEGER PRIMARY KEY AUTOINCREMENT,
  type      TEXT NOT NULL,
  resource  TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name      TEXT NOT NULL,
  previous  INTEGER,            -- the revision this one replaces
  object    BLOB NOT NULL
)"""
_INSERT = "INSERT INTO log (revision, type, resource, namespace, name, previous, object) VALUES (?,?,?,?,?,?,?)"
_DROP_REPLACED = """
DELETE FROM log WHERE revision NOT IN (SELECT max(revision) FROM log GROUP BY resource, namespace, name)"""


class Journal:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(_SCHEMA)

    @property
    def revision(self) -> int:
        """The last that was ever written, dropped rows included."""
        last = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
        return last[0] if last else 0

    def append(self, revision: int, type_: str, resource: str, obj: Obj, previous: int | None) -> None:
        """`previous`: the revision of the version that this one replaces. Raises StoreFull."""
        row = (revision, type_, resource, *key(obj), previous, orjson.dumps(obj))
        try:
            self._db.execute(_INSERT, row)
        except sqlite3.Error as error:
            raise StoreFull(str(error)) from error

    def drop(self, revisions: Iterable[tuple[int]]) -> bool:
        """Forget those rows; whether there was room for that."""
        return self._tidy(lambda: self._db.executemany("DELETE FROM log WHERE revision = ?", revisions))

    def last_versions(self, deleted: str) -> Iterator[tuple[int, str, str, Obj]]:
        """(revision, type, resource, object) of all that is there, in the order of their last writes; rows that
        were replaced, and those of the type `deleted`, are forgotten."""

        def drop() -> None:
            self._db.execute(_DROP_REPLACED)
            self._db.execute("DELETE FROM log WHERE type = ?", (deleted,))

        self._tidy(drop)
        rows = self._db.execute("SELECT revision, type, resource, object FROM log ORDER BY revision")
        for revision, type_, resource, blob in rows:
            yield revision, type_, resource, sharing(orjson.loads(blob))

    def close(self) -> None:
        self._db.close()

    def _tidy(self, work: Callable[[], object]) -> bool:
        """Make the log smaller, if there is room for that: it is as right without. All of it or nothing."""
        try:
            self._db.execute("BEGIN")
            work()
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            log.warning("the log of %s cannot be made smaller now: %s", self._path, error)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return False
        return True
