from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.fieldmanager import comparing, merging, shapes

POD = shapes.of_kind("v1", "Pod")
SERVICE = shapes.of_kind("v1", "Service")


def named(names: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name} for name in names]}}


@pytest.mark.parametrize(
    ("live", "config", "result"),
    [
        ("ab", "ba", "ba"),  # the configuration's order
        ("abc", "ca", "bca"),  # what is only live stays before what it stood before
        ("ab", "cab", "cab"),
        ("ab", "axb", "axb"),
        ("xa", "ay", "xay"),
        ("", "ab", "ab"),
        ("ab", "", "ab"),
    ],
)
def test_the_order_of_items(live: str, config: str, result: str) -> None:
    merged = merging.merge(POD, named(live), named(config))
    assert "".join(item["name"] for item in merged["spec"]["containers"]) == result


CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd")}, optional={"image": st.sampled_from("xy")}),
    unique_by=lambda item: item["name"],
).map(lambda items: {"metadata": {"labels": {"l": str(len(items))}}, "spec": {"containers": items}})


@given(CONTAINERS, CONTAINERS)
def test_what_is_merged_holds_both_and_the_configuration_goes_first(live: Any, config: Any) -> None:
    merged = merging.merge(POD, live, config)
    held = {item["name"]: item for item in merged["spec"]["containers"]}
    before = {item["name"]: item for item in live["spec"]["containers"]}
    assert len(held) == len(merged["spec"]["containers"])
    for item in config["spec"]["containers"]:
        assert held[item["name"]] == {**before.get(item["name"], {}), **item}
    assert held.keys() == before.keys() | {item["name"] for item in config["spec"]["containers"]}
    assert merging.merge(POD, merged, config) == merged


@given(CONTAINERS)
def test_removing_all_fields_leaves_none(obj: Any) -> None:
    left = merging.remove(POD, obj, merging.with_named(POD, comparing.fields_of(POD, obj)))
    assert comparing.fields_of(POD, left) == {}


def test_one_value_is_replaced() -> None:
    merged = merging.merge(SERVICE, {"spec": {"selector": {"a": "1", "b": "2"}}}, {"spec": {"selector": {"a": "3"}}})
    assert merged == {"spec": {"selector": {"a": "3"}}}


def test_what_gets_empty_stays() -> None:
    obj = {"metadata": {"labels": {"a": "1"}, "finalizers": ["x"]}}
    fields = {"f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {'v:"x"': {}}}}
    assert merging.remove(POD, obj, fields) == {"metadata": {"labels": {}, "finalizers": []}}
