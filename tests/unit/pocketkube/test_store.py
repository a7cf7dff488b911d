"""The store: durability, optimistic concurrency, watch with history and bounded queues."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pocketkube import store as module
from pocketkube.errors import Expired, StoreFull
from pocketkube.store import ADDED, DELETED, MODIFIED, Stale, Store


def thing(name: str, **data: object) -> dict:
    return {"metadata": {"namespace": "n", "name": name}, **data}


def changed(store: Store, name: str, **data: object) -> dict:
    found = store.get("things", ("n", name))
    assert found is not None
    return {**found, "metadata": {**found["metadata"]}, **data}


def test_a_write_gets_the_next_revision() -> None:
    store = Store()
    assert store.create("things", thing("a"))["metadata"]["resourceVersion"] == "1"
    assert store.update("things", changed(store, "a", x=1))["metadata"]["resourceVersion"] == "2"
    assert store.delete("things", ("n", "a"))["metadata"]["resourceVersion"] == "3"
    assert store.get("things", ("n", "a")) is None


def test_stale_writes_are_refused_and_change_nothing() -> None:
    store = Store()
    store.create("things", thing("a"))
    with pytest.raises(Stale):
        store.create("things", thing("a"))
    with pytest.raises(Stale):
        store.update("things", changed(store, "a"), expected="7")
    with pytest.raises(Stale):
        store.delete("things", ("n", "a"), expected="7")
    with pytest.raises(Stale):
        store.update("things", thing("nobody"))
    assert store.revision == 1


def test_list_is_in_key_order() -> None:
    store = Store()
    for name in ("b", "c", "a"):
        store.create("things", thing(name))
    assert [o["metadata"]["name"] for o in store.list("things")] == ["a", "b", "c"]
    assert store.list("things", "elsewhere") == []


def test_a_restart_restores_everything(tmp_path: Path) -> None:
    first = Store(tmp_path / "db")
    first.create("things", thing("a"))
    first.create("things", thing("b"))
    first.update("things", changed(first, "a", x=2))
    first.delete("things", ("n", "b"))
    first.close()
    second = Store(tmp_path / "db")
    assert second.list("things") == first.list("things")
    assert second.revision == first.revision == 4
    assert second.create("things", thing("c"))["metadata"]["resourceVersion"] == "5"
    events = second.watch("things", since=4).pending()
    assert [(e.type, e.revision) for e in events] == [(ADDED, 5)]


def test_a_restart_drops_the_history(tmp_path: Path) -> None:
    first = Store(tmp_path / "db")
    first.create("things", thing("a"))
    first.update("things", changed(first, "a", x=2))
    first.create("things", thing("b"))
    first.delete("things", ("n", "b"))
    first.close()
    second = Store(tmp_path / "db")
    with pytest.raises(Expired):
        second.watch("things", since=3)
    assert second._journal._db.execute("SELECT revision FROM log").fetchall() == [(2,)]
    second.update("things", changed(second, "a", x=3))
    event = second.watch("things", since=4).pending()[0]
    assert event.old is not None
    assert (event.type, event.old["x"], event.object["x"]) == (MODIFIED, 2, 3)


def test_history_is_bounded_and_the_log_is_compacted(tmp_path: Path) -> None:
    store = Store(tmp_path / "db", history=10)
    store.create("things", thing("kept"))
    store.create("things", thing("a"))
    for n in range(50):
        store.update("things", changed(store, "a", n=n))
    store.compact()
    with pytest.raises(Expired):
        store.watch("things", since=1)
    assert len(store.watch("things", since=store.compacted).pending()) == 10
    rows = store._journal._db.execute("SELECT count(*) FROM log").fetchone()[0]
    assert rows <= 13
    store.close()
    again = Store(tmp_path / "db", history=10)
    assert {o["metadata"]["name"] for o in again.list("things")} == {"kept", "a"}
    assert again.revision == 52
    with pytest.raises(Expired):
        again.watch("things", since=1)


@pytest.mark.slow
def test_writing_one_object_again_and_again_fills_neither_memory_nor_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    store.create("things", thing("a"))

    def write(count: int) -> tuple[int, int, int]:
        """(events in memory, rows of the log, bytes of its files) after so many more writes."""
        for n in range(count):
            store.update("things", changed(store, "a", n=n))
        rows = store._journal._db.execute("SELECT count(*) FROM log").fetchone()[0]
        return len(store._history), rows, sum(file.stat().st_size for file in tmp_path.iterdir())

    events, rows, size = write(30_000)
    later_events, later_rows, later_size = write(30_000)
    assert events == later_events == 20_000
    assert max(rows, later_rows) <= 20_000 + module._COMPACT + 1
    assert later_size <= size * 1.1
    assert store.revision == 60_001


def test_deleted_objects_stay_deleted_after_compaction_and_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "db", history=2)
    for n in range(20):
        store.create("things", thing(f"t{n}"))
        store.delete("things", ("n", f"t{n}"))
    store.compact()
    store.close()
    assert Store(tmp_path / "db", history=2).list("things") == []


async def test_a_watch_sees_history_then_the_present_without_a_gap() -> None:
    store = Store()
    store.create("things", thing("a"))
    store.create("others", thing("z"))
    store.create("things", thing("b"))
    watch = store.watch("things", since=1)
    store.create("things", thing("c"))
    assert [(await anext(watch)).object["metadata"]["name"] for _ in range(2)] == ["b", "c"]
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    store.delete("things", ("n", "a"))
    assert (await waiting).type == DELETED


async def test_a_slow_watcher_is_ended_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_LIMIT", 5)
    store = Store()
    slow, quick = store.watch("things", 0), []
    store.subscribe("things", quick.append)
    for n in range(8):
        store.create("things", thing(f"t{n}"))
    assert len(quick) == 8
    assert [(await anext(slow)).revision for _ in range(5)] == [1, 2, 3, 4, 5]
    with pytest.raises(Expired):
        await anext(slow)


async def test_who_waits_for_a_watch_can_be_woken() -> None:
    store = Store()
    watch = store.watch("things", 0)
    waiting = asyncio.ensure_future(watch.changed())
    await asyncio.sleep(0)
    watch.wake()
    await waiting
    assert (watch.pending(), watch.is_over()) == ([], False)
    store.create("things", thing("a"))
    await watch.changed()
    assert len(watch.pending()) == 1
    watch.end()
    await watch.changed()
    assert watch.is_over()


def test_a_full_disk_refuses_the_write_and_loses_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    store.create("things", thing("a"))
    pages = store._journal._db.execute("PRAGMA page_count").fetchone()[0]
    store._journal._db.execute(f"PRAGMA max_page_count = {pages}")
    told: list = []
    store.subscribe("things", told.append)
    big = thing("big", data="x" * 100_000)
    with pytest.raises(StoreFull, match="full"):
        store.create("things", big)
    assert "resourceVersion" not in big["metadata"]
    assert store.get("things", ("n", "big")) is None
    assert not told
    assert store.revision == 1
    store._journal._db.execute("PRAGMA max_page_count = 1073741823")
    assert store.create("things", thing("b"))["metadata"]["resourceVersion"] == "2"


WRITER = """
import sys
from pathlib import Path
from pocketkube.store import Store
store = Store(Path(sys.argv[1]))
for n in range(1000):
    made = store.create("things", {"metadata": {"namespace": "n", "name": f"t{n}"}})
    print(made["metadata"]["name"], flush=True)
