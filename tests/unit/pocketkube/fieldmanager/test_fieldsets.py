from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.fieldmanager import fieldsets
from pocketkube.fieldmanager.fieldsets import Set

NAMES = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])


def _canonical(node: Any) -> Set:
    """A node as fieldsets makes them: none that leads nowhere."""
    children = {name: _canonical(child) for name, child in node.items() if name != "."}
    return {".": {}, **children} if "." in node and children else children


SETS = st.recursive(
    st.dictionaries(NAMES, st.just({}), max_size=3),
    lambda below: st.dictionaries(st.one_of(NAMES, st.just(".")), below, max_size=3),
    max_leaves=12,
).map(lambda node: {name: child for name, child in _canonical(node).items() if name != "."})


def members(found: Set) -> set[tuple[str, ...]]:
    return set(fieldsets.paths(found))


@given(SETS, SETS)
def test_the_laws_of_sets(one: Set, other: Set) -> None:
    assert members(fieldsets.union(one, other)) == members(one) | members(other)
    assert members(fieldsets.difference(one, other)) == members(one) - members(other)
    assert members(fieldsets.intersection(one, other)) == members(one) & members(other)


@given(SETS, SETS)
def test_without_takes_what_is_below(one: Set, other: Set) -> None:
    gone = members(other)
    kept = {path for path in members(one) if not any(path[: len(taken)] == taken for taken in gone)}
    assert members(fieldsets.without(one, other)) == kept


@given(SETS, SETS)
def test_nothing_leads_nowhere(one: Set, other: Set) -> None:
    for found in (fieldsets.union(one, other), fieldsets.difference(one, other), fieldsets.intersection(one, other)):
        assert _canonical(found) == found


def test_what_stays_the_same_is_shared() -> None:
    fields: Set = {"f:spec": {"f:replicas": {}}}
    assert fieldsets.difference(fields, {"f:status": {"f:replicas": {}}}) is fields


def test_paths_in_words() -> None:
    fields: Set = {
        "f:spec": {
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}}},
            "f:selector": {},
        },
        "f:metadata": {"f:finalizers": {'v:"a/b"': {}}},
    }
    assert list(map(fieldsets.shown, fieldsets.paths(fields))) == [
        '.metadata.finalizers[="a/b"]',
        ".spec.selector",
        '.spec.ports[port=80,protocol="TCP"]',
        '.spec.ports[port=80,protocol="TCP"].name',
    ]


def test_names_are_written_in_their_order() -> None:
    found = {"f:spec": {'k:{"name":"b"}': {}, "f:b": {"f:z": {}, "f:a": {}, ".": {}}, "f:a": {}}, "f:data": {}}
    text = '{"f:data":{},"f:spec":{"f:a":{},"f:b":{".":{},"f:a":{},"f:z":{}},"k:{\\"name\\":\\"b\\"}":{}}}'
    assert orjson.dumps(fieldsets.in_order(found)).decode() == text
