"""CSINodes: what the recordings (storage-09, csi-01, csi-09) do not show."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry
from tests.unit.pocketkube.resources.storage_kinds import refused, row

from pocketkube.objects import Obj
from pocketkube.registry import Registry


@pytest.fixture
def held() -> Registry:
    return registry()


def csi_node(*drivers: Obj) -> Obj:
    return {"metadata": {"name": "node-1"}, "spec": {"drivers": list(drivers)}}


def driver(name: str = "csi.example.com", **fields: Any) -> Obj:
    return {"name": name, "nodeID": "n", **fields}


def test_what_is_empty_is_written_as_null(held: Registry) -> None:
    made = held.create("csinodes", csi_node())
    assert made["spec"] == {"drivers": None}
    assert row(held, "csinodes", made) == ["node-1", 0]
    made = held.update("csinodes", {**made, "spec": csi_node(driver(), driver("b", topologyKeys=["k"]))["spec"]})
    assert [found["topologyKeys"] for found in made["spec"]["drivers"]] == [None, ["k"]]
    assert row(held, "csinodes", made) == ["node-1", 2]


@pytest.mark.parametrize(
    ("drivers", "problems"),
    [
        ([{}], ["spec.drivers[0].name: Required value", "spec.drivers[0].nodeID: Required value"]),
        ([driver("a" * 64)], ["spec.drivers[0].name: Too long: may not be more than 63 bytes"]),
        ([driver(), driver()], ['spec.drivers[1].name: Duplicate value: "csi.example.com"']),
        (
            [driver(nodeID="n" * 257)],
            [f'spec.drivers[0].nodeID: Invalid value: "{"n" * 257}": must be 256 characters or less'],
        ),
        (
            [driver(allocatable={"count": -1})],
            ["spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0"],
        ),
        ([driver(topologyKeys=["k", "k"])], ['spec.drivers[0]: Duplicate value: "k"']),
    ],
)
def test_what_a_node_is_refused_for(held: Registry, drivers: list[Obj], problems: list[str]) -> None:
    assert refused(held, "csinodes", csi_node(*drivers)) == problems


def test_names_and_keys_must_look_like_such(held: Registry) -> None:
    problems = refused(held, "csinodes", csi_node(driver("a b", topologyKeys=["", "a b"])))
    heads = [
        'spec.drivers[0].name: Invalid value: "a b": a lowercase RFC 1123 subdomain',
        "spec.drivers[0]: Required value",
        'spec.drivers[0]: Invalid value: "": name part must be non-empty',
        'spec.drivers[0]: Invalid value: "": name part must consist of',
        'spec.drivers[0]: Invalid value: "a b": name part must consist of',
    ]
    assert len(problems) == len(heads)
    for problem, head in zip(problems, heads, strict=True):
        assert problem.startswith(head)
    held.create("csinodes", csi_node(driver("Csi.Example.COM")))


def test_a_driver_may_change_its_count_only(held: Registry) -> None:
    made = held.create("csinodes", csi_node(driver(allocatable={"count": 1})))
    made = held.update("csinodes", {**made, "spec": csi_node(driver(allocatable={"count": 5}))["spec"]})
    assert made["spec"]["drivers"][0]["allocatable"] == {"count": 5}
    changed = {**made, "spec": csi_node(driver(nodeID="m", topologyKeys=["k"]))["spec"]}
    shown = '{"Name":"csi.example.com","NodeID":"m","TopologyKeys":["k"],"Allocatable":null}'
    assert refused(held, "csinodes", changed, update=True) == [
        f"spec.drivers: Invalid value: {shown}: field is immutable"
    ]


def test_drivers_come_and_go(held: Registry) -> None:
    made = held.create("csinodes", csi_node(driver("a")))
    made = held.update("csinodes", {**made, "spec": csi_node(driver("b"))["spec"]})
    assert [found["name"] for found in made["spec"]["drivers"]] == ["b"]
