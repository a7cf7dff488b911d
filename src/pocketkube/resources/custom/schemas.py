"""Reading structural schemas: plain dicts, spelled as in `openAPIV3Schema`.

Models apiextensions-apiserver/pkg/apiserver/schema/structural.go, without a type of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

Schema = dict[str, Any]
META: Final = ("apiVersion", "kind", "metadata")
PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
EMBEDDED: Final = "x-kubernetes-embedded-resource"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"
LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_KEYS: Final = "x-kubernetes-list-map-keys"
MAP_TYPE: Final = "x-kubernetes-map-type"
RULES: Final = "x-kubernetes-validations"
JUNCTORS: Final = ("allOf", "anyOf", "oneOf")


def properties(schema: Schema | None) -> dict[str, Schema]:
    return (schema or {}).get("properties") or {}


def items(schema: Schema | None) -> Schema | None:
    found = (schema or {}).get("items")
    return found if isinstance(found, dict) else None


def additional(schema: Schema | None) -> Schema | None:
    """The schema of a map's values; None where there is none (also for `additionalProperties: true`)."""
    found = (schema or {}).get("additionalProperties")
    return found if isinstance(found, dict) else None


def has_additional(schema: Schema) -> bool:
    return schema.get("additionalProperties") is not None


def field(schema: Schema | None, name: str) -> Schema | None:
    """The schema of one field of an object or map."""
    found = properties(schema).get(name)
    return found if found is not None else additional(schema)


def as_root(schema: Schema | None) -> Schema:
    """The schema with what every object has implicitly: apiVersion, kind, metadata."""
    return {**(schema or {}), EMBEDDED: True}


def walk(schema: Schema | None) -> Iterator[Schema]:
    """A schema and every schema inside it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for name in ("items", "not", "additionalProperties", "additionalItems"):
        found = schema.get(name)
        for one in found if isinstance(found, list) else (found,):
            yield from walk(one)
    for name in JUNCTORS:
        for one in schema.get(name) or ():
            yield from walk(one)
    for name in ("properties", "patternProperties", "definitions"):
        for one in (schema.get(name) or {}).values():
            yield from walk(one)
