"""Server-side apply and managedFields over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, World, serving
from tests.unit.pocketkube.resources.custom.definitions import definition, install

from pocketkube.client import Client
from pocketkube.objects import Obj

APPLY, MERGE, JSON_PATCH = "application/apply-patch+yaml", "application/merge-patch+json", "application/json-patch+json"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
WIDGETS = f"/apis/example.com/v1/namespaces/{NAMESPACE}/widgets"
ITEMS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
    },
}
SPEC = {"type": "object", "properties": {"items": ITEMS, "color": {"type": "string"}}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path) as it:
        install(it.registry, definition(SPEC, subresources={"status": {}}))
        yield it


async def apply(world: World, path: str, obj: Any, manager: str = "alice", **query: str) -> tuple[int, Any]:
    asked = "&".join(f"{name}={value}" for name, value in {"fieldManager": manager, **query}.items())
    text = obj if isinstance(obj, str) else json.dumps(obj)
    return await world.ask("PATCH", f"{path}?{asked}", text, content_type=APPLY)


def configmap(name: str = "a", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(**spec: Any) -> Obj:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def widget(**more: Any) -> Obj:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, **more}


def fields(obj: Obj, manager: str, operation: str = "", subresource: str = "") -> Any:
    return next(
        (
            entry["fieldsV1"]
            for entry in obj["metadata"].get("managedFields", ())
            if entry["manager"] == manager
            and operation in ("", entry["operation"])
            and entry.get("subresource", "") == subresource
        ),
        None,
    )


async def test_who_creates_owns_what_was_said_and_what_defaults_add(world: World) -> None:
    _, made = await world.post(f"{DEPLOYMENTS}?fieldManager=creator", deployment())
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("creator", "Update", "apps/v1")
    spec = entry["fieldsV1"]["f:spec"]
    assert spec["f:replicas"] == {}
    assert spec["f:selector"] == {}
    assert spec["f:strategy"]["f:rollingUpdate"] == {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}
    container = spec["f:template"]["f:spec"]["f:containers"]['k:{"name":"c"}']
    assert {"f:name", "f:image", "f:imagePullPolicy", "f:terminationMessagePath"} < container.keys()
    assert "." not in spec["f:template"]["f:spec"]["f:containers"]
    assert "f:metadata" not in entry["fieldsV1"]
    assert "f:status" not in entry["fieldsV1"]


async def test_the_program_is_the_manager_of_who_names_none(world: World) -> None:
    _, made = await world.post(CONFIGMAPS, configmap(k="v"))
    assert "/" not in made["metadata"]["managedFields"][0]["manager"]
    assert made["metadata"]["managedFields"][0]["manager"]


async def test_what_a_controller_changes_is_its_own(world: World) -> None:
    await apply(world, f"{DEPLOYMENTS}/web", deployment(replicas=2))
    controller = Client(world.registry, "some-controller", manager="kube-controller-manager")

    def more(obj: Obj) -> None:
        obj["spec"]["replicas"] = 5

    def see(obj: Obj) -> None:
        obj["status"]["replicas"] = 5

    controller.patch("deployments", (NAMESPACE, "web"), more)
    live = controller.patch("deployments", (NAMESPACE, "web"), see, subresource="status")
    assert fields(live, "kube-controller-manager") == {"f:spec": {"f:replicas": {}}}
    assert fields(live, "kube-controller-manager", subresource="status") == {"f:status": {"f:replicas": {}}}
    code, said = await apply(world, f"{DEPLOYMENTS}/web", deployment(replicas=2))
    assert (code, said["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "kube-controller-manager" using apps/v1: .spec.replicas',
    )
    code, live = await apply(world, f"{DEPLOYMENTS}/web", deployment())
    assert (code, live["spec"]["replicas"]) == (200, 5)


async def test_a_list_by_its_keys(world: World) -> None:
    code, made = await apply(world, f"{WIDGETS}/w", widget(spec={"items": [{"name": "a", "size": 1}]}))
    assert code == 201
    code, live = await apply(world, f"{WIDGETS}/w", widget(spec={"items": [{"name": "b", "size": 2}]}), "bob")
    assert (code, [item["name"] for item in live["spec"]["items"]]) == (200, ["a", "b"])
    _, live = await apply(world, f"{WIDGETS}/w", widget(spec={"color": "red"}))
    assert live["spec"] == {"color": "red", "items": [{"name": "b", "size": 2}]}
    assert fields(live, "bob") == {"f:spec": {"f:items": {'k:{"name":"b"}': {".": {}, "f:name": {}, "f:size": {}}}}}
    assert made["metadata"]["generation"] == 1


async def test_the_status_is_applied_to_its_subresource(world: World) -> None:
    await apply(world, f"{WIDGETS}/w", widget(spec={"color": "red"}, status={"phase": "x"}))
    _, live = await apply(world, f"{WIDGETS}/w/status", widget(spec={"color": "blue"}, status={"phase": "y"}))
    assert (live["spec"], live["status"]) == ({"color": "red"}, {"phase": "y"})
    assert fields(live, "alice", subresource="status") == {"f:status": {"f:phase": {}}}
    assert fields(live, "alice") == {"f:spec": {"f:color": {}}}


async def test_an_object_without_an_owner_gets_one_by_the_first_apply(world: World) -> None:
    world.configmap("a")
    assert "managedFields" not in world.registry.get("configmaps", NAMESPACE, "a")["metadata"]
    _, live = await apply(world, f"{CONFIGMAPS}/a", configmap(other="1"))
    assert "f:k" in fields(live, "before-first-apply", "Update")["f:data"]
    assert fields(live, "alice") == {"f:data": {"f:other": {}}}


async def test_nothing_changes_by_applying_the_same_or_by_a_dry_run(world: World) -> None:
    _, made = await apply(world, f"{CONFIGMAPS}/a", configmap(k="1"))
    _, again = await apply(world, f"{CONFIGMAPS}/a", configmap(k="1"))
    assert again == made
    code, tried = await apply(world, f"{CONFIGMAPS}/a", configmap(k="2"), dryRun="All")
    assert (code, tried["data"]) == (200, {"k": "2"})
    assert (await world.get(f"{CONFIGMAPS}/a"))[1] == made


async def test_managed_fields_can_be_dropped_and_are_kept_otherwise(world: World) -> None:
    _, made = await apply(world, f"{CONFIGMAPS}/a", configmap(k="1"))
    kept = {**made, "metadata": {k: v for k, v in made["metadata"].items() if k != "managedFields"}}
    _, live = await world.ask("PUT", f"{CONFIGMAPS}/a", kept)
    assert fields(live, "alice") == {"f:data": {"f:k": {}}}
    _, live = await world.ask("PATCH", f"{CONFIGMAPS}/a", '{"metadata":{"managedFields":[{}]}}', content_type=MERGE)
    assert "managedFields" not in live["metadata"]
    renamed = [{"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "bob"}]
    await apply(world, f"{CONFIGMAPS}/b", configmap("b", k="1"))
    code, live = await world.ask("PATCH", f"{CONFIGMAPS}/b", json.dumps(renamed), content_type=JSON_PATCH)
    assert (code, fields(live, "bob")) == (200, {"f:data": {"f:k": {}}})


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("[1]", 400, "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array"),
        ("a: [", 400, "error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find expected node"),
        ("{}", 400, "invalid object type: /, Kind="),
        (
            '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b"}}',
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":5}}',
            500,
            "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .data.k: expected string, got "
            "&value.valueUnstructured{Value:5}",
        ),
        (
            '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","uid":"x"}}',
            409,
            'Operation cannot be fulfilled on configmaps "a": StorageError: invalid object',
        ),
    ],
)
async def test_refused(world: World, text: str, code: int, message: str) -> None:
    before = world.configmap("a")
    seen, said = await apply(world, f"{CONFIGMAPS}/a", text)
    assert (seen, said["message"][: len(message)]) == (code, message)
    assert world.registry.get("configmaps", NAMESPACE, "a") == before


@pytest.mark.parametrize(
    "spec", [[], "x", {"items": "x"}, {"items": {}}, {"items": [{}]}, {"items": [1]}, {"items": [None]}, {"color": {}}]
)
async def test_what_is_not_of_its_type_is_refused_by_validation(world: World, spec: Any) -> None:
    code, said = await world.post(WIDGETS, widget(spec=spec))
    assert (code, said["reason"]) == (422, "Invalid")
    await world.post(WIDGETS, widget(spec={}))
    patch = json.dumps({"spec": spec})
    code, said = await world.ask("PATCH", f"{WIDGETS}/w", patch, content_type=MERGE)
    assert (code, said["reason"]) == (422, "Invalid")


async def test_repeated_keys_warn_or_refuse(world: World) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  k: a\n  k: b\n"
    code, said = await apply(world, f"{CONFIGMAPS}/a", text, fieldValidation="Strict")
    assert (code, said["message"][:31]) == (400, "error strict decoding YAML: yam")
    response = await world.call("PATCH", f"{CONFIGMAPS}/a?fieldManager=x", text, content_type=APPLY)
    assert response.status == 201
    assert 'key \\"k\\" already set in map' in response.headers["Warning"]


async def test_not_to_the_scale(world: World) -> None:
    await apply(world, f"{DEPLOYMENTS}/web", deployment())
    code, said = await apply(world, f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 1}})
    assert (code, said["reason"]) == (415, "UnsupportedMediaType")
    _, scale = await world.get(f"{DEPLOYMENTS}/web/scale")
    scale["spec"]["replicas"] = 7
    await world.ask("PUT", f"{DEPLOYMENTS}/web/scale?fieldManager=hands", scale)
    _, live = await world.get(f"{DEPLOYMENTS}/web")
    assert fields(live, "hands", subresource="scale") == {"f:spec": {"f:replicas": {}}}
