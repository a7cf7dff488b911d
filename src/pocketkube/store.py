"""The store: an append-only log of object versions whose row id is the resourceVersion.

Models etcd as the API server uses it (create, update with compare, delete, list, watch from a revision),
on SQLite in WAL mode. A write is one INSERT, committed before it is acknowledged and before anybody is told,
so it survives `kill -9`; it happens on the event loop and needs no lock. Objects are kept in memory too;
they are shared, and nobody may change one in place.

The log keeps the last `history` events for watches; older versions that were replaced since are dropped, and all
of them at a restart.
Left out: leases, transactions over several keys, reading an object at an old revision.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from pocketkube.errors import Expired
from pocketkube.objects import Key, Obj, key, sharing

log = logging.getLogger(__name__)

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
_COMPACT = 1000
QUEUE_LIMIT = 4096
"""Events a watcher may lag behind before it is ended."""

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


@dataclass(frozen=True, slots=True)
class Event:
    """One write. `old` is the version before (None for ADDED); a DELETED event's `object` is the last version
    stamped with the revision of the deletion, as upstream sends it."""

    type: str
    resource: str
    object: Obj
    old: Obj | None
    revision: int


class Stale(Exception):
    """A write's expected revision is not the stored one; `current` is what is stored (None: nothing)."""

    def __init__(self, current: Obj | None) -> None:
        super().__init__("stale")
        self.current = current


class StoreFull(Exception):
    """The log could not be written; nothing changed."""


Subscriber = Callable[[Event], None]


