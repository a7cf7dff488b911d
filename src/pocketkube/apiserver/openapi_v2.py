"""OpenAPI v2 (`/openapi/v2`): the definitions of the kinds served, as JSON or as gnostic's protobuf.

kubectl reads it when the v3 documents do not know a kind (a typo, a missing CRD, a v1 List) and checks the object
against the definitions; for a kind it does not find there it goes on to say `no matches for kind`. Models what
k8s.io/kube-openapi's handler serves at this path, wire form as in gnostic's openapiv2.

Left out: paths, descriptions, and the definitions of group versions that are not served.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from pocketkube import wire
from pocketkube.objects import Obj

PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_ACCEPTED: Final = (PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
_V3: Final = "#/components/schemas/"
_V2: Final = "#/definitions/"


def wants_protobuf(accept: str) -> bool:
    """Whether the first acceptable form in an Accept header is the protobuf one (what kubectl asks for)."""
    return accept.split(",")[0].split(";")[0].strip() in _ACCEPTED


def document(schemas: Obj) -> Obj:
    """The Swagger 2.0 document of v3 component schemas."""
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": {},
        "definitions": {name: _schema(schema) for name, schema in sorted(schemas.items())},
    }


def _schema(schema: Obj) -> Obj:
    """A v3 schema in v2's words: a single allOf is a plain reference, a choice of scalars is a string."""
    result: Obj = {}
    for key, value in schema.items():
        if key == "$ref":
            result[key] = value.replace(_V3, _V2)
        elif key == "allOf" and len(value) == 1:
            result |= _schema(value[0])
        elif key in ("oneOf", "anyOf"):
            result["type"] = "string"
        elif key == "properties":
            result[key] = {name: _schema(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            result[key] = _schema(value)
        else:
            result[key] = value
    return result


def encode(swagger: Obj) -> bytes:
    """The document as message openapi.v2.Document."""
    info = wire.text(1, swagger["info"]["title"]) + wire.text(2, swagger["info"]["version"])
    definitions = b"".join(_named(1, name, _encode(schema)) for name, schema in swagger["definitions"].items())
    return (
        wire.text(1, swagger["swagger"]) + wire.message(2, info) + wire.message(8, b"") + wire.message(9, definitions)
    )


def _encode(schema: Obj) -> bytes:
    """One message openapi.v2.Schema; the numbers are its fields'."""
    out = wire.text(1, schema["$ref"]) if "$ref" in schema else b""
    out += wire.text(2, schema["format"]) if "format" in schema else b""
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
    return out + b"".join(_named(31, name, _any(value)) for name, value in schema.items() if name.startswith("x-"))


def _any(value: Any) -> bytes:
    return wire.text(2, orjson.dumps(value).decode())  # field `yaml`, of which JSON is a part


def _named(number: int, name: str, value: bytes) -> bytes:
    return wire.message(number, wire.text(1, name) + wire.message(2, value))
