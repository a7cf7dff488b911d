"""Whether a node's labels and taints let a pod be there."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube import placement
from pocketkube.objects import Obj

NODE: Obj = {
    "metadata": {"name": "n1", "labels": {"disk": "ssd"}},
    "spec": {"taints": [{"key": "a", "value": "1", "effect": "NoSchedule"}, {"key": "b", "effect": "NoExecute"}]},
}


def required(*terms: Obj) -> Obj:
    wanted = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": wanted}}


def on_field(name: str) -> Obj:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}


def on_label(value: str) -> Obj:
    return {"matchExpressions": [{"key": "disk", "operator": "In", "values": [value]}]}


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        (required(on_field("n1")), True),
        (required(on_field("n2")), False),
        (required(on_label("hdd"), on_label("ssd")), True),
        (required(on_label("ssd") | on_field("n2")), False),
        (required({}), False),
        ({"nodeSelector": {"disk": "hdd"}} | required(on_field("n1")), False),
    ],
)
def test_the_node_a_pod_asks_for(spec: Obj, fits: bool) -> None:
    assert placement.node_fits(spec, NODE) is fits


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({}, None),
        (required(on_label("ssd")), None),
        (required(on_field("n1")), {"n1"}),
        (required(on_field("n1") | on_label("ssd"), on_field("n2")), {"n1", "n2"}),
        (required(on_field("n1"), on_label("ssd")), None),
        (required({"matchFields": on_field("n1")["matchFields"] + on_field("n2")["matchFields"]}), set()),
    ],
)
def test_the_nodes_a_pod_names(spec: Obj, names: set[str] | None) -> None:
    assert placement.named_nodes(spec) == names


@pytest.mark.parametrize(
    ("tolerations", "effects", "key"),
    [
        ([], placement.HARD, "a"),
        ([], ("NoExecute",), "b"),
        ([{"operator": "Exists"}], placement.HARD, None),
        ([{"key": "a", "value": "1"}], placement.HARD, "b"),
        ([{"key": "a", "value": "2"}], placement.HARD, "a"),
        ([{"key": "a", "operator": "Exists", "effect": "NoExecute"}], placement.HARD, "a"),
        ([{"key": "b", "operator": "Exists", "effect": "NoExecute"}], ("NoExecute",), None),
        ([], ("PreferNoSchedule",), None),
    ],
)
def test_the_first_taint_a_pod_does_not_tolerate(tolerations: list[Any], effects: tuple[str, ...], key: str) -> None:
    found = placement.untolerated({"tolerations": tolerations}, NODE, effects)
    assert (found or {}).get("key") == key
