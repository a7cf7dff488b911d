from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, PODS, World, status

from pocketkube import objects


def names(body: Any) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


@pytest.fixture
def five(world: World) -> World:
    for number in range(5):
        world.configmap(f"cm-{number}", n=str(number), even="yes" if number % 2 == 0 else "no")
    return world


async def test_a_list_is_in_order_and_its_items_have_no_kind(five: World) -> None:
    code, body = await five.get(CONFIGMAPS)
    assert (code, body["kind"], body["apiVersion"]) == (200, "ConfigMapList", "v1")
    assert names(body) == [f"cm-{n}" for n in range(5)]
    assert not any("kind" in item or "apiVersion" in item for item in body["items"])
    assert body["metadata"] == {"resourceVersion": str(five.registry.store.revision)}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labelSelector=even%3Dyes", ["cm-0", "cm-2", "cm-4"]),
        ("labelSelector=n%3E2", ["cm-3", "cm-4"]),
        ("labelSelector=n in (0,4),even", ["cm-0", "cm-4"]),
        ("fieldSelector=metadata.name%3Dcm-1", ["cm-1"]),
        ("fieldSelector=metadata.name!%3Dcm-1&labelSelector=even%3Dno", ["cm-3"]),
        ("fieldSelector=metadata.name%3Dghost", []),
        ("fieldSelector=metadata.namespace%3Dother", []),
        ("resourceVersion=0", ["cm-0", "cm-1", "cm-2", "cm-3", "cm-4"]),
    ],
)
async def test_selections(five: World, query: str, expected: list[str]) -> None:
    code, body = await five.get(f"{CONFIGMAPS}?{query}")
    assert (code, names(body)) == (200, expected)


async def test_all_namespaces(five: World) -> None:
    five.registry.create("configmaps", {"metadata": {"name": "a", "namespace": "default"}})
    _, body = await five.get("/api/v1/configmaps?fieldSelector=metadata.name%3Da")
    assert names(body) == ["a"]
    _, body = await five.get("/api/v1/configmaps?limit=2")
    assert names(body) == ["a", "cm-0"]
    _, rest = await five.get(f"/api/v1/configmaps?continue={body['metadata']['continue']}")
    assert names(rest) == ["cm-1", "cm-2", "cm-3", "cm-4"]


async def test_chunks_show_the_state_of_the_first(five: World) -> None:
    _, first = await five.get(f"{CONFIGMAPS}?limit=2")
    assert names(first) == ["cm-0", "cm-1"]
    assert first["metadata"]["remainingItemCount"] == 3
    five.registry.delete("configmaps", NAMESPACE, "cm-2")
    five.configmap("cm-2b")
    five.registry.patch("configmaps", NAMESPACE, "cm-3", lambda obj: obj["data"].update(k="changed"))
    _, second = await five.get(f"{CONFIGMAPS}?limit=2&continue={first['metadata']['continue']}")
    assert names(second) == ["cm-2", "cm-3"]
    assert second["items"][1]["data"] == {"k": "v"}
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    _, third = await five.get(f"{CONFIGMAPS}?limit=2&continue={second['metadata']['continue']}")
    assert names(third) == ["cm-4"]
    assert "continue" not in third["metadata"]


async def test_with_a_selector_nobody_counts_what_remains(five: World) -> None:
    _, body = await five.get(f"{CONFIGMAPS}?limit=1&labelSelector=even%3Dyes")
    assert "continue" in body["metadata"]
    assert "remainingItemCount" not in body["metadata"]


async def test_a_token_that_is_too_old_offers_to_go_on(five: World) -> None:
    _, first = await five.get(f"{CONFIGMAPS}?limit=2")
    five.registry.store.compacted = five.registry.store.revision + 1
    code, body = await five.get(f"{CONFIGMAPS}?limit=2&continue={first['metadata']['continue']}")
    assert (code, body["reason"]) == (410, "Expired")
    code, rest = await five.get(f"{CONFIGMAPS}?continue={body['metadata']['continue']}")
    assert (code, names(rest)) == (200, ["cm-2", "cm-3", "cm-4"])


