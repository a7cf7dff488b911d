from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, PARTIAL, TABLE, World

from pocketkube import store as stores
from pocketkube.objects import Obj

LIST = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


class Events:
    """The events of one watch, as they come."""

    def __init__(self, response: Any) -> None:
        self.response = response

    async def next(self) -> Any:
        """The next event; None at the end."""
        async with asyncio.timeout(20):
            line = await self.response.content.readline()
        return json.loads(line) if line else None

    async def take(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def watching(world: World, query: str, path: str = CONFIGMAPS, accept: str = "") -> AsyncIterator[Events]:
    headers = {"Accept": accept} if accept else {}
    async with world.http.get(f"{path}?{query}", headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Events(response)


def brief(event: Any) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


def relabel(world: World, name: str, **labels: str) -> Obj:
    return world.registry.patch("configmaps", NAMESPACE, name, lambda obj: obj["metadata"].update(labels=labels))


async def test_changes_since_a_version(world: World) -> None:
    since = world.configmap("a")["metadata"]["resourceVersion"]
    world.configmap("b")
    async with watching(world, f"watch=true&resourceVersion={since}") as events:
        world.registry.patch("configmaps", NAMESPACE, "a", lambda obj: obj["data"].update(k="w"))
        gone = world.registry.delete("configmaps", NAMESPACE, "b")[0]
        seen = await events.take(3)
    assert [brief(event) for event in seen] == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert seen[1]["object"]["data"] == {"k": "w"}
    assert (seen[0]["object"]["kind"], seen[0]["object"]["apiVersion"]) == ("ConfigMap", "v1")
    assert seen[2]["object"]["metadata"]["resourceVersion"] == gone["metadata"]["resourceVersion"]


async def test_without_a_version_the_state_comes_first(world: World) -> None:
    world.configmap("a")
    async with watching(world, "watch=1") as events:
        world.configmap("b")
        assert [brief(event) for event in await events.take(2)] == [("ADDED", "a"), ("ADDED", "b")]


async def test_entering_and_leaving_a_selection(world: World) -> None:
    world.configmap("a", w="0")
    async with watching(world, "watch=1&labelSelector=w%3D1") as events:
        relabel(world, "a", w="1")
        left = relabel(world, "a", w="2")
        relabel(world, "a", w="3")
        relabel(world, "a", w="1")
        seen = await events.take(3)
    assert [brief(event) for event in seen] == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]
    assert seen[1]["object"]["metadata"]["labels"] == {"w": "1"}
    assert seen[1]["object"]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]


async def test_one_object_and_other_namespaces(world: World) -> None:
    async with watching(world, "watch=1&fieldSelector=metadata.name%3Db") as events:
        world.configmap("a")
        world.registry.create("configmaps", {"metadata": {"name": "b", "namespace": "default"}})
        world.configmap("b")
        assert (await events.next())["object"]["metadata"]["namespace"] == NAMESPACE


