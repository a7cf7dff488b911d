"""strategic.py: directives, merge keys and the order lists come out in, on real kinds."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import patch, schema
from pocketkube.errors import BadRequest, Invalid, StatusError, Unknown

POD = ("v1", "Pod")


def _merge(original: Any, change: Any, kind: tuple[str, str] = POD) -> Any:
    before = copy.deepcopy((original, change))
    result = patch.strategic_merge(original, change, schema.for_kind(*kind))
    assert (original, change) == before, "an input was changed"
    return result


def _named(text: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in text.split()]


def _containers(original: str, change: list[dict[str, Any]], order: str | None = None) -> str:
    spec: dict[str, Any] = {"containers": change}
    if order is not None:
        spec["$setElementOrder/containers"] = _named(order)
    merged = _merge({"spec": {"containers": _named(original)}}, {"spec": spec})["spec"]
    assert merged.keys() == {"containers"}
    return " ".join(item["name"] for item in merged["containers"])


def _delete(name: str) -> dict[str, Any]:
    return {"name": name, "$patch": "delete"}


@pytest.mark.parametrize(
    ("original", "change", "order", "expected"),
    [
        ("a b", _named("c"), None, "c a b"),  # without an order, new items come first
        ("a b", _named("b"), None, "a b"),
        ("a b", _named("b a"), None, "b a"),
        ("a b c", [_delete("b")], None, "a c"),
        ("a b", [_delete("z")], None, "a b"),
        ("a b", [{"$patch": "replace"}, *_named("x y")], None, "x y"),
        ("a b", [{"$patch": "replace"}], None, ""),
        ("a b c", [], "c b a", "c b a"),
        ("a b c", _named("d"), "d a b c", "d a b c"),
        ("a x b", _named("c"), "a b c", "a x b c"),  # the server's own x stays between
        ("x a b", [], "b a", "x b a"),
        ("a x b", [], "b a", "x b a"),
        ("a b d", [*_named("c"), _delete("a")], "b c", "b d c"),  # c takes the place a left
        ("a d", [*_named("b c"), _delete("a")], "b c", "d b c"),
    ],
)
def test_order_of_merged_lists(original: str, change: list[dict[str, Any]], order: str | None, expected: str) -> None:
    assert _containers(original, change, order) == expected


def test_lists_of_scalars_with_strategy_merge() -> None:
    held = {"metadata": {"finalizers": ["a", "b"]}}
    assert _merge(held, {"metadata": {"finalizers": ["c", "a"]}})["metadata"] == {"finalizers": ["c", "a", "b"]}
    removed = _merge(held, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "z"]}})
    assert removed["metadata"] == {"finalizers": ["b"]}
    ordered = {"$setElementOrder/finalizers": ["b", "c", "a"], "finalizers": ["c"]}
    assert _merge(held, {"metadata": ordered})["metadata"] == {"finalizers": ["b", "c", "a"]}
    assert _merge({"metadata": {}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}) == {"metadata": {}}


def test_other_lists_are_replaced() -> None:
    held = {"spec": {"tolerations": [{"key": "a"}], "containers": [{"name": "c", "args": ["a"]}]}}
    change = {"spec": {"tolerations": [{"key": "b"}], "containers": [{"name": "c", "args": ["b"]}]}}
    assert _merge(held, change) == change


def test_maps() -> None:
    held = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert _merge(held, {"metadata": {"labels": {"a": None, "c": "3", "z": None}}}) == {
        "metadata": {"labels": {"b": "2", "c": "3"}}
    }
    assert _merge(held, {"metadata": {"labels": {"$patch": "replace", "x": "y"}}}) == {
        "metadata": {"labels": {"x": "y"}}
    }
    assert _merge(held, {"metadata": {"labels": {"$patch": "delete"}}}) == {"metadata": {"labels": {}}}
    assert _merge(held, {"metadata": None}) == {}
    assert _merge({}, {"metadata": {"labels": {"a": None, "b": "1"}}}) == {"metadata": {"labels": {"b": "1"}}}
    assert _merge({}, {"spec": {"$patch": "delete"}}) == {}


def test_retain_keys() -> None:
    held = {"spec": {"volumes": [{"name": "d", "emptyDir": {}}]}}
    change = {"spec": {"volumes": [{"name": "d", "$retainKeys": ["name", "configMap"], "configMap": {"name": "x"}}]}}
    assert _merge(held, change) == {"spec": {"volumes": [{"name": "d", "configMap": {"name": "x"}}]}}


def test_service_ports_merge_by_port() -> None:
    held = {"spec": {"ports": [{"port": 80, "nodePort": 30080}, {"port": 443}]}}
    merged = _merge(held, {"spec": {"ports": [{"port": 80, "name": "web"}]}}, ("v1", "Service"))
    assert merged["spec"]["ports"] == [{"port": 80, "nodePort": 30080, "name": "web"}, {"port": 443}]


HELD = {"metadata": {"labels": {"a": "b"}, "finalizers": ["f"]}, "spec": {"containers": _named("a b")}}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"spec": {"containers": [{"image": "x"}]}},
            Unknown,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            {"spec": {"containers": [{"name": "a", "$patch": "explode"}]}},
            Unknown,
            "unknown patch type: explode in map: map[$patch:explode name:a]",
        ),
        ({"$patch": "explode"}, Unknown, "unknown patch type: explode in map: map[$patch:explode]"),
        (
            {"spec": {"containers": [{"name": "a", "$patch": "merge"}]}},
            Unknown,
            "merging lists cannot yet be specified in the patch",
        ),
        ({"metadata": {"$retainKeys": "a"}}, BadRequest, "invalid patch format of retainKeys"),
        ({"metadata": {"$retainKeys": ["a"], "b": 1}}, BadRequest, "invalid patch format of retainKeys"),
        (
            {"metadata": {"$deleteFromPrimitiveListfinalizers": ["f"]}},
            BadRequest,
            "invalid patch format of primitive list",
        ),
        ({"spec": {"$setElementOrder": []}}, BadRequest, "invalid patch format of setElementOrder list"),
        (
            {"spec": {"$setElementOrder/containers": "a"}},
            Unknown,
            "expected a []interface {}, but received a string",
        ),
        (
            {"spec": {"$setElementOrder/containers": _named("a"), "containers": _named("b")}},
            Unknown,
            "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
        ),
        (
            {"metadata": {"finalizers": [1]}},
            Unknown,
            "list element types are not identical: [[f] [1]]",
        ),
        (
            {"metadata": {"$setElementOrder/finalizer": ["a"]}},
            Unknown,
            'unable to find api field in struct ObjectMeta for the json field "finalizer"',
        ),
    ],
)
def test_refusals(change: Any, error: type[StatusError], message: str) -> None:
    with pytest.raises(error) as refused:
        _merge(HELD, change)
    assert refused.value.message == message


def test_lists_of_lists_and_custom_resources_are_refused() -> None:
    with pytest.raises(Invalid, match="rejected our request"):
        _merge({"metadata": {"finalizers": [["a"]]}}, {"metadata": {"finalizers": [["b"]]}})
    with pytest.raises(BadRequest, match="strategic merge patch format is not supported"):
        patch.strategic_merge({}, {}, schema.UNSTRUCTURED)


_NAMES = st.sampled_from("abcdef")
_LISTS = st.lists(_NAMES, max_size=6, unique=True)


@given(_LISTS, _LISTS, _LISTS)
def test_a_given_order_is_kept_and_nothing_is_lost(held: list[str], added: list[str], shuffled: list[str]) -> None:
    order = [*shuffled, *(name for name in added if name not in shuffled)]
    change = sorted(added, key=order.index)
    if not held and not change:
        return
    merged = _containers(" ".join(held), _named(" ".join(change)), " ".join(order)).split()
    assert sorted(merged) == sorted({*held, *added})
    assert [name for name in merged if name in order] == [name for name in order if name in merged]
    own = [name for name in held if name not in order]
    assert [name for name in merged if name in own] == own


@given(_LISTS, _LISTS)
def test_merging_twice_changes_nothing(held: list[str], change: list[str]) -> None:
    once = _containers(" ".join(held), _named(" ".join(change)))
    assert _containers(once, _named(" ".join(change))) == once
