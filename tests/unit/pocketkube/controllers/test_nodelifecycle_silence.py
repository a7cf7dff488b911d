"""Nodes that fall silent: their conditions, taints, pods and endpoints, and what comes back with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.pocketkube.controllers.world import World, pod_spec, running

from pocketkube import objects
from pocketkube.objects import Obj

NAMES = ("node-controller", "taint-eviction-controller", "endpoint-slice-controller", "deployment-controller")
UNREACHABLE = {"node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"}


class Fleet:
    """Nodes a, b and so on in zones of those names, whose leases are renewed while they are `up`."""

    def __init__(self, *names: str, grace: str = "6", speed: float = 20, zoned: bool = True) -> None:
        self.world = World(speed=speed, node_monitor_grace_period=grace, node_monitor_period="1")
        for name in ("default", "kube-node-lease"):
            self.world.create("namespaces", {"metadata": {"name": name}})
        self.world.create("serviceaccounts", {"metadata": {"name": "default"}})
        for name in names:
            self.world.node(name, zone=name if zoned else "")
        self.up = set(names)

    def renew(self) -> None:
        client = self.world.client
        now = client.clock.now_micro()
        for name in self.up:
            at, spec = ("kube-node-lease", name), {"holderIdentity": name, "renewTime": now}
            if client.find("leases", *at) is None:
                client.create("leases", {"metadata": {"namespace": at[0], "name": name}, "spec": spec})
            else:
                client.patch("leases", at, lambda lease, spec=spec: lease.update(spec=spec))

    @asynccontextmanager
    async def running(self, *more: str) -> AsyncIterator[World]:
        async def renewing() -> None:
            while True:
                self.renew()
                await self.world.client.clock.sleep(1)

        self.renew()
        async with running(self.world, {*NAMES, *more}) as world:
            task = asyncio.create_task(renewing())
            try:
                yield world
            finally:
                task.cancel()

    def come_back(self, name: str) -> None:
        """As a kubelet that registers again."""
        self.up.add(name)
        self.renew()
        now = self.world.client.clock.now()

        def well(node: Obj) -> None:
            for condition in node["status"]["conditions"]:
                ready = condition["type"] == "Ready"
                condition.update(status="True" if ready else "False", lastHeartbeatTime=now, lastTransitionTime=now)

        self.world.patch("nodes", name, well, subresource="status")


def ready_of(world: World, name: str) -> str:
    return objects.condition_status(world.get("nodes", name), "Ready")


def taints(world: World, name: str) -> set[str]:
    return {f"{t['key']}:{t['effect']}" for t in objects.spec(world.get("nodes", name)).get("taints") or ()}


def tolerating(seconds: int | None) -> list[Obj]:
    limit: dict[str, Any] = {} if seconds is None else {"tolerationSeconds": seconds}
    keys = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    return [{"key": key, "operator": "Exists", "effect": "NoExecute", **limit} for key in keys]


def is_ready(world: World, pod: str) -> bool:
    found = world.find("pods", pod)
    return found is not None and objects.condition_status(found, "Ready") == "True"


async def test_a_node_that_falls_silent_is_unknown_tainted_and_its_pods_are_no_endpoints() -> None:
    fleet = Fleet("a", "b")
    async with fleet.running() as world:
        world.service(selector={"app": "web"})
        for pod, node in (("on-a", "a"), ("on-b", "b")):
            world.pod(pod, {"app": "web"}, nodeName=node)
        await world.until(lambda: world.ready() == {"on-a", "on-b"})
        fleet.up.discard("b")
        await world.until(lambda: ready_of(world, "b") == "Unknown")
        conditions = {c["type"]: (c["status"], c["reason"]) for c in world.get("nodes", "b")["status"]["conditions"]}
        assert conditions == {
            "Ready": ("Unknown", "NodeStatusUnknown"),
            **dict.fromkeys(("MemoryPressure", "DiskPressure", "PIDPressure"), ("Unknown", "NodeStatusNeverUpdated")),
        }
        ready = objects.condition(world.get("nodes", "b"), "Ready")
        assert ready is not None
        assert ready["message"] == "Kubelet stopped posting node status."
        await world.until(lambda: world.ready() == {"on-a"})
        await world.until(lambda: taints(world, "b") == UNREACHABLE)
        assert world.events("b", reason="NodeNotReady") == ["Node b status is now: NodeNotReady"]
        assert world.events("on-b", reason="NodeNotReady") == ["Node is not ready"]
        assert world.events("b", reason="RegisteredNode") == ["Node b event: Registered Node b in Controller"]
        assert (ready_of(world, "a"), taints(world, "a")) == ("True", set())
        fleet.come_back("b")
        await world.until(lambda: taints(world, "b") == set())


async def test_a_pod_bound_to_a_silent_node_is_not_ready_whatever_it_says() -> None:
    fleet = Fleet("a", "b")
    async with fleet.running() as world:
        fleet.up.discard("b")
        await world.until(lambda: ready_of(world, "b") == "Unknown")
        body = {"metadata": {"name": "late"}, "spec": {**pod_spec(), "nodeName": "b", "tolerations": tolerating(None)}}
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        world.not_ready.add("late")
        created = world.create("pods", body)
        world.client.update_status("pods", {**created, "status": {**created["status"], **status}})
        await world.until(lambda: world.events("late", reason="NodeNotReady") == ["Node is not ready"])
        assert not is_ready(world, "late")


async def test_pods_are_evicted_from_a_silent_node_when_their_toleration_is_over() -> None:
    fleet = Fleet("a", "b")
    world = fleet.world
    async with fleet.running():
        world.stubborn = True
        for name, seconds in (("soon", 2), ("later", 100_000), ("never", None)):
            world.pod(name, nodeName="b", tolerations=tolerating(seconds))
        await world.until(lambda: all(is_ready(world, name) for name in ("soon", "later", "never")))
        fleet.up.discard("b")
        await world.until(lambda: objects.is_terminating(world.get("pods", "soon")))
        condition = objects.condition(world.get("pods", "soon"), "DisruptionTarget")
        assert condition is not None
        assert (condition["status"], condition["reason"], condition["message"]) == (
            "True", "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint",
        )  # fmt: skip
        assert world.events("soon", reason="TaintManagerEviction") == ["Marking for deletion Pod test/soon"]
        fleet.come_back("b")
        await world.until(lambda: world.events("later", reason="TaintManagerEviction") != [])
        assert world.events("later", reason="TaintManagerEviction") == ["Cancelling deletion of Pod test/later"]
        assert world.events("never", reason="TaintManagerEviction") == []
        assert not any(objects.is_terminating(world.get("pods", name)) for name in ("later", "never"))


async def test_nobody_is_evicted_while_no_node_is_ready() -> None:
    fleet = Fleet("a", "b")
    async with fleet.running() as world:
        fleet.up.clear()
        await world.until(lambda: {ready_of(world, name) for name in ("a", "b")} == {"Unknown"})
        started = world.client.clock.monotonic()
        while world.client.clock.monotonic() < started + 30:
            held = [taint for name in ("a", "b") for taint in taints(world, name) if taint.endswith("NoExecute")]
            assert held == []
            await asyncio.sleep(0.02)
        fleet.come_back("a")
        await world.until(lambda: taints(world, "b") >= UNREACHABLE)


async def test_nodes_of_one_zone_are_emptied_one_in_ten_seconds() -> None:
    fleet = Fleet("a", "b", "c", "d", "e", zoned=False)
    async with fleet.running() as world:
        fleet.up -= {"b", "c"}
        since: dict[str, float] = {}

        def both() -> bool:
            for name in ("b", "c"):
                if taints(world, name) >= UNREACHABLE:
                    since.setdefault(name, world.client.clock.monotonic())
            return len(since) == 2

        await world.until(both)
        assert abs(since["b"] - since["c"]) >= 9


async def test_a_node_deleted_and_made_again_is_known_anew() -> None:
    fleet = Fleet("a", "b")
    async with fleet.running() as world:
        await world.until(lambda: world.events("b", reason="RegisteredNode") != [])
        fleet.up.discard("b")
        world.delete("nodes", "b")
        await world.until(lambda: world.events("b", reason="RemovingNode") != [])
        assert world.events("b", reason="RemovingNode") == ["Node b event: Removing Node b from Controller"]
        world.node("b")
        await world.until(lambda: len(world.events("b", reason="RegisteredNode")) == 2)
