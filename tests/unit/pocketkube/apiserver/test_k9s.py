"""What k9s asks for at its start and when it shows a kind: discovery, who may what, Tables, metadata, watches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io, application/json;as=Table;v=v1beta1;g=meta.k8s.io, application/json"
)
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
INITIAL = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

Kind = tuple[str, dict[str, Any]]
"""Where its objects are listed, and what discovery says of it."""


async def discovered(world: World) -> list[Kind]:
    found = []
    for root in ("/api", "/apis"):
        response = await world.call("GET", root, Accept=DISCOVERY)
        assert "as=APIGroupDiscoveryList" in response.headers["Content-Type"]
        for group in (await response.json())["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                at = f"{root}/{name}/{version['version']}" if name else f"{root}/{version['version']}"
                found += [(f"{at}/{entry['resource']}", entry) for entry in version["resources"]]
    return found


def listed(kinds: list[Kind], verb: str = "list") -> Iterator[Kind]:
    return ((path, entry) for path, entry in kinds if verb in entry["verbs"])


@pytest.fixture
async def kinds(world: World) -> list[Kind]:
    """Every kind served, and an object of each that takes one of which only the name is said."""
    world.pod("p")
    found = await discovered(world)
    for path, entry in listed(found, "create"):
        if "list" in entry["verbs"]:
            base, _, plural = path.rpartition("/")
            at = f"{base}/namespaces/{NAMESPACE}/{plural}" if entry["scope"] == "Namespaced" else path
            await world.post(at, {"metadata": {"name": "a"}})
    return found


async def test_every_kind_is_a_table(world: World, kinds: list[Kind]) -> None:
    filled = 0
    for path, entry in listed(kinds):
        for include in ("", "None", "Metadata", "Object"):
            code, table = await world.get(f"{path}?includeObject={include}&limit=500", Accept=TABLE)
            assert (code, table["kind"], table["apiVersion"]) == (200, "Table", "meta.k8s.io/v1"), path
            for row in table["rows"] or ():
                assert len(row["cells"]) >= len(table["columnDefinitions"]), path
                wanted = {"None": None, "Object": entry["responseKind"]["kind"]}.get(include, "PartialObjectMetadata")
                assert (row["object"] or {}).get("kind") == wanted, path
            filled += bool(table["rows"])
    assert filled >= 4 * 20


async def test_every_kind_is_metadata(world: World, kinds: list[Kind]) -> None:
    for path, _ in listed(kinds):
        code, found = await world.get(path, Accept=PARTIAL_LIST)
        assert (code, found["kind"], found["apiVersion"]) == (200, "PartialObjectMetadataList", "meta.k8s.io/v1"), path
        for item in found["items"]:
            assert set(item) == {"kind", "apiVersion", "metadata"}, path
            assert item["kind"] == "PartialObjectMetadata", path
        _, whole = await world.get(path)
        names = [item["metadata"]["name"] for item in whole["items"]]
        assert names == [item["metadata"]["name"] for item in found["items"]], path


@pytest.mark.parametrize(("accept", "kind"), [(TABLE, "Table"), (PARTIAL, "PartialObjectMetadata"), ("", "")])
async def test_every_kind_is_watched(world: World, kinds: list[Kind], accept: str, kind: str) -> None:
    seen = 0
    for path, entry in listed(kinds, "watch"):
        _, whole = await world.get(path)
        query = f"{INITIAL}&includeObject=Object"
        async with (
            asyncio.timeout(20),
            world.http.get(f"{path}?{query}", headers={"Accept": accept or "application/json"}) as answer,
        ):
            assert answer.status == 200, path
            for item in [*whole["items"], None]:
                event = json.loads(await answer.content.readline())
                shown = event["object"]
                assert (event["type"], shown["kind"]) == (
                    "BOOKMARK" if item is None else "ADDED",
                    kind or entry["responseKind"]["kind"],
                ), path
                carried = shown["rows"][0]["object"] if kind == "Table" else shown
                if item is not None:
                    assert carried["metadata"]["name"] == item["metadata"]["name"], path
                    seen += 1
    assert seen > 20


async def test_who_may_what_is_answered_for_every_kind(world: World, kinds: list[Kind]) -> None:
    for path, entry in kinds:
        group = path.split("/")[2] if path.startswith("/apis/") else ""
        for verb in entry["verbs"]:
            wanted = {"verb": verb, "group": group, "resource": entry["resource"], "namespace": NAMESPACE}
            body = {"spec": {"resourceAttributes": wanted}}
            code, review = await world.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
            assert (code, review["status"]["allowed"]) == (201, True), wanted
