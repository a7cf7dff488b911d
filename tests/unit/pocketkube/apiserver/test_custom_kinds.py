"""What the API server does for custom kinds alone: pruning with warnings, patches, watches that end, documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World, serving
from tests.unit.pocketkube.resources.custom.definitions import WIDGETS, definition, install, widget

from pocketkube.objects import Obj

SPEC = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 9}, "color": {"type": "string"}}}
PATH = f"/apis/example.com/v1/namespaces/{NAMESPACE}/widgets"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path) as it:
        install(it.registry, definition(SPEC, subresources={"status": {}}))
        yield it


def body(name: str, spec: Any, **more: Any) -> Obj:
    found = widget(name, spec)
    return {**found, "metadata": {"name": name}, **more}


async def test_unknown_fields_are_warned_about(world: World) -> None:
    sent = {**body("a", {"size": 1, "x": {"y": 1}}), "other": 1}
    sent["metadata"]["bogus"] = 1
    response = await world.call("POST", PATH, sent)
    assert response.status == 201
    assert (await response.json())["spec"] == {"size": 1}
    assert response.headers.getall("Warning") == [
        '299 - "unknown field \\"metadata.bogus\\""',
        '299 - "unknown field \\"other\\""',
        '299 - "unknown field \\"spec.x\\""',
    ]
    response = await world.call("PATCH", f"{PATH}/a", {"spec": {"z": 1}}, content_type="application/merge-patch+json")
    assert response.headers.getall("Warning") == ['299 - "unknown field \\"spec.z\\""']
    response = await world.call("POST", f"{PATH}?fieldValidation=Ignore", body("b", {"x": 1}))
    assert "Warning" not in response.headers


async def test_strict_is_refused(world: World) -> None:
    code, said = await world.post(f"{PATH}?fieldValidation=Strict", body("a", {"x": 1}))
    text = 'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.x"'
    assert (code, said["message"]) == (400, text)
    await world.post(PATH, body("a", {}))
    path = f"{PATH}/a?fieldValidation=Strict"
    code, said = await world.ask("PATCH", path, {"spec": {"x": 1}}, content_type="application/merge-patch+json")
    assert code == 422
    assert said["message"].endswith('strict decoding error: unknown field "spec.x"')


async def test_yaml_and_no_protobuf(world: World) -> None:
    text = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 2}\n"
    code, made = await world.post(PATH, text, content_type="application/yaml")
    assert (code, made["spec"]) == (201, {"size": 2})
    code, said = await world.post(PATH, b"k8s\x00", content_type="application/vnd.kubernetes.protobuf")
    assert code == 415
    assert said["message"].endswith("accepted media types include: application/json, application/yaml")


async def test_a_body_of_another_kind_or_version(world: World) -> None:
    code, said = await world.post(PATH, {**body("a", {}), "kind": "Gadget"})
    assert (code, said["message"]) == (
        422,
        'Gadget.example.com "a" is invalid: kind: Invalid value: "Gadget": must be Widget',
    )
    code, said = await world.post(PATH, {**body("a", {}), "apiVersion": "example.com/v2"})
    assert code == 400
    assert "does not match the expected API version (example.com/v1)" in said["message"]


async def test_a_patch_of_a_kind_it_does_not_know(world: World) -> None:
    await world.post(PATH, body("a", {}))
    code, said = await world.ask("PATCH", f"{PATH}/a", {}, content_type="application/strategic-merge-patch+json")
    assert (code, said["message"]) == (
        415,
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    )


async def test_an_update_needs_a_version(world: World) -> None:
    await world.post(PATH, body("a", {}))
    code, said = await world.ask("PUT", f"{PATH}/a", body("a", {"size": 1}))
    assert code == 422
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in said["message"]


async def test_finalizers_without_a_domain_are_warned_about(world: World) -> None:
    sent = body("a", {})
    sent["metadata"]["finalizers"] = ["mine"]
    response = await world.call("POST", PATH, sent)
    assert response.status == 201
    assert "prefer a domain-qualified finalizer name" in response.headers["Warning"]


async def test_subresources_there_are_not(world: World) -> None:
    await world.post(PATH, body("a", {}))
    code, said = await world.get(f"{PATH}/a/scale")
    assert (code, said["message"]) == (404, 'widgets.example.com "a" not found')
    code, made = await world.ask(
        "PATCH", f"{PATH}/a/status", {"status": {"x": 1}}, content_type="application/merge-patch+json"
    )
    assert (code, made["status"]) == (200, {"x": 1})


async def test_a_watch_ends_when_the_kind_changes(world: World) -> None:
    response = await world.http.get(f"{PATH}?watch=1")
    await world.post(PATH, body("a", {"size": 1}))

    def change(obj: Obj) -> None:
        root = obj["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        root["properties"]["spec"]["properties"]["new"] = {"type": "string"}

    world.registry.patch("customresourcedefinitions", "", WIDGETS, change)
    lines = (await response.text()).splitlines()  # returns: the answer has an end
    assert len(lines) == 1
    assert '"ADDED"' in lines[0]


async def test_discovery_and_documents_follow(world: World) -> None:
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    before = (await world.call("GET", "/apis", Accept=aggregated)).headers["ETag"]
    assert "apis/example.com/v1" in (await world.get("/openapi/v3"))[1]["paths"]
    code, document = await world.get("/openapi/v3/apis/example.com/v1")
    assert code == 200
    patch = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert list(patch["requestBody"]["content"]) == [
        f"application/{form}" for form in ("apply-patch+yaml", "json-patch+json", "merge-patch+json")
    ]
    model = document["components"]["schemas"]["com.example.v1.Widget"]
    assert model["properties"]["spec"]["properties"].keys() == {"size", "color"}
    definitions = (await world.get("/openapi/v2"))[1]["definitions"]
    assert definitions["com.example.v1.Widget"]["properties"]["metadata"] == {
        "description": model["properties"]["metadata"]["description"],
        "$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    }
    world.registry.delete("customresourcedefinitions", "", WIDGETS)
    world.registry.patch("customresourcedefinitions", "", WIDGETS, lambda obj: obj["metadata"].update(finalizers=None))
    assert (await world.call("GET", "/apis", Accept=aggregated)).headers["ETag"] != before
    assert (await world.get("/apis/example.com/v1"))[0] == 404
    assert (await world.get(PATH))[0] == 404
    assert "apis/example.com/v1" not in (await world.get("/openapi/v3"))[1]["paths"]
    assert "com.example.v1.Widget" not in (await world.get("/openapi/v2"))[1]["definitions"]


async def test_documents_have_what_lies_below_a_kind(world: World) -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    wanted = definition(SPEC, subresources={"status": {}, "scale": scale})
    world.registry.patch("customresourcedefinitions", "", WIDGETS, lambda obj: obj.update(spec=wanted["spec"]))
    _, document = await world.get("/openapi/v3/apis/example.com/v1")
    named = "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"
    got = document["paths"][f"{named}/scale"]["get"]
    assert got["operationId"] == "readExampleComV1NamespacedWidgetScale"
    shown = got["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][shown]["properties"].keys() >= {"spec", "status"}
    assert document["paths"][f"{named}/status"].keys() == {"get", "patch", "put", "parameters"}


async def test_whole_numbers_are_written_without_a_fraction(world: World) -> None:
    code, made = await world.post(PATH, '{"metadata": {"name": "a"}, "spec": {"size": 3.0}}')
    assert (code, str(made["spec"]["size"])) == (201, "3")


async def test_a_custom_kind_does_not_take_the_place_of_a_built_in_one(world: World) -> None:
    wanted = definition(SPEC)
    wanted["spec"] |= {"group": "networking.k8s.io", "names": {"kind": "Ingress", "plural": "ingresses"}}
    name = "ingresses.networking.k8s.io"
    wanted["metadata"] = {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}}
    install(world.registry, wanted)
    path = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"
    code, said = await world.post(path, {"metadata": {"name": "a"}, "spec": {}})
    assert code == 422
    assert "either `defaultBackend` or `rules` must be specified" in said["message"]


async def test_a_dry_run_shows_what_would_be_read(tmp_path: Path) -> None:
    """Defaults of the status among it: it is filled in when an object is read."""
    status = {"type": "object", "default": {"phase": "New"}, "properties": {"phase": {"type": "string"}}}
    root = {"type": "object", "properties": {"spec": SPEC, "status": status}}
    async with serving(tmp_path) as world:
        install(world.registry, definition(SPEC, schema={"openAPIV3Schema": root}, subresources={"status": {}}))
        code, tried = await world.post(f"{PATH}?dryRun=All", body("a", {"size": 1}))
        assert (code, tried["status"]) == (201, {"phase": "New"})
        _, made = await world.post(PATH, body("a", {"size": 1}))
        assert made["status"] == tried["status"]
