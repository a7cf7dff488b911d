"""Objects inside objects: `x-kubernetes-embedded-resource`.

Models apiextensions-apiserver/pkg/apiserver/schema/objectmeta: their metadata is decoded as any object's, and checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, schema
from pocketkube.errors import Cause
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Resource
from pocketkube.resources.custom.schemas import EMBEDDED, Schema, additional, items, properties


def coerce(value: Any, kind: Schema | None, path: str = "") -> list[str]:
    """Rewrite embedded metadata in place as a server holds it; the paths of unknown fields dropped there.

    Raises Malformed."""
    unknown: list[str] = []
    if kind is None:
        return unknown
    if isinstance(value, dict):
        if kind.get(EMBEDDED):
            unknown += _coerce_here(value, path)
        known, values = properties(kind), additional(kind)
        for name, item in value.items():
            inside = known.get(name)
            if inside is not None:
                unknown += coerce(item, inside, f"{path}.{name}" if path else name)
            elif values is not None:
                unknown += coerce(item, values, f"{path}[{name}]")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            unknown += coerce(item, items(kind), f"{path}[{index}]")
    return unknown


class Malformed(ValueError):
    """Embedded metadata that cannot be decoded; `cause` says where and why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _coerce_here(value: dict[str, Any], path: str) -> list[str]:
    at = f"{path}." if path else ""
    for name in ("apiVersion", "kind"):
        if name in value and not isinstance(value[name], str):
            raise Malformed(fields.invalid(at + name, value[name], "must be a string"))
    if "metadata" not in value:
        return []
    try:
        decoded, problems = schema.decode({"metadata": value["metadata"]}, schema.UNSTRUCTURED)
    except schema.DecodeError as error:
        raise Malformed(fields.invalid(f"{at}metadata", value["metadata"], str(error))) from None
    value["metadata"] = decoded.get("metadata") or {}
    return [at + problem.partition('"')[2].rstrip('"') for problem in problems]


def validate(value: Any, kind: Schema | None, path: str = "") -> Iterator[Cause]:
    """Field errors of embedded objects, here and further inside."""
    if kind is None:
        return
    if isinstance(value, dict):
        if kind.get(EMBEDDED):
            yield from _validate_here(value, f"{path}." if path else "")
        known, values = properties(kind), additional(kind)
        for name, item in value.items():
            if name in known:
                yield from validate(item, known[name], f"{path}.{name}" if path else name)
            elif values is not None:
                yield from validate(item, values, f"{path}[{name}]")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from validate(item, items(kind), f"{path}[{index}]")


def _validate_here(value: dict[str, Any], at: str) -> Iterator[Cause]:
    for name in ("apiVersion", "kind"):
        if name not in value:
            yield fields.required(at + name)
    for name, item in value.items():
        if name in ("apiVersion", "kind") and not isinstance(item, str):
            yield fields.invalid(at + name, item, "must be a string")
        elif name in ("apiVersion", "kind") and not item:
            yield fields.invalid(at + name, item, "must not be empty")
        elif name == "apiVersion" and item.count("/") > 1:
            yield fields.invalid(at + name, item, f"unexpected GroupVersion string: {item}")
        elif name == "kind":
            if problems := formats.dns1035_label(item.lower()):
                text = "may have mixed case, but should otherwise match: " + ",".join(problems)
                yield fields.invalid(at + name, item, text)
        elif name == "metadata":
            yield from _validate_metadata(item, at)


def _validate_metadata(meta: dict[str, Any], at: str) -> Iterator[Cause]:
    named = {**meta, "name": meta.get("name") or "fakename"}

    class Embedded(Resource):
        namespaced = bool(meta.get("namespace"))

    for cause in metadata.validate(Embedded, {"metadata": named}, generic=True):  # type: ignore[arg-type]
        yield Cause(cause.reason, at + cause.field, cause.message)
