"""Which schemas are structural: every field is typed outside of allOf, anyOf, oneOf and not, and nothing else.

Models apiextensions-apiserver/pkg/apiserver/schema/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, regex
from pocketkube.errors import Cause
from pocketkube.resources.custom.schemas import (
    EMBEDDED,
    INT_OR_STRING,
    JUNCTORS,
    LIST_KEYS,
    LIST_TYPE,
    MAP_TYPE,
    PRESERVE,
    RULES,
    Schema,
    additional,
    has_additional,
    items,
    properties,
)

_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
_INT_OR_STRING_TYPES: Final = [{"type": "integer"}, {"type": "string"}]
_FORBIDDEN: Final = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (PRESERVE, "must be false to be structural"),
    (EMBEDDED, "must be false to be structural"),
    (INT_OR_STRING, "must be false to be structural"),
    (LIST_KEYS, "must be empty to be structural"),
    (LIST_TYPE, "must be undefined to be structural"),
    (MAP_TYPE, "must be undefined to be structural"),
    (RULES, "must be empty to be structural"),
)


def validate(schema: Schema, at: str) -> list[Cause]:
    """Field errors, sorted by their texts."""
    return sorted([*_invariants(schema, _ROOT, at), *_complete(schema, at)], key=str)


def _invariants(schema: Schema, level: str, at: str) -> Iterator[Cause]:
    kind = schema.get("type") or ""
    inner, values_ = items(schema), additional(schema)
    if kind == "array" and inner is None:
        yield fields.required(f"{at}.items", "must be specified")
    if inner is not None:
        yield from _invariants(inner, _ITEM, f"{at}.items")
    for name, inside in properties(schema).items():
        yield from _invariants(inside, _FIELD, f"{at}.properties[{name}]")
    if has_additional(schema):
        if level == _ROOT:
            yield fields.forbidden(f"{at}.additionalProperties", "must not be used at the root")
        if values_ is not None:
            yield from _invariants(values_, _FIELD, f"{at}.additionalProperties")
    yield from _extensions(schema, at)
    any_of, all_of = schema.get("anyOf") or [], schema.get("allOf") or []
    first = all_of[0].get("anyOf") if all_of else None
    yield from _junctors(schema, at, any_of == _INT_OR_STRING_TYPES, first == _INT_OR_STRING_TYPES)
    yield from _type(schema, kind, level, at)
    yield from _metadata(schema, level, at)


def _extensions(schema: Schema, at: str) -> Iterator[Cause]:
    if schema.get(INT_OR_STRING):
        for name in (PRESERVE, EMBEDDED):
            if schema.get(name):
                yield fields.invalid(f"{at}.{name}", True, f"must be false if {INT_OR_STRING} is true")


def _type(schema: Schema, kind: str, level: str, at: str) -> Iterator[Cause]:
    embedded = schema.get(EMBEDDED)
    if embedded and kind != "object":
        text = f"must be object if {EMBEDDED} is true"
        yield fields.invalid(f"{at}.type", kind, text) if kind else fields.required(f"{at}.type", text)
    elif not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        yield fields.required(f"{at}.type", f"must not be empty {level}")
    if embedded and has_additional(schema):
        yield fields.forbidden(f"{at}.additionalProperties", f"must not be used if {EMBEDDED} is set")
    if level == _ROOT and kind and kind != "object":
        yield fields.invalid(f"{at}.type", kind, "must be object at the root")
    if embedded and not schema.get(PRESERVE) and not properties(schema):
        text = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        yield fields.required(f"{at}.properties", text)


def _metadata(schema: Schema, level: str, at: str) -> Iterator[Cause]:
    known, checked = properties(schema), level == _ROOT or schema.get(EMBEDDED)
    for name in ("kind", "apiVersion"):
        if checked and name in known and known[name].get("type") != "string":
            yield fields.invalid(f"{at}.properties[{name}].type", known[name].get("type") or "", "must be string")
    meta = known.get("metadata")
    if meta is None:
        return
    where = f"{at}.properties[metadata]"
    if checked and meta.get("type") != "object":
        yield fields.invalid(f"{where}.type", meta.get("type") or "", "must be object")
    if level == _ROOT:
        rest = {name: value for name, value in meta.items() if name not in ("type", "default", "properties")}
        if rest or not properties(meta).keys() <= {"name", "generateName"}:
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield fields.forbidden(where, text)


def _junctors(schema: Schema, at: str, skip_any_of: bool = False, skip_first: bool = False) -> Iterator[Cause]:
    for index, one in enumerate(() if skip_any_of else schema.get("anyOf") or ()):
        yield from _nested(one, f"{at}.anyOf[{index}]")
    for index, one in enumerate(schema.get("allOf") or ()):
        yield from _nested(one, f"{at}.allOf[{index}]", skip_any_of=skip_first and index == 0)
    for index, one in enumerate(schema.get("oneOf") or ()):
        yield from _nested(one, f"{at}.oneOf[{index}]")
    if schema.get("not") is not None:
        yield from _nested(schema["not"], f"{at}.not")
    if pattern := schema.get("pattern"):
        try:
            regex.go(pattern)
        except regex.BadPattern as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            yield fields.invalid(f"{at}.pattern", pattern, text)


def _nested(schema: Schema, at: str, *, skip_any_of: bool = False) -> Iterator[Cause]:
    yield from _junctors(schema, at, skip_any_of)
    if (inner := items(schema)) is not None:
        yield from _nested(inner, f"{at}.items")
    for name, inside in properties(schema).items():
        yield from _nested(inside, f"{at}.properties[{name}]")
    for name, text in _FORBIDDEN:
        if _is_set(schema.get(name), name):
            yield fields.forbidden(f"{at}.{name}", text)
    if "metadata" in properties(schema):
        yield fields.forbidden(f"{at}.properties[metadata]", "must not be specified in a nested context")


def _is_set(value: Any, name: str) -> bool:
    return value is not None if name in ("default", "additionalProperties") else bool(value)


def _complete(schema: Schema, at: str) -> Iterator[Cause]:
    """What the root's junctors restrict must be specified outside of them; upstream looks at the root's only."""
    for where, one in _alternatives(schema, at):
        yield from _inside(one, schema, where, at)


def _alternatives(schema: Schema, at: str) -> Iterator[tuple[str, Schema]]:
    if schema.get("not") is not None:
        yield f"{at}.not", schema["not"]
    for name in JUNCTORS:
        for index, one in enumerate(schema.get(name) or ()):
            yield f"{at}.{name}[{index}]", one


def _inside(nested: Schema, whole: Schema, at: str, where: str) -> Iterator[Cause]:
    for inside, one in _alternatives(nested, at):
        yield from _inside(one, whole, inside, where)
    if (inner := items(nested)) is not None:
        held = items(whole)
        if held is None:
            yield fields.required(f"{where}.items", f"because it is defined in {at}.items")
        else:
            yield from _inside(inner, held, f"{at}.items", f"{where}.items")
    for name, restricted in properties(nested).items():
        held = properties(whole).get(name)
        if held is None:
            yield fields.required(f"{where}.properties[{name}]", f"because it is defined in {at}.properties[{name}]")
        else:
            yield from _inside(restricted, held, f"{at}.properties[{name}]", f"{where}.properties[{name}]")