class Store:
    """`path` is the SQLite file, or None for a store in memory only."""

    def __init__(self, path: Path | None = None, *, history: int = 20_000) -> None:
        self._path = path
        self._db = sqlite3.connect(path if path is not None else ":memory:", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(_SCHEMA)
        self._objects: dict[str, dict[str, dict[str, Obj]]] = {}
        self._history: deque[tuple[Event, int | None]] = deque()
        self._history_limit = history
        self._garbage: list[tuple[int]] = []
        self._compact_at = _COMPACT
        self._subscribers: dict[str, list[Subscriber]] = {}
        self.revision = 0
        self.compacted = 0
        """Watches from a revision before this one are refused."""
        self._load()

    # -- reading

    def get(self, resource: str, at: Key) -> Obj | None:
        return self._objects.get(resource, {}).get(at[0], {}).get(at[1])

    def list(self, resource: str, namespace: str | None = None) -> list[Obj]:
        """All objects in key order; of one namespace, or of all."""
        spaces = self._objects.get(resource, {})
        if namespace is not None:
            return [obj for _, obj in sorted(spaces.get(namespace, {}).items())]
        return [obj for _, space in sorted(spaces.items()) for _, obj in sorted(space.items())]

    def iterate(self, resource: str, namespace: str | None = None) -> Iterator[Obj]:
        """As `list` without the order; do not write while iterating."""
        spaces = self._objects.get(resource, {})
        if namespace is not None:
            yield from spaces.get(namespace, {}).values()
            return
        for space in spaces.values():
            yield from space.values()

    def list_at(self, resource: str, namespace: str | None, revision: int) -> Sequence[Obj]:
        """As `list`, as of an earlier revision, by undoing what happened since. Raises Expired beyond the history."""
        if revision < self.compacted:
            raise Expired(f"too old resource version: {revision} ({self.compacted})")
        found = {key(obj): obj for obj in self.iterate(resource, namespace)}
        for event, _ in reversed(self._history):
            if event.revision <= revision:
                break
            at = key(event.object)
            if event.resource != resource or namespace not in (None, at[0]):
                continue
            if event.old is None:
                found.pop(at, None)
            else:
                found[at] = event.old
        return [obj for _, obj in sorted(found.items())]

    # -- writing

    def create(self, resource: str, obj: Obj) -> Obj:
        """Append a new object, stamping its resourceVersion in place. Raises Stale when the key is taken."""
        found = self.get(resource, key(obj))
        if found is not None:
            raise Stale(found)
        return self._append(ADDED, resource, obj, None)

    def update(self, resource: str, obj: Obj, expected: str | None = None) -> Obj:
        """Append a new version. Raises Stale unless the key exists with resourceVersion `expected` (None: any)."""
        found = self.get(resource, key(obj))
        if found is None or (expected is not None and found["metadata"]["resourceVersion"] != expected):
            raise Stale(found)
        return self._append(MODIFIED, resource, obj, found)

    def delete(self, resource: str, at: Key, expected: str | None = None) -> Obj:
        """Append a tombstone and return the object as of its deletion. Raises Stale as `update` does."""
        found = self.get(resource, at)
        if found is None or (expected is not None and found["metadata"]["resourceVersion"] != expected):
            raise Stale(found)
        last = {**found, "metadata": {**found["metadata"]}}
        return self._append(DELETED, resource, last, found)

    def _append(self, type_: str, resource: str, obj: Obj, old: Obj | None) -> Obj:
        revision = self.revision + 1
        before = obj["metadata"].get("resourceVersion")
        obj["metadata"]["resourceVersion"] = str(revision)
        previous = int(old["metadata"]["resourceVersion"]) if old is not None else None
        namespace, name = key(obj)
        try:
            row = (revision, type_, resource, namespace, name, previous, orjson.dumps(obj))
            self._db.execute(_INSERT, row)
        except sqlite3.Error as error:
            if before is None:
                del obj["metadata"]["resourceVersion"]
            else:
                obj["metadata"]["resourceVersion"] = before
            raise StoreFull(str(error)) from error
        self.revision = revision
        event = Event(type_, resource, obj, old, revision)
        self._apply(event)
        self._remember(event, previous)
        for notify in tuple(self._subscribers.get(resource, ())):
            notify(event)
        return obj

    def _apply(self, event: Event) -> None:
        namespace, name = key(event.object)
        space = self._objects.setdefault(event.resource, {}).setdefault(namespace, {})
        if event.type == DELETED:
            del space[name]
        else:
            space[name] = event.object

    def _remember(self, event: Event, previous: int | None) -> None:
        self._history.append((event, previous))
        if len(self._history) <= self._history_limit:
            return
        oldest, replaced = self._history.popleft()
        self.compacted = oldest.revision
        if replaced is not None:
            self._garbage.append((replaced,))
        if oldest.type == DELETED:
            self._garbage.append((oldest.revision,))
        if len(self._garbage) >= self._compact_at:
            self.compact()

    def compact(self) -> None:
        """Drop from the log what no watch can ask for any more."""
        if self._tidy(lambda: self._db.executemany("DELETE FROM log WHERE revision = ?", self._garbage)):
            self._garbage.clear()
        self._compact_at = len(self._garbage) + _COMPACT

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

    # -- watching

    def subscribe(self, resource: str, notify: Subscriber) -> Callable[[], None]:
        """Call `notify` with every later event, after its commit; returns the way to stop. `notify` must not write."""
        self._subscribers.setdefault(resource, []).append(notify)
        return lambda: self._subscribers[resource].remove(notify)

    def watch(self, resource: str, since: int) -> Watch:
        """Events after revision `since`. Raises Expired when they are no longer kept."""
        if since < self.compacted:
            raise Expired(f"too old resource version: {since} ({self.compacted})")
        watch = Watch(self, resource)  # subscribe first, read history second: there is no gap, and no await between
        for event, _ in reversed(self._history):
            if event.revision <= since:
                break
            if event.resource == resource:
                watch.backlog.appendleft(event)
        return watch

    def close(self) -> None:
        self._db.close()

    def _load(self) -> None:
        """Take up every object as of its last write. What came before is dropped: watches cannot start before a
        restart, as kube-apiserver's watch cache begins anew too."""
        last = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
        self.revision = self.compacted = last[0] if last else 0

        def drop() -> None:
            self._db.execute(_DROP_REPLACED)
            self._db.execute("DELETE FROM log WHERE type = ?", (DELETED,))

        self._tidy(drop)
        rows = self._db.execute("SELECT revision, type, resource, object FROM log ORDER BY revision")
        for revision, type_, resource, blob in rows:
            self._apply(Event(type_, resource, sharing(orjson.loads(blob)), None, revision))


class Watch(AsyncIterator[Event]):
    """One watcher's queue. Iterating raises Expired when it fell more than QUEUE_LIMIT events behind."""

    def __init__(self, store: Store, resource: str) -> None:
        self.backlog: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._overflowed = False
        self._ended = False
        self._stop = store.subscribe(resource, self._receive)

    def _receive(self, event: Event) -> None:
        if len(self.backlog) >= QUEUE_LIMIT:
            self._overflowed = True
            self._stop()
        else:
            self.backlog.append(event)
        self._wake.set()

    async def __anext__(self) -> Event:
        while not self.backlog:
            if self.is_over():
                raise StopAsyncIteration
            await self.changed()
        return self.backlog.popleft()

    async def changed(self) -> None:
        """Wait until there are events, or there will be no more, or somebody calls `wake`."""
        if not (self.backlog or self._ended or self._overflowed):
            await self._wake.wait()
            self._wake.clear()

    def wake(self) -> None:
        self._wake.set()

    def is_over(self) -> bool:
        """Whether there will be no more events than those in the backlog. Raises Expired where some were lost."""
        if self._overflowed and not self._ended:
            raise Expired("The resourceVersion for the provided watch is too old.")
        return self._ended

    def pending(self) -> list[Event]:
        """Take everything queued so far without waiting."""
        taken = list(self.backlog)
        self.backlog.clear()
        return taken

    def end(self) -> None:
        """Let iteration stop once what is queued has been taken."""
        self.close()
        self._ended = True
        self._wake.set()

    def close(self) -> None:
        if not self._overflowed:
            self._overflowed = True
            self._stop()
