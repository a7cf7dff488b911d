"""The v2 document: v3 schemas in v2's words, and its wire form."""

from typing import Any

from pocketkube.apiserver import openapi_v2, openapi_wire
from pocketkube.wire import fields

SCHEMAS: dict[str, Any] = {
    "Thing": {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"allOf": [{"$ref": "#/components/schemas/Size"}], "default": {}},
            "names": {
                "type": "array",
                "items": {"type": "string", "enum": ["a", "b"]},
                "x-kubernetes-list-type": "set",
            },
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Thing"}],
    },
    "Size": {"oneOf": [{"type": "string"}, {"type": "number"}]},
}


REFERENCE = {"schema": {"$ref": "#/components/schemas/Thing"}}
QUERY = {"name": "force", "in": "query", "schema": {"type": "boolean", "uniqueItems": True}}
PATHS: dict[str, Any] = {
    "/things/{name}": {
        "patch": {
            "tags": ["core_v1"],
            "description": "partially update the specified Thing",
            "operationId": "patchCoreV1Thing",
            "parameters": [QUERY],
            "requestBody": {"content": {"application/json-patch+json": REFERENCE, "a/b": REFERENCE}, "required": True},
            "responses": {
                "200": {"description": "OK", "content": {"application/json": REFERENCE, "application/yaml": REFERENCE}},
                "401": {"description": "Unauthorized"},
            },
            "x-kubernetes-action": "patch",
        },
        "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
    }
}


def messages(data: bytes, number: int) -> list[bytes]:
    return [value for at, value in fields(data) if at == number and isinstance(value, bytes)]


def only(data: bytes, *numbers: int) -> bytes:
    for number in numbers:
        (data,) = messages(data, number)
    return data


def named(data: bytes, number: int) -> dict[str, bytes]:
    return {only(entry, 1).decode(): only(entry, 2) for entry in messages(data, number)}


def test_schemas_are_said_in_the_words_of_v2() -> None:
    definitions = openapi_v2.document(SCHEMAS, {})["definitions"]
    assert definitions["Size"] == {"type": "string"}
    assert definitions["Thing"]["properties"]["size"] == {"$ref": "#/definitions/Size", "default": {}}
    assert definitions["Thing"]["properties"]["labels"]["additionalProperties"] == {"type": "string"}


def test_paths_are_said_in_the_words_of_v2() -> None:
    document = openapi_v2.document(SCHEMAS, PATHS)
    item = document["paths"]["/things/{name}"]
    assert item["parameters"] == [{"$ref": "#/parameters/name-path"}]
    thing = {"$ref": "#/definitions/Thing"}
    assert item["patch"] == {
        "tags": ["core_v1"],
        "description": "partially update the specified Thing",
        "operationId": "patchCoreV1Thing",
        "consumes": ["application/json-patch+json", "a/b"],
        "produces": ["application/json", "application/yaml"],
        "schemes": ["https"],
        "parameters": [
            {"name": "body", "in": "body", "required": True, "schema": thing},
            {"$ref": "#/parameters/force"},
        ],
        "responses": {"200": {"description": "OK", "schema": thing}, "401": {"description": "Unauthorized"}},
        "x-kubernetes-action": "patch",
    }
    assert document["parameters"] == {
        "force": {"name": "force", "in": "query", "type": "boolean", "uniqueItems": True},
        "name-path": {"name": "name", "in": "path", "required": True, "type": "string"},
    }


def test_wire_form_of_paths() -> None:
    document = openapi_wire.encode(openapi_v2.document(SCHEMAS, PATHS))
    item = named(only(document, 8), 2)["/things/{name}"]
    assert only(item, 9, 2, 1) == b"#/parameters/name-path"
    patch = only(item, 8)
    assert messages(patch, 7) == [b"application/json-patch+json", b"a/b"]
    assert only(patch, 5) == b"patchCoreV1Thing"
    body, query = messages(patch, 8)
    assert only(body, 1, 1, 5, 1) == b"#/definitions/Thing"
    assert only(query, 2, 1) == b"#/parameters/force"
    assert only(named(only(patch, 9), 1)["200"], 1, 2, 1, 1) == b"#/definitions/Thing"
    assert only(named(patch, 13)["x-kubernetes-action"], 2) == b'"patch"'
    parameters = named(only(document, 10), 1)
    assert only(parameters["force"], 2, 3, 6) == b"boolean"
    assert only(parameters["name-path"], 2, 4, 4) == b"name"


def test_wire_form() -> None:
    document = openapi_wire.encode(openapi_v2.document(SCHEMAS, PATHS))
    assert only(document, 1) == b"2.0"
    assert only(document, 2, 1) == b"Kubernetes"
    definitions = named(only(document, 9), 1)
    assert list(definitions) == ["Size", "Thing"]
    thing = definitions["Thing"]
    assert only(thing, 22, 1) == b"object"
    assert messages(thing, 19) == [b"size"]
    properties = named(only(thing, 25), 1)
    assert only(properties["size"], 1) == b"#/definitions/Size"
    assert only(properties["size"], 5, 2) == b"{}"
    assert [only(value, 2) for value in messages(only(properties["names"], 23, 1), 20)] == [b'"a"', b'"b"']
    assert only(properties["labels"], 21, 1, 22, 1) == b"string"
    kinds = named(thing, 31)["x-kubernetes-group-version-kind"]
    assert only(kinds, 2) == b'[{"group":"","version":"v1","kind":"Thing"}]'


def test_kubectl_gets_protobuf_and_others_json() -> None:
    asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    assert openapi_v2.wants_protobuf(asked)
    assert openapi_v2.wants_protobuf(f"{openapi_v2.PROTOBUF}, application/json;q=0.5")
    assert not openapi_v2.wants_protobuf("application/json")
    assert not openapi_v2.wants_protobuf("")
