from __future__ import annotations

from typing import Any

import pytest

from pocketkube.fieldmanager import comparing, shapes

POD = shapes.of_kind("v1", "Pod")
SERVICE = shapes.of_kind("v1", "Service")
TCP, UDP = 'k:{"port":80,"protocol":"TCP"}', 'k:{"port":80,"protocol":"UDP"}'


def service(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def test_what_comes_as_a_whole_is_a_member_with_all_below() -> None:
    changed, removed = comparing.compare(SERVICE, service(), service(ports=[{"port": 80, "name": "a"}]))
    assert changed == {"f:spec": {"f:ports": {".": {}, TCP: {".": {}, "f:port": {}, "f:name": {}}}}}
    assert removed == {}


def test_items_come_go_and_change_by_their_keys() -> None:
    old = service(ports=[{"port": 80, "name": "a"}, {"port": 80, "protocol": "UDP"}])
    new = service(ports=[{"port": 81}, {"port": 80, "protocol": "TCP", "name": "b"}])
    changed, removed = comparing.compare(SERVICE, old, new)
    assert changed == {
        "f:spec": {
            "f:ports": {
                'k:{"port":81,"protocol":"TCP"}': {".": {}, "f:port": {}},
                TCP: {"f:name": {}, "f:protocol": {}},
            }
        }
    }
    assert removed == {"f:spec": {"f:ports": {UDP: {".": {}, "f:port": {}, "f:protocol": {}}}}}


def test_one_value_is_one_field() -> None:
    changed, removed = comparing.compare(SERVICE, service(selector={"a": "1"}), service(selector={"a": "2", "b": "1"}))
    assert (changed, removed) == ({"f:spec": {"f:selector": {}}}, {})


def test_the_order_of_a_list_is_nobodys() -> None:
    ports = [{"port": 80}, {"port": 81}]
    assert comparing.compare(SERVICE, service(ports=ports), service(ports=ports[::-1])) == ({}, {})


def test_null_and_empty_are_not_the_same_but_hold_nothing() -> None:
    old, new = {"spec": {"containers": None}}, {"spec": {"containers": [{"name": "a", "image": "i"}]}}
    item = {".": {}, "f:name": {}, "f:image": {}}
    assert comparing.compare(POD, old, new)[0] == {"f:spec": {"f:containers": {'k:{"name":"a"}': item}}}
    assert comparing.compare(POD, {"spec": {"volumes": None}}, {"spec": {"volumes": []}})[0] == {
        "f:spec": {"f:volumes": {}}
    }


def test_several_with_one_key_are_one_value() -> None:
    twice = {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}]}}
    other = {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "3"}]}]}}
    changed, _ = comparing.compare(POD, twice, other)
    assert changed == {"f:spec": {"f:containers": {'k:{"name":"c"}': {"f:env": {'k:{"name":"A"}': {}}}}}}
    assert comparing.fields_of(POD, twice)["f:spec"]["f:containers"]['k:{"name":"c"}']["f:env"] == {
        'k:{"name":"A"}': {}
    }


def test_the_fields_of_a_configuration() -> None:
    config = {
        "metadata": {"labels": {"a": "b"}, "annotations": {}, "finalizers": ["x/y"]},
        "spec": {"nodeSelector": {"a": "b"}, "securityContext": {}, "hostname": None, "containers": []},
    }
    assert comparing.fields_of(POD, config) == {
        "f:metadata": {"f:labels": {"f:a": {}}, "f:annotations": {}, "f:finalizers": {'v:"x/y"': {}}},
        "f:spec": {"f:nodeSelector": {}, "f:securityContext": {}, "f:hostname": {}},
    }


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (None, "associative list with keys may not have a null element"),
        ("x", "associative list with keys may not have non-map elements"),
        (
            {"size": 1},
            'associative list with keys has an element that omits all key fields ["name" "at"] '
            "(and doesn't have default values for any key fields)",
        ),
    ],
)
def test_items_without_a_key(item: Any, text: str) -> None:
    rooms = shapes.of_schema(
        {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "at"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}},
        },
        {},
    )
    with pytest.raises(comparing.Unkeyed) as refused:
        comparing.element_of(rooms, item)
    assert str(refused.value) == text
