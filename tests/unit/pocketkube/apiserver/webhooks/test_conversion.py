"""Custom objects whose versions a webhook makes of each other: read, written, watched, and what no webhook may say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.webhooks.program import Program, add, rule
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

from pocketkube.client import Client
from pocketkube.errors import Invalid
from pocketkube.network import http
from pocketkube.objects import Obj
from pocketkube.resources.customresourcedefinitions import set_condition

GROUP, RESOURCE = "example.com", "things.example.com"
PATH = f"/apis/{GROUP}/{{}}/namespaces/{NAMESPACE}/things"
MERGE = "application/merge-patch+json"


class Converter(Program):
    """v1 has `both: "a:b"`, v2 has `one` and `two`."""

    async def convert(self, asked: Obj) -> Any:
        made = []
        for obj in asked["objects"]:
            new = {**obj, "apiVersion": asked["desiredAPIVersion"]}
            if asked["desiredAPIVersion"].endswith("v2"):
                new["one"], new["two"] = new.pop("both", ":").split(":")
            else:
                new["both"] = f"{new.pop('one', '')}:{new.pop('two', '')}"
            made.append(new)
        return {"convertedObjects": made, "result": {"status": "Success"}}

    def definition(self, storage: str = "v1") -> Obj:
        def version(name: str, *fields: str) -> Obj:
            properties = {field: {"type": "string"} for field in fields}
            schema = {"openAPIV3Schema": {"type": "object", "properties": properties}}
            return {"name": name, "served": True, "storage": name == storage, "schema": schema}

        webhook = {"clientConfig": self.client_config, "conversionReviewVersions": ["v1"]}
        spec = {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [version("v1", "both"), version("v2", "one", "two")],
            "conversion": {"strategy": "Webhook", "webhook": webhook},
        }
        return {"metadata": {"name": RESOURCE}, "spec": spec}


@pytest.fixture
def converter(world: World) -> Converter:
    found = Converter(world)
    found.answer = found.convert
    world.registry.create("customresourcedefinitions", found.definition())

    def establish(obj: Obj) -> None:
        obj["status"]["acceptedNames"] = obj["spec"]["names"]
        set_condition(obj, "2026-01-01T00:00:00Z", "Established", "True", "InitialNamesAccepted", "")

    world.registry.patch("customresourcedefinitions", "", RESOURCE, establish, subresource="status")
    return found


def thing(version: str = "v1", name: str = "t", **fields: str) -> Obj:
    return {"apiVersion": f"{GROUP}/{version}", "kind": "Thing", "metadata": {"name": name}, **fields}


def store_as(world: World, converter: Converter, version: str) -> None:
    def change(obj: Obj) -> None:
        obj["spec"]["versions"] = converter.definition(version)["spec"]["versions"]

    world.registry.patch("customresourcedefinitions", "", RESOURCE, change)


def stored(world: World, name: str = "t") -> Obj:
    found = world.registry.store.get(RESOURCE, (NAMESPACE, name))
    assert found is not None
    return found


async def test_an_object_is_read_in_the_version_asked_for(world: World, converter: Converter) -> None:
    assert (await world.post(PATH.format("v1"), thing(both="a:b")))[0] == 201
    assert not converter.seen
    code, found = await world.get(f"{PATH.format('v2')}/t")
    assert (code, found["apiVersion"], found["one"], found["two"]) == (200, f"{GROUP}/v2", "a", "b")
    assert "both" not in found
    [asked] = converter.seen
    assert (asked["desiredAPIVersion"], asked["objects"][0]["both"]) == (f"{GROUP}/v2", "a:b")
    assert converter.requests[0].target == "/judge?timeout=30s"
    assert (await world.get(f"{PATH.format('v1')}/t"))[1]["both"] == "a:b"
    assert len(converter.seen) == 1
    await world.get(f"{PATH.format('v2')}/t")
    assert len(converter.seen) == 2  # what a webhook said is not kept beyond a request


async def test_an_object_is_stored_in_the_storage_version(world: World, converter: Converter) -> None:
    code, made = await world.post(PATH.format("v2"), thing("v2", one="a", two="b"))
    assert (code, made["apiVersion"], made["one"]) == (201, f"{GROUP}/v2", "a")
    assert stored(world)["both"] == "a:b"
    assert made["metadata"]["resourceVersion"] == stored(world)["metadata"]["resourceVersion"]
    assert len(converter.seen) == 1


async def test_a_generated_name_does_not_keep_it_from_being_stored(world: World, converter: Converter) -> None:
    body = {**thing("v2", one="a", two="b"), "metadata": {"generateName": "t-"}}
    code, made = await world.post(PATH.format("v2"), body)
    assert code == 201
    assert stored(world, made["metadata"]["name"])["both"] == "a:b"


async def test_changes_in_another_version(world: World, converter: Converter) -> None:
    await world.post(PATH.format("v1"), thing(both="a:b"))
    code, found = await world.ask("PATCH", f"{PATH.format('v2')}/t", {"two": "c"}, content_type=MERGE)
    assert (code, found["one"], found["two"]) == (200, "a", "c")
    assert stored(world)["both"] == "a:c"
    code, found = await world.ask("PUT", f"{PATH.format('v2')}/t", {**found, "one": "d"})
    assert (code, stored(world)["both"]) == (200, "d:c")
    assert (await world.ask("DELETE", f"{PATH.format('v2')}/t"))[0] == 200
    assert (await world.get(f"{PATH.format('v1')}/t"))[0] == 404


async def test_a_list_is_converted_at_once(world: World, converter: Converter) -> None:
    for name in "abc":
        await world.post(PATH.format("v1"), thing(name=name, both=f"{name}:{name}"))
    store_as(world, converter, "v2")
    await world.post(PATH.format("v2"), thing("v2", "d", one="d", two="d"))
    assert not converter.seen
    found = (await world.get(PATH.format("v2")))[1]
    assert [one["one"] for one in found["items"]] == ["a", "b", "c", "d"]
    assert len(converter.seen) == 1
    found = (await world.get(PATH.format("v1")))[1]
    assert [one["both"] for one in found["items"]] == ["a:a", "b:b", "c:c", "d:d"]
    assert [len(one["objects"]) for one in converter.seen] == [3, 1]


async def test_a_watch_shows_its_version(world: World, converter: Converter) -> None:
    await world.post(PATH.format("v1"), thing(both="a:b"))
    response = await world.http.get(
        f"{PATH.format('v2')}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    )
    first = json.loads(await response.content.readline())
    assert (first["type"], first["object"]["one"]) == ("ADDED", "a")
    await world.ask("PATCH", f"{PATH.format('v1')}/t", {"both": "c:d"}, content_type=MERGE)
    second = json.loads(await response.content.readline())
    assert (second["type"], second["object"]["one"]) == ("MODIFIED", "c")
    del world.network.listening[converter.address, 443]
    await world.ask("PATCH", f"{PATH.format('v1')}/t", {"both": "e:f"}, content_type=MERGE)
    last = json.loads(await response.content.readline())
    assert (last["type"], last["object"]["kind"]) == ("ERROR", "Status")
    response.close()


async def test_components_see_objects_as_they_are_stored(world: World, converter: Converter) -> None:
    await world.post(PATH.format("v1"), thing(both="a:b"))
    store_as(world, converter, "v2")
    client = Client(world.registry, "generic-garbage-collector")
    [found] = client.list(RESOURCE, NAMESPACE)
    assert (found["apiVersion"], found["both"]) == (f"{GROUP}/v1", "a:b")
    client.patch(RESOURCE, (NAMESPACE, "t"), lambda obj: obj["metadata"].update(labels={"a": "b"}))
    assert (stored(world)["apiVersion"], stored(world)["both"]) == (f"{GROUP}/v1", "a:b")
    found = (await world.get(f"{PATH.format('v2')}/t"))[1]
    assert (found["metadata"]["labels"], found["one"]) == ({"a": "b"}, "a")


async def test_admission_of_one_version_in_another(world: World, converter: Converter) -> None:
    changes = Program(world, "10.96.0.90")
    changes.patch(add("/two", "z"))
    changes.mutating(rule("CREATE", resource="things", group=GROUP, version="v2"))
    code, made = await world.post(PATH.format("v1"), thing(both="a:b"))
    assert (code, made["both"]) == (201, "a:z")
    assert changes.seen[0]["object"]["two"] == "b"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            {"result": {"status": "Failure", "message": "cannot"}},
            "conversion webhook for example.com/v1, Kind=Thing failed: cannot",
        ),
        (
            {"result": {}},
            "conversion webhook for example.com/v1, Kind=Thing failed: response.result.status was '', not 'Success'",
        ),
        (
            {"result": {"status": "Success"}},
            "conversion webhook for example.com/v1, Kind=Thing returned 0 objects, expected 1",
        ),
        (
            {"apiVersion": "example.com/v3"},
            "index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
        ),
        (
            {"kind": "Other"},
            "invalid converted object at index 0: invalid kind (expected Thing, received Other)",
        ),
        ({"metadata": None}, "invalid metadata in object at index 0: missing metadata in converted object"),
        (
            {"metadata": {"name": "x", "namespace": NAMESPACE}},
            "invalid converted object at index 0: must have the same name: t != x",
        ),
        (http.Response(404, [], b""), "failed: the server could not find the requested resource"),
    ],
)
async def test_what_a_webhook_may_not_say(world: World, converter: Converter, said: Any, why: str) -> None:
    async def answer(asked: Obj) -> Any:
        if isinstance(said, http.Response) or "result" in said:
            return said
        converted = await converter.convert(asked)
        converted["convertedObjects"][0].update(said)
        return converted

    converter.answer = answer
    await world.post(PATH.format("v1"), thing(both="a:b"))
    code, body = await world.get(f"{PATH.format('v2')}/t")
    assert code == 500
    assert body["message"].endswith(why)


async def test_only_labels_and_annotations_are_the_webhooks(world: World, converter: Converter) -> None:
    async def answer(asked: Obj) -> Any:
        converted = await converter.convert(asked)
        converted["convertedObjects"][0]["metadata"].update(labels={"a": "b"}, finalizers=["x/y"], generation=9)
        return converted

    converter.answer = answer
    await world.post(PATH.format("v1"), thing(both="a:b"))
    meta = (await world.get(f"{PATH.format('v2')}/t"))[1]["metadata"]
    assert (meta["labels"], meta.get("finalizers"), meta["generation"]) == ({"a": "b"}, None, 1)


@pytest.mark.parametrize(
    ("webhook", "problem"),
    [
        (None, "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"),
        (
            {"clientConfig": {}, "conversionReviewVersions": ["v1"]},
            "spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required",
        ),
        (
            {"clientConfig": {"url": "https://x"}},
            "spec.conversion.conversionReviewVersions: Required value",
        ),
        (
            {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v2"]},
            'conversionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
        ),
        (
            {"clientConfig": {"url": "https://x", "caBundle": "bm9uZQ=="}, "conversionReviewVersions": ["v1"]},
            'caBundle: Invalid value: "bm9uZQ==": unable to load root certificates: unable to parse bytes as PEM block',
        ),
    ],
)
async def test_what_a_definition_may_not_say(world: World, webhook: Obj | None, problem: str) -> None:
    definition = Converter(world).definition()
    definition["spec"]["conversion"] = {"strategy": "Webhook", **({"webhook": webhook} if webhook else {})}
    with pytest.raises(Invalid) as refused:
        world.registry.create("customresourcedefinitions", definition)
    assert problem in refused.value.message


async def test_apply_in_another_version(world: World, converter: Converter) -> None:
    await world.post(f"{PATH.format('v1')}?fieldManager=b", thing(both="a:b"))
    how = {"content_type": "application/apply-patch+yaml"}
    config = json.dumps(thing("v2", two="c"))
    code, found = await world.ask("PATCH", f"{PATH.format('v2')}/t?fieldManager=a", config, **how)
    assert (code, found["one"], found["two"]) == (200, "a", "c")
    assert stored(world)["both"] == "a:c"
    code, found = await world.ask(
        "PATCH", f"{PATH.format('v2')}/new?fieldManager=a", config.replace('"t"', '"new"'), **how
    )
    assert (code, stored(world, "new")["both"]) == (201, ":c")
