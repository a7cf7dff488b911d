"""What a pod says of its place: label keys that become selectors, and what may change while gates hold it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.storage_kinds import refused

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.registry import Registry

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
TERMS = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
GATES = [{"name": "example.com/hold"}]


def pod(**spec: Any) -> Obj:
    containers = [{"name": "main", "image": "busybox:1.36"}]
    meta = {"name": "p", "namespace": "test", "labels": {"app": "web", "version": "2"}}
    return {"metadata": meta, "spec": {"containers": containers, **spec}}


def selector(**fields: Any) -> Obj:
    return {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname", **fields}


def in_(key: str, value: str, operator: str = "In") -> Obj:
    return {"key": key, "operator": operator, "values": [value]}


def test_label_keys_take_their_values_from_the_pod(held: Registry) -> None:
    required = selector(matchLabelKeys=["version", "missing"], mismatchLabelKeys=["app"])
    preferred = {"weight": 1, "podAffinityTerm": selector(matchLabelKeys=["version"])}
    spread = selector(matchLabelKeys=["version"], maxSkew=1, whenUnsatisfiable="DoNotSchedule")
    affinity = {"podAffinity": {PREFERRED: [preferred]}, "podAntiAffinity": {REQUIRED: [required]}}
    made = held.create("pods", pod(affinity=affinity, topologySpreadConstraints=[spread]))
    spec = objects.spec(made)
    term = spec["affinity"]["podAntiAffinity"][REQUIRED][0]
    assert term["labelSelector"]["matchExpressions"] == [in_("version", "2"), in_("app", "web", "NotIn")]
    soft = spec["affinity"]["podAffinity"][PREFERRED][0]["podAffinityTerm"]
    assert soft["labelSelector"]["matchExpressions"] == [in_("version", "2")]
    constraint = spec["topologySpreadConstraints"][0]
    assert constraint["labelSelector"] == {"matchLabels": {"app": "web"}, "matchExpressions": [in_("version", "2")]}


def test_a_key_may_not_be_said_twice(held: Registry) -> None:
    at = f"spec.affinity.podAntiAffinity.{REQUIRED}[0]"
    affinity = {"podAntiAffinity": {REQUIRED: [selector(matchLabelKeys=["app"])]}}
    why = 'Invalid value: "app": exists in both matchLabelKeys and labelSelector'
    assert refused(held, "pods", pod(affinity=affinity)) == [f"{at}[0]: {why}"]
    spread = selector(matchLabelKeys=["app"], maxSkew=1, whenUnsatisfiable="DoNotSchedule")
    expected = [f"spec.topologySpreadConstraints[0][0]: {why}"]
    assert refused(held, "pods", pod(topologySpreadConstraints=[spread])) == expected


def node_affinity(*terms: list[Obj], **more: Any) -> Obj:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": t} for t in terms]}, **more}}


def changed(held: Registry, before: Obj, after: Obj) -> Obj:
    """The pod to update to: made with some fields of the spec, and then with others."""
    held.create("pods", pod(schedulingGates=GATES, **before))
    new = objects.copy(held.get("pods", "test", "p"))
    for name in before:
        del new["spec"][name]
    new["spec"].update(after)
    return new


SSD, ZONE = in_("disk", "ssd"), in_("zone", "a")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"nodeSelector": {"disk": "ssd"}}),
        ({"nodeSelector": {"disk": "ssd"}}, {"nodeSelector": {"disk": "ssd", "zone": "a"}}),
        ({}, {"affinity": node_affinity([SSD])}),
        ({"affinity": node_affinity([SSD])}, {"affinity": node_affinity([SSD, ZONE])}),
        ({"affinity": {"podAffinity": {REQUIRED: [selector()]}}}, None),
    ],
)
def test_what_a_gated_pod_may_ask_for_in_addition(held: Registry, before: Obj, after: Obj | None) -> None:
    if after is None:  # beside other affinity, which stays
        after = {"affinity": {**objects.copy(before["affinity"]), **node_affinity([SSD])}}
    made = held.update("pods", changed(held, before, after))
    assert {name: made["spec"][name] for name in after} == after
    assert made["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            {"nodeSelector": {"disk": "ssd"}},
            {"nodeSelector": {"zone": "a"}},
            "spec.nodeSelector: Invalid value: {}: only additions to spec.nodeSelector are allowed "
            "(no mutations or deletions)",
        ),
        (
            {"affinity": node_affinity([SSD])},
            {"affinity": node_affinity([SSD], [ZONE])},
            f"{TERMS}: Invalid value: {{}}: no additions/deletions to non-empty NodeSelectorTerms list are allowed",
        ),
        (
            {"affinity": node_affinity([SSD])},
            {"affinity": node_affinity([ZONE])},
            f"{TERMS}[0]: Invalid value: {{}}: only additions are allowed (no mutations or deletions)",
        ),
    ],
)
def test_what_it_may_not(held: Registry, before: Obj, after: Obj, problem: str) -> None:
    head, tail = problem.split("{}")
    (found,) = refused(held, "pods", changed(held, before, after), update=True)
    assert found.startswith(head)
    assert found.endswith(tail)


def test_without_gates_nothing_of_it_may_change(held: Registry) -> None:
    held.create("pods", pod())
    new = objects.copy(held.get("pods", "test", "p"))
    new["spec"]["nodeSelector"] = {"disk": "ssd"}
    (found,) = refused(held, "pods", new, update=True)
    assert found.startswith("spec: Forbidden: pod updates may not change fields other than")


def test_gates_may_go_and_not_come(held: Registry) -> None:
    new = changed(held, {}, {"schedulingGates": [*GATES, {"name": "example.com/other"}]})
    (found,) = refused(held, "pods", new, update=True)
    assert "only deletion is allowed, but found new scheduling gate 'example.com/other'" in found
    held.patch("pods", "test", "p", lambda copy: copy["spec"].update(schedulingGates=[]))
