"""The v2 document: v3 schemas in v2's words, and its wire form."""

from typing import Any

from pocketkube.apiserver import openapi_v2
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


def messages(data: bytes, number: int) -> list[bytes]:
    return [value for at, value in fields(data) if at == number and isinstance(value, bytes)]


def only(data: bytes, *numbers: int) -> bytes:
    for number in numbers:
        (data,) = messages(data, number)
    return data


def named(data: bytes, number: int) -> dict[str, bytes]:
    return {only(entry, 1).decode(): only(entry, 2) for entry in messages(data, number)}


def test_schemas_are_said_in_the_words_of_v2() -> None:
    definitions = openapi_v2.document(SCHEMAS)["definitions"]
    assert definitions["Size"] == {"type": "string"}
    assert definitions["Thing"]["properties"]["size"] == {"$ref": "#/definitions/Size", "default": {}}
    assert definitions["Thing"]["properties"]["labels"]["additionalProperties"] == {"type": "string"}


def test_wire_form() -> None:
    document = openapi_v2.encode(openapi_v2.document(SCHEMAS))
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
