"""patch.py: JSON patch and merge patch."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import patch
from pocketkube.errors import BadRequest, Invalid, RequestEntityTooLarge

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab~/", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab~/", max_size=2), inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.text("ab~/", max_size=2), _JSON, max_size=4)


@pytest.mark.parametrize(
    ("original", "change", "expected"),
    [
        ({"a": "b"}, {"a": None}, {}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "c"}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
    ],
)
def test_merge_patch(original: dict[str, Any], change: dict[str, Any], expected: dict[str, Any]) -> None:
    assert patch.merge_patch(original, change) == expected


@given(_OBJECTS, _OBJECTS)
def test_merge_patch_leaves_its_inputs_alone_and_is_idempotent(
    original: dict[str, Any], change: dict[str, Any]
) -> None:
    before = copy.deepcopy((original, change))
    once = patch.merge_patch(original, change)
    assert patch.merge_patch(once, change) == once
    assert (original, change) == before


@given(_OBJECTS, _OBJECTS)
def test_json_patch_gets_from_one_object_to_another(source: dict[str, Any], target: dict[str, Any]) -> None:
    before = copy.deepcopy(source)
    operations = jsonpatch.make_patch(source, target).patch
    assert patch.json_patch(source, operations) == target
    assert source == before


def test_json_patch_quirks_of_the_server() -> None:
    assert patch.json_patch({"a": {}}, [{"op": "replace", "path": "/a/b", "value": 1}]) == {"a": {"b": 1}}
    assert patch.json_patch({"a": 1}, [{"op": "test", "path": "/b", "value": None}]) == {"a": 1}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/none"},
        {"op": "add", "path": "/none/b", "value": 1},
        {"op": "add", "path": "/l/5", "value": 1},
        {"op": "replace", "path": "/l/5", "value": 1},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/b", "value": 2},
        {"op": "merge", "path": "/a", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "add", "path": "no-slash", "value": 1},
        {"op": "move", "from": "/none", "path": "/b"},
        {"op": "replace"},
        {"path": "/a"},
        {},
        None,
    ],
)
def test_json_patch_that_does_not_apply(operation: Any) -> None:
    with pytest.raises(Invalid) as refused:
        patch.json_patch({"a": 1, "l": []}, [operation])
    assert refused.value.message == "the server rejected our request due to an error in our request"
    assert refused.value.details == {}


def test_parsing() -> None:
    assert patch.parse_map_patch(b'{"a":1}') == {"a": 1}
    assert patch.parse_map_patch(b"null") == {}
    assert patch.parse_json_patch(b"null") == []
    with pytest.raises(BadRequest, match=r"^unexpected end of JSON input$"):
        patch.parse_map_patch(b"{", strategic=True)
    with pytest.raises(BadRequest, match=r"number into Go struct field jsonPatchOp\.path of type string$"):
        patch.parse_json_patch(b'[{"op":"add","path":1}]')
    with pytest.raises(BadRequest, match=r"cannot unmarshal string into Go value of type handlers\.jsonPatchOp$"):
        patch.parse_json_patch(b'["x"]')
    with pytest.raises(RequestEntityTooLarge, match=r"in a JSON patch is 10000, got 10001$"):
        patch.parse_json_patch(b"[" + b",".join([b"{}"] * 10001) + b"]")
