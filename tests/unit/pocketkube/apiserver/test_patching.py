from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, World

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"


async def _patch(world: World, path: str, content_type: str, patch: Any) -> tuple[int, Any]:
    body = patch if isinstance(patch, str) else json.dumps(patch)
    return await world.ask("PATCH", path, body, content_type=content_type)


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        (MERGE, {"data": {"k": None, "n": "1"}}),
        (STRATEGIC, {"data": {"k": None, "n": "1"}}),
        (JSON_PATCH, [{"op": "remove", "path": "/data/k"}, {"op": "add", "path": "/data/n", "value": "1"}]),
    ],
)
async def test_three_kinds_of_patch(world: World, content_type: str, patch: Any) -> None:
    world.configmap("a")
    code, body = await _patch(world, f"{CONFIGMAPS}/a", content_type, patch)
    assert (code, body["data"]) == (200, {"n": "1"})


async def test_strategic_merges_by_key_and_merge_replaces(world: World) -> None:
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    await world.post(SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": ports}})
    _, body = await _patch(world, f"{SERVICES}/s", STRATEGIC, {"spec": {"ports": [{"port": 2, "targetPort": 9}]}})
    assert {p["name"]: p["targetPort"] for p in body["spec"]["ports"]} == {"a": 1, "b": 9}
    _, body = await _patch(world, f"{SERVICES}/s", MERGE, {"spec": {"ports": [{"port": 2, "targetPort": 9}]}})
    assert [p["port"] for p in body["spec"]["ports"]] == [2]


@pytest.mark.parametrize(
    ("content_type", "patch", "code", "message"),
    [
        (MERGE, "{", 400, "error decoding patch: unexpected end of JSON input"),
        (
            MERGE,
            "[1]",
            400,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (JSON_PATCH, [{"op": "test", "path": "/data/k", "value": "x"}], 422, "the server rejected our request due to"),
        (MERGE, {"metadata": {"name": "b"}}, 400, "the name of the object (b) does not match the name on the URL (a)"),
        (MERGE, {"metadata": {"namespace": "b"}}, 400, "the namespace of the provided object does not match"),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409, "Operation cannot be fulfilled on configmaps"),
        (MERGE, {"kind": "Secret"}, 422, ' "" is invalid: patch: Invalid value: "{'),
        (MERGE, {"data": 1}, 422, ' "" is invalid: patch: Invalid value: "{'),
        (STRATEGIC, {"data": 1}, 422, ' "" is invalid: patch: Invalid value: "map[data:1]": '),
        ("application/json", {}, 415, "415: Unsupported Media Type"),
        (APPLY, "{}", 422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for'),
    ],
)
async def test_refused(world: World, content_type: str, patch: Any, code: int, message: str) -> None:
    before = world.configmap("a")
    seen, body = await _patch(world, f"{CONFIGMAPS}/a", content_type, patch)
    assert (seen, body["message"][: len(message)]) == (code, message)
    assert world.registry.get("configmaps", NAMESPACE, "a") == before


async def test_unknown_fields_warn_or_refuse(world: World) -> None:
    world.configmap("a")
    response = await world.call("PATCH", f"{CONFIGMAPS}/a", '{"datum": {}}', content_type=MERGE)
    assert response.status == 200
    assert response.headers.getall("Warning") == ['299 - "unknown field \\"datum\\""']
    code, body = await world.ask("PATCH", f"{CONFIGMAPS}/a?fieldValidation=Strict", '{"datum": {}}', content_type=MERGE)
    assert code == 422
    assert 'strict decoding error: unknown field "datum"' in body["message"]


async def test_force_is_for_apply_only(world: World) -> None:
    world.configmap("a")
    code, body = await world.ask("PATCH", f"{CONFIGMAPS}/a?force=true", "{}", content_type=MERGE)
    assert code == 422
    assert body["message"].endswith("force: Forbidden: may not be specified for non-apply patch")


async def test_an_empty_patch_writes_nothing(world: World) -> None:
    before = world.configmap("a")["metadata"]["resourceVersion"]
    code, body = await _patch(world, f"{CONFIGMAPS}/a", MERGE, {})
    assert (code, body["metadata"]["resourceVersion"]) == (200, before)


async def test_a_missing_object_is_not_made(world: World) -> None:
    code, body = await _patch(world, f"{CONFIGMAPS}/a", MERGE, {"data": {}})
    assert (code, body["message"]) == (404, 'configmaps "a" not found')