async def test_a_token_expires_with_the_second_compaction_after_it(five: World) -> None:
    waiting = asyncio.Semaphore(0)
    slept: list[asyncio.Event] = []

    async def sleep(seconds: float) -> None:
        assert seconds == 300
        slept.append(asyncio.Event())
        waiting.release()
        await slept[-1].wait()

    five.registry.clock.sleep = sleep  # type: ignore[method-assign]
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running = group.create_task(five.server.run())
        await waiting.acquire()
        five.configmap("between")
        _, first = await five.get(f"{CONFIGMAPS}?limit=2")
        path = f"{CONFIGMAPS}?limit=2&continue={first['metadata']['continue']}"
        five.configmap("later")
        for expected in (200, 410):
            slept[-1].set()
            await waiting.acquire()
            code, body = await five.get(path)
            assert code == expected
        running.cancel()
    code, body = await five.get(f"{CONFIGMAPS}?limit=2&continue={body['metadata']['continue']}")
    assert (code, body["metadata"]["resourceVersion"]) == (200, str(five.registry.store.revision))


def token(**fields: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("!!", "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"),
        (token(v="meta.k8s.io/v9", rv=1, start="a"), "server does not recognize this encoded version meta.k8s.io/v9"),
        (token(v="meta.k8s.io/v1", rv=0, start="a"), "incorrect encoded start resourceVersion"),
        (token(v="meta.k8s.io/v1", rv=9, start=""), "encoded start key empty"),
        (token(v="meta.k8s.io/v1", rv=9, start="../a"), "continue key is not valid: ../a"),
    ],
)
async def test_bad_tokens(five: World, given: str, message: str) -> None:
    code, body = await five.get(f"{CONFIGMAPS}?continue={given}")
    assert code == 400
    assert message in body["message"]


async def test_an_exact_earlier_version(five: World) -> None:
    _, now = await five.get(CONFIGMAPS)
    version = now["metadata"]["resourceVersion"]
    five.registry.delete("configmaps", NAMESPACE, "cm-0")
    _, body = await five.get(f"{CONFIGMAPS}?resourceVersion={version}&resourceVersionMatch=Exact")
    assert names(body)[0] == "cm-0"
    assert body["metadata"]["resourceVersion"] == version
    code, body = await five.get(f"{CONFIGMAPS}?resourceVersion=1&resourceVersionMatch=Exact")
    assert (code, body) == (410, status(410, "The resourceVersion for the provided list is too old.", "Expired"))


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("limit=two", 400, 'strconv.ParseInt: parsing "two": invalid syntax'),
        (
            "resourceVersion=abc",
            400,
            'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": '
            "invalid syntax",
        ),
        (
            "resourceVersionMatch=Exact",
            422,
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden '
            "unless resourceVersion is provided",
        ),
        ("labelSelector=%3Dx", 400, "found '=', expected: !, identifier, or 'end of string'"),
        ("fieldSelector=metadata.name", 400, "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        (
            "fieldSelector=data.i%3D1",
            400,
            '"data.i" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
    ],
)
async def test_refused(five: World, query: str, code: int, message: str) -> None:
    seen, body = await five.get(f"{CONFIGMAPS}?{query}")
    assert (seen, body["message"]) == (code, message)


async def test_a_version_from_the_future(five: World) -> None:
    code, body = await five.get(f"{CONFIGMAPS}?resourceVersion=99999999")
    current = five.registry.store.revision
    assert code == 504
    assert body["message"] == f"Timeout: Too large resource version: 99999999, current: {current}"
    assert body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_kinds_with_fields_of_their_own(world: World) -> None:
    world.pod("a")
    world.pod("b", node="")
    _, body = await world.get(f"{PODS}?fieldSelector=spec.nodeName%3Dnode-1")
    assert names(body) == ["a"]
    code, body = await world.get(f"{PODS}?fieldSelector=spec.image%3Dx")
    assert (code, body["message"]) == (400, "field label not supported: spec.image")
    code, body = await world.get("/apis/apps/v1/replicasets?fieldSelector=status.replicas%3D0")
    text = '"status.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert (code, body["message"]) == (400, text)


async def test_every_kind_lists_as_object_table_and_metadata(world: World) -> None:
    for kind in world.registry.resources.values():
        if "list" not in kind.verbs:
            continue
        path = (
            f"/apis/{kind.group}/{kind.version}/{kind.plural}" if kind.group else f"/api/{kind.version}/{kind.plural}"
        )
        for accept in ("application/json", "application/json;as=Table;v=v1;g=meta.k8s.io"):
            code, body = await world.get(f"{path}?fieldSelector=metadata.name!%3Dx", Accept=accept)
            assert code == 200, (path, body)
            assert bool(objects.dig(body, "metadata", "resourceVersion")) == kind.stored