"""


class Full(sqlite3.Connection):
    """A disk with room for a little more, not for making the log smaller."""

    is_full = False

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if self.is_full and "DELETE FROM" in sql:
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        return super().executemany(sql, *arguments)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Full]]:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, **options, factory=Full))
    yield Full
    Full.is_full = False


def test_a_log_that_cannot_be_made_smaller_is_as_good(
    tmp_path: Path, full: type[Full], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COMPACT", 4)
    store = Store(tmp_path / "db", history=2)
    told: list[int] = []
    store.subscribe("things", lambda event: told.append(event.revision))
    full.is_full = True
    store.create("things", thing("gone"))
    store.create("things", thing("kept"))
    for number in range(9):
        store.update("things", changed(store, "gone", x=number))
        store.update("things", changed(store, "kept", x=number))
    store.delete("things", ("n", "gone"))
    assert told == list(range(1, 22))
    full.is_full = False
    for number in range(20):
        store.update("things", changed(store, "kept", x=100 + number))
    store.close()
    again = Store(tmp_path / "db")
    assert [(o["metadata"]["name"], o["x"]) for o in again.list("things")] == [("kept", 119)]


def test_a_full_disk_does_not_keep_the_store_from_being_opened(tmp_path: Path, full: type[Full]) -> None:
    first = Store(tmp_path / "db")
    first.create("things", thing("a"))
    first.create("things", thing("b"))
    first.update("things", changed(first, "b", x=1))
    first.delete("things", ("n", "a"))
    first.close()
    full.is_full = True
    again = Store(tmp_path / "db")
    assert [(o["metadata"]["name"], o["x"]) for o in again.list("things")] == [("b", 1)]
    again.close()
    full.is_full = False
    third = Store(tmp_path / "db")
    assert [(o["metadata"]["name"], o["x"]) for o in third.list("things")] == [("b", 1)]


def test_kill_9_in_the_middle_of_1000_creates_loses_no_acknowledged_one(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "db")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(400)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    kept = [o["metadata"]["name"] for o in Store(tmp_path / "db").list("things")]
    assert set(acknowledged) <= set(kept)
    assert 400 <= len(acknowledged) <= len(kept) <= 1000
