"""The wire form of OpenAPI v2 documents, gnostic's openapiv2: the numbers are those of its messages' fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from pocketkube import wire
from pocketkube.objects import Obj

_METHODS: Final = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
"""Fields of message PathItem."""


def encode(swagger: Obj) -> bytes:
    """The document as message openapi.v2.Document."""
    info = wire.text(1, swagger["info"]["title"]) + wire.text(2, swagger["info"]["version"])
    paths = b"".join(_named(2, path, _encode_item(item)) for path, item in swagger["paths"].items())
    definitions = b"".join(_named(1, name, _encode(schema)) for name, schema in swagger["definitions"].items())
    parameters = b"".join(_named(1, name, _encode_parameter(one)) for name, one in swagger["parameters"].items())
    return (
        wire.text(1, swagger["swagger"])
        + wire.message(2, info)
        + wire.message(8, paths)
        + wire.message(9, definitions)
        + wire.message(10, parameters)
    )


def _encode_item(item: Obj) -> bytes:
    operations = [
        wire.message(number, _encode_operation(item[name])) for name, number in _METHODS.items() if name in item
    ]
    return b"".join([*operations, *(wire.message(9, _encode_use(one)) for one in item["parameters"])])


def _encode_operation(operation: Obj) -> bytes:
    """One message openapi.v2.Operation."""
    out = b"".join(wire.text(1, tag) for tag in operation["tags"])
    out += wire.text(3, operation["description"]) + wire.text(5, operation["operationId"])
    for number, key in ((6, "produces"), (7, "consumes"), (10, "schemes")):
        out += b"".join(wire.text(number, one) for one in operation[key])
    out += b"".join(wire.message(8, _encode_use(one)) for one in operation.get("parameters", ()))
    responses = (
        _named(1, code, wire.message(1, _encode_response(one))) for code, one in operation["responses"].items()
    )
    return out + wire.message(9, b"".join(responses)) + _extensions(13, operation)


def _encode_use(parameter: Obj) -> bytes:
    """One message ParametersItem: a reference, or the body."""
    if "$ref" in parameter:
        return wire.message(2, wire.text(1, parameter["$ref"]))
    return wire.message(1, _encode_parameter(parameter))


def _encode_parameter(given: Obj) -> bytes:
    """One message openapi.v2.Parameter: of the body, the query or the path."""
    required = given.get("required", False)
    if given["in"] == "body":
        out = wire.text(2, "body") + wire.text(3, "body") + wire.number(4, required)
        return wire.message(1, out + wire.message(5, _encode(given["schema"])))
    number, type_, unique = (3, 6, 20) if given["in"] == "query" else (4, 5, 19)
    out = wire.number(1, required) + wire.text(2, given["in"]) + wire.text(4, given["name"])
    return wire.message(2, wire.message(number, out + wire.text(type_, given["type"]) + wire.number(unique, True)))


def _encode_response(given: Obj) -> bytes:
    out = wire.text(1, given["description"])
    return out + (wire.message(2, wire.message(1, _encode(given["schema"]))) if "schema" in given else b"")


def _encode(schema: Obj) -> bytes:
    """One message openapi.v2.Schema; the numbers are its fields'."""
    out = wire.text(1, schema["$ref"]) if "$ref" in schema else b""
    out += wire.text(2, schema["format"]) if "format" in schema else b""
    out += wire.text(4, schema["description"]) if "description" in schema else b""
    out += wire.message(5, _any(schema["default"])) if "default" in schema else b""
    out += b"".join(wire.text(19, name) for name in schema.get("required", ()))
    out += b"".join(wire.message(20, _any(value)) for value in schema.get("enum", ()))
    if isinstance(schema.get("additionalProperties"), dict):
        out += wire.message(21, wire.message(1, _encode(schema["additionalProperties"])))
    out += wire.message(22, wire.text(1, schema["type"])) if "type" in schema else b""
    out += wire.message(23, wire.message(1, _encode(schema["items"]))) if "items" in schema else b""
    if "properties" in schema:
        inner: Iterable[bytes] = (_named(1, name, _encode(value)) for name, value in schema["properties"].items())
        out += wire.message(25, b"".join(inner))
    return out + _extensions(31, schema)


def _extensions(number: int, holder: Obj) -> bytes:
    return b"".join(_named(number, name, _any(value)) for name, value in holder.items() if name.startswith("x-"))


def _any(value: Any) -> bytes:
    return wire.text(2, orjson.dumps(value).decode())  # field `yaml`, of which JSON is a part


def _named(number: int, name: str, value: bytes) -> bytes:
    return wire.message(number, wire.text(1, name) + wire.message(2, value))
