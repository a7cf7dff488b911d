"""The Node a kubelet writes: its lease, its heartbeat, what it tells, and what others wrote into it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.kubelet.world import NODE, Node

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.kubelet.node import NodeAgent
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.store import Store


@pytest.fixture
async def fast(tmp_path: Path) -> AsyncIterator[Node]:
    """A node whose time runs a hundred times as fast."""
    node = Node(tmp_path, Store(None), Clock(100))
    await node.start()
    yield node
    await node.stop()


def said(node: Node, reason: str) -> list[tuple[str, str]]:
    """(type, message) of a reason's events about the node, one for each time it was told."""
    return [(type_, text) for type_, found, text in node.events(NODE) if found == reason]


def lease(node: Node) -> Obj:
    return objects.spec(node.client.get("leases", "kube-node-lease", NODE))


async def test_what_a_kubelet_tells_when_it_starts(fast: Node) -> None:
    await fast.until(lambda: said(fast, "NodeReady"))
    assert fast.events(NODE)[:6] == [
        ("Normal", "Starting", "Starting kubelet."),
        ("Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods"),
        ("Normal", "NodeHasSufficientMemory", f"Node {NODE} status is now: NodeHasSufficientMemory"),
        ("Normal", "NodeHasNoDiskPressure", f"Node {NODE} status is now: NodeHasNoDiskPressure"),
        ("Normal", "NodeHasSufficientPID", f"Node {NODE} status is now: NodeHasSufficientPID"),
        ("Normal", "NodeReady", f"Node {NODE} status is now: NodeReady"),
    ]


async def test_a_lease_is_renewed_every_ten_seconds_and_the_status_is_left_alone(fast: Node) -> None:
    assert (lease(fast)["holderIdentity"], lease(fast)["leaseDurationSeconds"]) == (NODE, 40)
    writes = {"nodes": 0, "leases": 0}
    seen: list[float] = []

    def count(event: object, kind: str) -> None:
        writes[kind] += 1
        if kind == "leases":
            seen.append(fast.clock.monotonic())

    await fast.until(lambda: objects.status(fast.client.get("nodes", "", NODE)).get("images"))  # after the first look
    for kind in writes:
        fast.client.subscribe(kind, lambda event, kind=kind: count(event, kind))
    await fast.until(lambda: writes["leases"] >= 5)
    assert all(later - earlier >= 9.9 for earlier, later in itertools.pairwise(seen))
    assert writes["nodes"] == 0


async def test_the_status_is_written_every_five_minutes_all_the_same(fast: Node) -> None:
    def beat() -> str:
        found = objects.condition(fast.client.get("nodes", "", NODE), "Ready")
        return str((found or {}).get("lastHeartbeatTime", ""))

    first = beat()
    await fast.until(lambda: beat() > first)
    second, since = beat(), fast.clock.monotonic()
    await fast.until(lambda: beat() > second)
    assert fast.clock.monotonic() - since >= 290


async def test_what_others_made_of_the_conditions_is_put_right(fast: Node) -> None:
    def unwell(node: Obj) -> None:
        for condition in node["status"]["conditions"]:
            condition.update(status="Unknown", reason="NodeStatusUnknown")

    fast.client.patch("nodes", ("", NODE), unwell, subresource="status")
    await fast.until(lambda: objects.condition_status(fast.client.get("nodes", "", NODE), "Ready") == "True")
    await fast.until(lambda: len(said(fast, "NodeReady")) == 1)
    counts = [e["count"] for e in fast.client.list("events") if e["reason"] == "NodeReady"]
    assert counts == [2]


async def test_extended_resources_stay_and_can_be_allocated(fast: Node) -> None:
    fast.client.patch(
        "nodes", ("", NODE), lambda n: n["status"]["capacity"].update({"example.com/foo": "5"}), subresource="status"
    )

    def allocatable() -> Obj:
        return dict(objects.status(fast.client.get("nodes", "", NODE))["allocatable"])

    await fast.until(lambda: allocatable().get("example.com/foo") == "5")
    assert allocatable()["cpu"] == "4"


async def test_closing_and_opening_a_node_is_told(fast: Node) -> None:
    fast.client.patch("nodes", ("", NODE), lambda node: node["spec"].update(unschedulable=True))
    await fast.until(lambda: said(fast, "NodeNotSchedulable"))
    fast.client.patch("nodes", ("", NODE), lambda node: node["spec"].pop("unschedulable") and None)
    await fast.until(lambda: said(fast, "NodeSchedulable"))
    assert said(fast, "NodeNotSchedulable") == [("Normal", f"Node {NODE} status is now: NodeNotSchedulable")]


async def test_a_deleted_node_comes_back_with_the_next_start_only(tmp_path: Path) -> None:
    store = Store(None)
    node = Node(tmp_path, store, Clock(100))
    await node.start()
    await node.until(lambda: node.client.find("nodes", "", NODE) is not None)
    node.client.delete("nodes", ("", NODE))
    node.client.delete("leases", ("kube-node-lease", NODE))
    started = node.clock.monotonic()
    while node.clock.monotonic() < started + 40:
        await node.clock.sleep(5)
        assert node.client.find("nodes", "", NODE) is None
        assert node.client.find("leases", "kube-node-lease", NODE) is None
    await node.stop()
    again = Node(tmp_path, store, Clock(100))
    await again.start()
    await again.until(lambda: again.client.find("leases", "kube-node-lease", NODE) is not None)
    assert objects.condition_status(again.client.get("nodes", "", NODE), "Ready") == "True"
    await again.stop()


async def test_a_second_start_is_a_reboot(tmp_path: Path) -> None:
    store = Store(None)
    for _ in range(2):
        node = Node(tmp_path, store, Clock(100))
        await node.start()
        await node.until(lambda node=node: said(node, "NodeReady"))
        await node.stop()
    boot = objects.status(node.client.get("nodes", "", NODE))["nodeInfo"]["bootID"]
    assert said(node, "Rebooted") == [("Warning", f"Node {NODE} has been rebooted, boot id: {boot}")]


@pytest.mark.parametrize(("grace", "lease", "renewal"), [("50", 40, 10), ("10", 8, 2), ("0.5", 1, 0.25)])
def test_a_short_grace_period_makes_leases_short(grace: str, lease: float, renewal: float) -> None:
    registry = Registry(Store(None), Clock(), {"node_monitor_grace_period": grace})
    agent = NodeAgent(
        Client(registry, "kubelet"), "n", addresses=("1.1.1.1",), pod_cidrs=(), zone=None, roles=(), capacity={},
        catalogue={},
    )  # fmt: skip
    assert (agent.lease_seconds, agent.renew_seconds) == (lease, renewal)
