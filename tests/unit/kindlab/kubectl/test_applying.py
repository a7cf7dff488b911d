"""The patch `apply` sends: what the manifest changed since it was applied last, and nothing else."""

import json
from typing import Any

import pytest

from kindlab.kubectl.applying import LAST_APPLIED, noted, patch

Obj = dict[str, Any]


def service(*ports: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": list(ports), **spec},
    }


def live(obj: Obj, **more: Any) -> Obj:
    """As the server holds it after an apply: with the note, and with fields it filled in."""
    made = noted(obj, "shop")
    ports = [{"protocol": "TCP", "targetPort": p["port"], **p} for p in obj["spec"].get("ports", [])]
    return {**made, "spec": {**obj["spec"], "ports": ports, "clusterIP": "10.96.0.7", "type": "ClusterIP", **more}}


def change(before: Obj, after: Obj, **more: Any) -> Obj:
    """The patch without the note."""
    found = patch(noted(after, "shop"), live(before, **more))
    annotations = found.get("metadata", {}).pop("annotations", {})
    assert set(annotations) <= {LAST_APPLIED}
    return {k: v for k, v in found.items() if v}


def test_the_same_again_is_nothing() -> None:
    assert patch(noted(service({"port": 80}), "shop"), live(service({"port": 80}))) == {}


def test_the_note_is_kubectl_s() -> None:
    text = noted(service({"port": 80}), "shop")["metadata"]["annotations"][LAST_APPLIED]
    assert text.endswith("}\n")
    assert text.startswith(
        '{"apiVersion":"v1","kind":"Service","metadata":{"annotations":{},"name":"web","namespace":"shop"}'
    )
    assert noted({**service(), "metadata": json.loads(text)["metadata"]}, "shop")["metadata"]["annotations"].keys() == {
        LAST_APPLIED
    }


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            service({"port": 80}),
            service({"port": 80, "targetPort": 8080}),
            {"ports": [{"port": 80, "targetPort": 8080}]},
        ),
        (
            service({"port": 8081, "targetPort": 80}),
            service({"port": 80, "targetPort": 8081}),
            {"ports": [{"port": 80, "targetPort": 8081}, {"port": 8081, "$patch": "delete"}]},
        ),
        (
            service({"port": 80, "name": "a"}),
            service({"port": 80, "name": "a"}, {"port": 81, "name": "b"}),
            {"ports": [{"port": 81, "name": "b"}]},
        ),
        (service(sessionAffinity="ClientIP"), service(), {"sessionAffinity": None}),
        (service(), service(selector={"app": "cart"}), {"selector": {"app": "cart"}}),
        (service(), service(selector={"tier": "x"}), {"selector": {"tier": "x", "app": None}}),
    ],
)
def test_only_what_changed_is_sent(before: Obj, after: Obj, expected: Obj) -> None:
    assert change(before, after)["spec"] == expected


def test_what_others_set_stays() -> None:
    assert change(service(), service(), externalTrafficPolicy="Local") == {}


def test_ports_with_one_number_twice_are_replaced_as_a_whole() -> None:
    two = [{"port": 53, "name": "u", "protocol": "UDP"}, {"port": 53, "name": "t"}]
    found = change(service({"port": 53, "name": "u", "protocol": "UDP"}), service(*two))
    assert found["spec"]["ports"] == [{"$patch": "replace"}, *two]


def test_containers_are_joined_by_name_and_arguments_replaced() -> None:
    def deployment(*containers: Obj) -> Obj:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"containers": list(containers)}}},
        }

    before = deployment(
        {"name": "a", "image": "x", "args": ["1", "2"], "env": [{"name": "K", "value": "1"}]},
        {"name": "b", "image": "y"},
    )
    after = deployment({"name": "a", "image": "x", "args": ["1"], "env": [{"name": "L", "value": "2"}]})
    found = patch(noted(after, "shop"), noted(before, "shop"))
    assert found["spec"]["template"]["spec"]["containers"] == [
        {"name": "a", "args": ["1"], "env": [{"name": "L", "value": "2"}, {"name": "K", "$patch": "delete"}]},
        {"name": "b", "$patch": "delete"},
    ]
    merge = patch(noted(after, "shop"), noted(before, "shop"), strategic=False)
    assert merge["spec"]["template"]["spec"]["containers"] == after["spec"]["template"]["spec"]["containers"]


def test_an_object_stays_in_the_namespace_that_it_names() -> None:
    elsewhere = {**service(), "metadata": {"name": "web", "namespace": "outside"}}
    assert noted(elsewhere, "shop")["metadata"]["namespace"] == "outside"
    assert noted(service(), "shop")["metadata"]["namespace"] == "shop"
