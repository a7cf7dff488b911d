"""The store: an append-only log of object versions whose row id is the resourceVersion.

Models etcd as the API server uses it (create, update with compare, delete, list, watch from a revision),
in memory, and in a journal on disk. A write is in the journal before it is acknowledged and before anybody is told;
it happens on the event loop and needs no lock. Objects are shared, and nobody may change one in place.

The log keeps the last `history` events for watches; older versions that were replaced since are dropped, and all
of them at a restart.
Left out: leases, transactions over several keys, reading an object at an old revision.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pocketkube.errors import Expired, StoreFull
from pocketkube.journal import Journal
from pocketkube.objects import Key, Obj, key

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
_COMPACT = 1000
QUEUE_LIMIT = 4096
"""Events a watcher may lag behind before it is ended."""


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


Subscriber = Callable[[Event], None]


class Store:
    """`path` is the journal's file, or None for a store in memory only."""

    def __init__(self, path: Path | None = None, *, history: int = 20_000) -> None:
        self._journal = Journal(path) if path is not None else None
        self._objects: dict[str, dict[str, dict[str, Obj]]] = {}
        self._history: deque[tuple[Event, int | None]] = deque()
        self._history_limit = history
        self._garbage: list[tuple[int]] = []
        self._compact_at = _COMPACT
        self._subscribers: dict[str, list[Subscriber]] = {}
        self.revision = 0
        self.compacted = 0
        """Watches from a revision before this one are refused."""
        if self._journal is not None:
            self._load(self._journal)

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
        if self._journal is not None:
            try:
                self._journal.append(revision, type_, resource, obj, previous)
            except StoreFull:
                if before is None:
                    del obj["metadata"]["resourceVersion"]
                else:
                    obj["metadata"]["resourceVersion"] = before
                raise
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
        if self._journal is None:
            return
        if replaced is not None:
            self._garbage.append((replaced,))
        if oldest.type == DELETED:
            self._garbage.append((oldest.revision,))
        if len(self._garbage) >= self._compact_at:
            self.compact()

    def compact(self) -> None:
        """Drop from the journal what no watch can ask for any more."""
        if self._journal is not None and self._journal.drop(self._garbage):
            self._garbage.clear()
        self._compact_at = len(self._garbage) + _COMPACT

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
        if self._journal is not None:
            self._journal.close()

    def _load(self, journal: Journal) -> None:
        """Take up every object as of its last write. What came before is dropped: watches cannot start before a
        restart, as kube-apiserver's watch cache begins anew too."""
        self.revision = self.compacted = journal.revision
        for revision, type_, resource, obj in journal.last_versions(DELETED):
            self._apply(Event(type_, resource, obj, None, revision))


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
