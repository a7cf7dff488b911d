"""Topology hints: near an endpoint's own zone and node, or shared out by what zones can do."""

from __future__ import annotations

from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.controllers.hints import TopologyHints, by_annotation, prefer_close
from pocketkube.controllers.packing import Plan
from pocketkube.objects import Obj

AT = ("n", "web")


def node(name: str, zone: str, cpu: str = "4", *, ready: bool = True, role: str = "") -> Obj:
    labels = {k: v for k, v in (("topology.kubernetes.io/zone", zone), (role, "")) if k and (v or k == role)}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": {"cpu": cpu}, "conditions": conditions},
    }


def endpoint(number: int, zone: str, *, ready: bool = True, **fields: object) -> Obj:
    placed = {"zone": zone} if zone else {}
    return {
        "addresses": [f"10.0.0.{number}"],
        "nodeName": f"n-{zone}",
        "conditions": {"ready": ready},
        **placed,
        **fields,
    }


def zones(plan: Plan) -> Counter[str]:
    held = [e for es in (*plan.create, *plan.update.values(), *plan.unchanged.values()) for e in es]
    return Counter(zone["name"] for e in held if "hints" in e for zone in e["hints"]["forZones"])


def topology(*nodes: Obj) -> TopologyHints:
    hints = TopologyHints()
    hints.set_nodes(nodes)
    return hints


# -- trafficDistribution


def test_close_means_the_own_zone_and_on_request_the_own_node() -> None:
    for asked in ("PreferClose", "PreferSameZone", "PreferSameNode"):
        plan = Plan(create=[[endpoint(1, "a"), endpoint(2, "b", ready=False), endpoint(3, "")]])
        prefer_close([plan], asked)
        first, second, third = plan.create[0]
        nodes = {"forNodes": [{"name": "n-a"}]} if asked == "PreferSameNode" else {}
        assert first["hints"] == {"forZones": [{"name": "a"}], **nodes}
        assert "hints" not in second
        assert third.get("hints") == ({"forNodes": [{"name": "n-"}]} if nodes else None)


def test_a_slice_nobody_else_changes_is_written_only_when_its_hints_are_wrong() -> None:
    right, wrong = (
        endpoint(1, "a", hints={"forZones": [{"name": "a"}]}),
        endpoint(2, "a", hints={"forZones": [{"name": "b"}]}),
    )
    plan = Plan(unchanged={"right": [right], "wrong": [wrong], "none": [endpoint(3, "a")]})
    prefer_close([plan], "PreferSameZone")
    assert set(plan.unchanged) == {"right"}
    assert zones(plan) == {"a": 3}
    prefer_close([plan], None)
    assert not zones(plan)
    assert plan.unchanged == {}
    assert right["hints"]  # what the store holds is never changed in place


# -- topology-mode


def test_which_annotation_counts() -> None:
    old, new = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
    for notes, expected in (
        ({new: "Auto"}, True),
        ({new: "auto"}, True),
        ({old: "no", new: "Auto"}, False),
        ({}, False),
    ):
        assert by_annotation({"metadata": {"annotations": notes}}) is expected


def test_endpoints_are_moved_from_the_zone_with_too_many() -> None:
    hints = topology(node("1", "a"), node("2", "b"))
    plan = Plan(create=[[endpoint(n, "a" if n < 6 else "b") for n in range(8)]])
    said = hints.add([plan], AT, "IPv4")
    assert said == ("Normal", "TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled, addressType: IPv4")
    assert zones(plan) == {"a": 4, "b": 4}
    assert hints.add([plan], AT, "IPv4") is None


def test_a_zone_with_more_cpu_gets_more() -> None:
    hints = topology(
        node("1", "a", "6"), node("2", "b", "2"), node("3", "c", "9", role="node-role.kubernetes.io/control-plane")
    )
    plan = Plan(create=[[endpoint(n, "a" if n % 2 else "b") for n in range(8)]])
    hints.add([plan], AT, "IPv4")
    assert zones(plan) == {"a": 6, "b": 2}