async def test_initial_events_end_with_a_bookmark(world: World) -> None:
    for name in ("b", "a"):
        world.configmap(name)
    async with watching(world, LIST) as events:
        first = await events.take(3)
        world.configmap("c")
        assert brief(await events.next()) == ("ADDED", "c")
    assert [brief(event) for event in first] == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", "")]
    assert first[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert first[2]["object"]["kind"] == "ConfigMap"


async def test_no_initial_state_when_none_is_wanted(world: World) -> None:
    world.configmap("a")
    async with watching(world, LIST.replace("=true&resourceVersionMatch", "=false&resourceVersionMatch")) as events:
        world.configmap("b")
        assert brief(await events.next()) == ("ADDED", "b")


async def test_tables_carry_columns_once(world: World) -> None:
    world.configmap("a")
    async with watching(world, LIST, accept=TABLE) as events:
        added, bookmark = await events.take(2)
    assert [column["name"] for column in added["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert added["object"]["rows"][0]["cells"][:2] == ["a", 1]
    assert added["object"]["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["columnDefinitions"] is None
    assert bookmark["object"]["rows"][0]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_every_kind_can_write_the_bookmark_of_a_table(world: World) -> None:
    for kind in world.registry.resources.values():
        if "watch" not in kind.verbs:
            continue
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        query = f"{LIST}&fieldSelector=metadata.name%3Dnothing"
        async with watching(world, query, f"{root}/{kind.plural}", TABLE) as events:
            event = await events.next()
        assert event["type"] == "BOOKMARK", event
        surplus = kind.plural == "ipaddresses"  # upstream too has a cell for an age there, and no column
        assert len(event["object"]["rows"][0]["cells"]) == len(kind.columns) + surplus


async def test_metadata_only(world: World) -> None:
    world.configmap("a")
    async with watching(world, "watch=1", accept=PARTIAL) as events:
        event = await events.next()
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in event["object"]


async def test_a_version_that_is_gone(world: World) -> None:
    async with watching(world, "watch=1&resourceVersion=1") as events:
        event = await events.next()
        assert await events.next() is None
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


async def test_a_list_from_the_future(world: World) -> None:
    async with watching(world, f"{LIST}&resourceVersion=99999999") as events:
        event = await events.next()
    assert (event["type"], event["object"]["code"]) == ("ERROR", 504)


async def test_a_watcher_too_slow_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "QUEUE_LIMIT", 3)
    async with watching(world, "watch=1") as events:
        for number in range(10):  # all in one go: the watcher's task gets no turn
            world.configmap(f"a{number}")
        seen = []
        while (event := await events.next()) is not None:
            seen.append(event)
    assert (seen[-1]["type"], seen[-1]["object"]["code"]) == ("ERROR", 410)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("resourceVersion=abc", 500, 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": inv'),
        (
            "sendInitialEvents=true",
            422,
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires '
            "setting resourceVersionMatch to NotOlderThan",
        ),
        ("fieldSelector=x%3Dy", 400, '"x" is not a known field selector'),
        ("timeoutSeconds=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ],
)
async def test_refused(world: World, query: str, code: int, message: str) -> None:
    seen, body = await world.get(f"{CONFIGMAPS}?watch=1&{query}")
    assert (seen, body["message"][: len(message)]) == (code, message)


async def test_it_ends_in_time_and_a_bookmark_comes_first(world: World) -> None:
    async with watching(world, "watch=1&timeoutSeconds=1&labelSelector=none") as events:
        assert await events.next() is None
    since = world.registry.store.revision
    query = f"watch=1&timeoutSeconds=3&allowWatchBookmarks=true&resourceVersion={since}"
    async with watching(world, query) as events:
        event = await events.next()
        assert event["type"] == "BOOKMARK"
        assert event["object"]["metadata"] == {"resourceVersion": str(since)}
        assert await events.next() is None


async def test_the_deprecated_path(world: World) -> None:
    world.configmap("a")
    world.configmap("b")
    async with watching(world, "", f"/api/v1/watch/namespaces/{NAMESPACE}/configmaps/b") as events:
        assert brief(await events.next()) == ("ADDED", "b")


async def test_stopping_ends_watches_cleanly(world: World) -> None:
    async with watching(world, "watch=1") as one, watching(world, "watch=1", PODS_PATH) as two:
        async with asyncio.timeout(5):
            await world.server.stop()
        assert await one.next() is None
        assert await two.next() is None


PODS_PATH = "/api/v1/pods"


async def test_a_client_that_leaves_frees_its_watch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = asyncio.Event()
    close = stores.Watch.close

    def noted(watch: stores.Watch) -> None:
        close(watch)
        closed.set()

    monkeypatch.setattr(stores.Watch, "close", noted)
    async with watching(world, "watch=1"):
        assert not closed.is_set()
    async with asyncio.timeout(20):
        await closed.wait()
