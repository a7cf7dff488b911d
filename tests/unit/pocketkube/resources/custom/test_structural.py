"""Pruning, defaulting and validation by random structural schemas: what must hold whatever the schema says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import objects
from pocketkube.resources.custom import defaulting, definition, lists, openapi_schema, pruning, structural, values
from pocketkube.resources.custom.correlation import Correlated, same
from pocketkube.resources.custom.schemas import Schema

NAMES = st.sampled_from(["a", "b", "c", "spec", "x-y"])
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text("ab", max_size=3),
    "integer": st.integers(-5, 5),
    "number": st.floats(-5, 5, width=16),
    "boolean": st.booleans(),
}


@st.composite
def pairs(draw: st.DrawFn, depth: int = 3) -> tuple[Schema, Any]:
    """(a structural schema, a value that is valid by it)."""
    kind = draw(st.sampled_from([*SCALARS, *(("object", "array", "map") if depth else ())]))
    if kind == "object":
        inside = draw(st.dictionaries(NAMES, pairs(depth - 1), max_size=3))
        schema: Schema = {"type": "object", "properties": {name: pair[0] for name, pair in inside.items()}}
        required = draw(st.lists(st.sampled_from(sorted(inside)), unique=True)) if inside else []
        if required:
            schema["required"] = required
        kept = {name for name in inside if name in required or draw(st.booleans())}
        for name, (_, value) in inside.items():
            if name not in required and draw(st.booleans()):
                schema["properties"][name] = {**inside[name][0], "default": value}
        return schema, {name: inside[name][1] for name in inside if name in kept}
    if kind == "map":
        inner, value = draw(pairs(depth - 1))
        return {"type": "object", "additionalProperties": inner}, {name: value for name in draw(st.sets(NAMES))}
    if kind == "array":
        inner, value = draw(pairs(depth - 1))
        return {"type": "array", "items": inner}, [value] * draw(st.integers(0, 2))
    value = draw(SCALARS[kind])
    schema = {"type": kind}
    if draw(st.booleans()):
        schema["nullable"] = True
        value = draw(st.sampled_from([None, value]))
    return schema, value


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(pairs())
def test_such_schemas_are_structural(pair: tuple[Schema, Any]) -> None:
    root = {"type": "object", "properties": {"spec": pair[0]}}
    assert structural.validate(root, "schema") == []
    assert list(openapi_schema.validate(root, "schema", False)) == []


@given(pairs())
def test_valid_stays_valid_and_whole(pair: tuple[Schema, Any]) -> None:
    schema, value = pair
    assert values.validate(value, schema) == []
    treated = objects.copy(value)
    assert pruning.prune(treated, schema, root=False) == []
    pruning.prune_nulls(treated, schema)
    defaulting.default(treated, schema)
    assert values.validate(treated, schema) == []
    if isinstance(value, dict):
        assert value.keys() <= treated.keys()


@given(pairs(), ANYTHING)
def test_pruning_and_defaulting_are_done_once(pair: tuple[Schema, Any], value: Any) -> None:
    schema = pair[0]
    pruning.prune(value, schema, root=False)
    once = objects.copy(value)
    assert pruning.prune(once, schema, root=False) == []
    assert same(once, value)
    pruning.prune_nulls(once, schema)
    defaulting.default(once, schema)
    twice = objects.copy(once)
    pruning.prune_nulls(twice, schema)
    defaulting.default(twice, schema)
    assert same(once, twice)


@given(pairs(), ANYTHING)
def test_what_does_not_change_is_let_be(pair: tuple[Schema, Any], value: Any) -> None:
    schema = pair[0]
    assert values.validate(value, schema, correlated=Correlated(value, objects.copy(value), schema)) == []
    list(lists.duplicates(value, schema))


def test_pruning_says_where() -> None:
    item = {"type": "object", "properties": {"n": {"type": "string"}}}
    schema = {"type": "object", "properties": {"l": {"type": "array", "items": item}, "s": {"type": "object"}}}
    value = {"apiVersion": "v1", "kind": "K", "metadata": {"x": 1}, "l": [{"n": "a", "m": 1}], "s": {"t": 1}, "u": 1}
    assert pruning.prune(value, schema) == ["l[0].m", "s.t", "u"]
    assert value == {"apiVersion": "v1", "kind": "K", "metadata": {"x": 1}, "l": [{"n": "a"}], "s": {}}


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        ({"type": "string"}, 'schema.type: Invalid value: "string": must be object at the root'),
        ({"properties": {}}, "schema.type: Required value: must not be empty at the root"),
        (
            {"type": "object", "anyOf": [{"properties": {"a": {"minimum": 1}}}]},
            "schema.properties[a]: Required value: because it is defined in schema.anyOf[0].properties[a]",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}}, "not": {"properties": {"a": {"type": "x"}}}},
            "schema.not.properties[a].type: Forbidden: must be empty to be structural",
        ),
        (
            {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {}}}}},
            "must not specify anything other than name and generateName",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "["}}},
            "must be a valid regular expression, but isn't: error parsing regexp: missing closing ]: `[`",
        ),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, "items: Required value: must be specified"),
    ],
)
def test_schemas_that_are_not_structural(schema: Schema, wrong: str) -> None:
    assert any(wrong in str(cause) for cause in structural.validate(schema, "schema"))


def test_int_or_string_may_name_its_types() -> None:
    types = [{"type": "integer"}, {"type": "string"}]
    for choice in ({"anyOf": types}, {"allOf": [{"anyOf": types}, {"pattern": "x"}]}):
        port = {"x-kubernetes-int-or-string": True, **choice}
        assert structural.validate({"type": "object", "properties": {"port": port}}, "schema") == []


@pytest.mark.parametrize(("rule", "faults"), [("self.a == 'x'", []), ("self.b == 'x'", [0, 1, 2])])
def test_each_version_is_judged_though_equal_schemas_only_once(rule: str, faults: list[int]) -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}},
    }
    schema["properties"]["spec"]["x-kubernetes-validations"] = [{"rule": rule}]  # type: ignore[index]
    versions = [
        {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": objects.copy(schema)}}
        for name in ("v1", "v2", "v3")
    ]
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    causes = list(definition.validate({"metadata": {"name": "widgets.example.com"}, "spec": spec}, None))
    found = [cause.field for cause in causes if "x-kubernetes-validations" in cause.field]
    assert [field.partition("[")[2][0] for field in found] == [str(fault) for fault in faults]