@pytest.mark.parametrize(
    ("nodes", "endpoints", "why"),
    [
        (
            [node("1", "a")],
            4,
            "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes",
        ),
        ([node("1", "a"), node("2", "")], 4, "Insufficient Node information: allocatable CPU or zone not specified on"),
        ([node("1", "a"), node("2", "b")], 1, "Insufficient number of endpoints (1 endpoints, 2 zones)"),
        (
            [node("1", "a", "100"), node("2", "b", "1"), node("3", "c", "1")],
            3,
            "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (3 "
            "endpoints, 3 zones)",
        ),
    ],
)
def test_where_hints_would_not_do_there_are_none_and_it_is_said(nodes: list[Obj], endpoints: int, why: str) -> None:
    held = [endpoint(n, "a", hints={"forZones": [{"name": "a"}]}) for n in range(endpoints)]
    plan = Plan(unchanged={"s": held})
    said = topology(*nodes).add([plan], AT, "IPv6")
    assert said is not None
    assert said[:2] == ("Warning", "TopologyAwareHintsDisabled")
    assert said[2].startswith(why)
    assert said[2].endswith(", addressType: IPv6")
    assert not zones(plan)
    assert set(plan.update) == {"s"}


def test_an_endpoint_without_a_zone_ends_it() -> None:
    hints = topology(node("1", "a"), node("2", "b"))
    held = [endpoint(1, "a"), endpoint(2, "b"), endpoint(3, "a"), endpoint(4, "")]
    said = hints.add([Plan(create=[held])], AT, "IPv4")
    assert said is not None
    assert said[2] == "One or more endpoints do not have a zone specified, addressType: IPv4"


def test_removing_the_annotation_is_said_once() -> None:
    hints = topology(node("1", "a"), node("2", "b"))
    assert hints.disable(AT, "IPv4") is None
    hints.add([Plan(create=[[endpoint(1, "a"), endpoint(2, "b")]])], AT, "IPv4")
    said = hints.disable(AT, "IPv4")
    assert said == (
        "Warning",
        "TopologyAwareHintsDisabled",
        "Topology Aware Hints has been disabled, addressType: IPv4",
    )
    assert hints.disable(AT, "IPv4") is None


def test_services_that_a_new_zone_leaves_short_are_named() -> None:
    hints = topology(node("1", "a"), node("2", "b"))
    hints.add([Plan(create=[[endpoint(n, "ab"[n % 2]) for n in range(4)]])], AT, "IPv4")
    assert hints.set_nodes([node("1", "a"), node("2", "b")]) == []
    assert hints.set_nodes([node("1", "a"), node("2", "b"), node("3", "c")]) == [AT]


@given(
    cpus=st.lists(st.integers(1, 64), min_size=2, max_size=5),
    placed=st.lists(st.integers(0, 4), max_size=60),
    unchanged=st.integers(0, 60),
)
def test_no_zone_gets_so_little_that_its_endpoints_are_overloaded(
    cpus: list[int], placed: list[int], unchanged: int
) -> None:
    names = "abcde"[: len(cpus)]
    hints = topology(*(node(zone, zone, str(cpu)) for zone, cpu in zip(names, cpus, strict=True)))
    held = [endpoint(n, names[zone % len(names)]) for n, zone in enumerate(placed)]
    plan = Plan(create=[held[unchanged:]], unchanged={"old": held[:unchanged]})
    said = hints.add([plan], AT, "IPv4")
    assert said is not None
    found = zones(plan)
    if said[0] == "Warning":
        assert not found
        return
    assert found.total() == len(placed)
    for zone, cpu in zip(names, cpus, strict=True):
        assert found[zone] >= ceil(len(placed) * cpu / sum(cpus) / 1.2) - 1
    again = Plan(unchanged={str(n): es for n, es in enumerate((*plan.create, *plan.update.values())) if es})
    hints.add([again], AT, "IPv4")
    assert zones(again).total() == len(placed)
