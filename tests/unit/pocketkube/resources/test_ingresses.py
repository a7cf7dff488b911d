"""Ingresses and their classes: what the recordings do not show, for they were made without a class."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
DEFAULT = {"ingressclass.kubernetes.io/is-default-class": "true"}


@pytest.fixture
def held() -> Registry:
    held = registry()
    namespace(held, "shop")
    return held


def ingress(name: str = "web", *, annotations: dict[str, str] | None = None, **spec: Any) -> Obj:
    spec.setdefault("defaultBackend", copy.deepcopy(BACKEND))
    return {"metadata": {"name": name, "namespace": "shop", "annotations": annotations or {}}, "spec": spec}


def ingress_class(name: str, *, controller: str = "example.com/c", default: bool = False, **spec: Any) -> Obj:
    meta = {"name": name, "annotations": dict(DEFAULT) if default else {}}
    return {"metadata": meta, "spec": {"controller": controller, **spec}}


def test_the_default_class_is_filled_in(held: Registry) -> None:
    held.create("ingressclasses", ingress_class("plain"))
    assert "ingressClassName" not in held.create("ingresses", ingress("before"))["spec"]
    held.create("ingressclasses", ingress_class("chosen", default=True))
    assert held.create("ingresses", ingress("after"))["spec"]["ingressClassName"] == "chosen"
    assert held.create("ingresses", ingress("named", ingressClassName="plain"))["spec"]["ingressClassName"] == "plain"


def test_an_update_is_given_no_class(held: Registry) -> None:
    made = held.create("ingresses", ingress())
    held.create("ingressclasses", ingress_class("late", default=True))
    assert "ingressClassName" not in held.update("ingresses", copy.deepcopy(made))["spec"]


def test_of_two_default_classes_the_newest_then_the_first_by_name(held: Registry) -> None:
    for name, made in (("b", "2026-01-01"), ("z", "2026-01-02"), ("c", "2026-01-02"), ("a", "2025-01-01")):
        made_class = held.create("ingressclasses", ingress_class(name, default=True))
        made_class["metadata"]["creationTimestamp"] = f"{made}T00:00:00Z"  # nothing else can turn back the time
    assert held.create("ingresses", ingress())["spec"]["ingressClassName"] == "c"


def test_the_old_annotation_keeps_the_default_away(held: Registry) -> None:
    held.create("ingressclasses", ingress_class("chosen", default=True))
    made = held.create("ingresses", ingress(annotations={"kubernetes.io/ingress.class": "other"}))
    assert "ingressClassName" not in made["spec"]


def test_annotation_and_field_must_agree_on_creation_only(held: Registry) -> None:
    old = {"kubernetes.io/ingress.class": "a"}
    with pytest.raises(Invalid, match=r'annotations\.kubernetes\.io/ingress.class: Invalid value: "a": must match'):
        held.create("ingresses", ingress(annotations=old, ingressClassName="b"))
    made = held.create("ingresses", ingress(annotations=old, ingressClassName="a"))
    changed = {**made, "spec": {**made["spec"], "ingressClassName": "b"}}
    assert held.update("ingresses", changed)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        ([], "*"),
        ([None], "*"),
        (["a.b"], "a.b"),
        (["a.b", None, "c.d"], "a.b,c.d"),
        (["a.b", "c.d", "e.f"], "a.b,c.d,e.f"),
        (["a.b", "c.d", "e.f", "g.h"], "a.b,c.d,e.f + 1 more..."),
        (["a.b", "c.d", "e.f", None, None], "a.b,c.d,e.f + 2 more..."),
    ],
)
def test_the_hosts_column(held: Registry, hosts: list[str | None], shown: str) -> None:
    rules = [{"host": host} if host else {} for host in hosts]
    made = held.create("ingresses", ingress(rules=rules))
    assert held.resources["ingresses"].row(made)[2] == shown


def test_the_address_column_and_status(held: Registry) -> None:
    made = held.create("ingresses", ingress())
    points = [{"hostname": "localhost"}, {"ip": "192.0.2.7", "hostname": "ignored.example"}]
    made = held.update("ingresses", {**made, "status": {"loadBalancer": {"ingress": points}}}, subresource="status")
    assert held.resources["ingresses"].row(made)[3] == "192.0.2.7,localhost"
    wrong = {**made, "status": {"loadBalancer": {"ingress": [{"ip": "nowhere"}, {"hostname": "10.0.0.1"}]}}}
    with pytest.raises(Invalid) as refused:
        held.update("ingresses", wrong, subresource="status")
    assert [cause["field"] for cause in refused.value.details["causes"]] == [
        "status.loadBalancer.ingress[0].ip",
        "status.loadBalancer.ingress[1].hostname",
    ]


def test_classes_default_their_scope_and_keep_their_controller(held: Registry) -> None:
    parameters = {"kind": "Limits", "name": "x", "apiGroup": "example.com", "scope": None}  # as it is decoded
    made = held.create("ingressclasses", ingress_class("c", default=True, parameters=parameters))
    assert made["spec"]["parameters"]["scope"] == "Cluster"
    assert held.resources["ingressclasses"].row(made)[:3] == ["c (default)", "example.com/c", "Limits.example.com/x"]
    with pytest.raises(Invalid, match=r'spec\.controller: Invalid value: "example.com/d": field is immutable'):
        held.update("ingressclasses", {**made, "spec": {"controller": "example.com/d"}})


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"controller": ""}, "spec.controller: Required value"),
        ({"controller": "plain"}, 'must be a domain-prefixed path (such as "acme.io/foo")'),
        ({"controller": "a.b/?"}, "Invalid path (regex used for validation is '"),
        ({"parameters": {"kind": "K", "name": "n", "namespace": "x"}}, "`parameters.scope` is set to 'Cluster'"),
        ({"parameters": {"kind": "K", "name": "n", "scope": "Namespace"}}, "`parameters.scope` is set to 'Namespace'"),
        ({"parameters": {"kind": "K", "name": "n", "scope": "X"}}, 'supported values: "Cluster", "Namespace"'),
        ({"parameters": {"scope": "Cluster"}}, "spec.parameters.kind: Required value"),
    ],
)
def test_classes_are_validated(held: Registry, spec: Obj, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        held.create("ingressclasses", ingress_class("c", **spec))
    assert text in refused.value.message
