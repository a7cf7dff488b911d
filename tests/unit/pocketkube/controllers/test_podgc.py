"""Pods whose node is gone."""

from __future__ import annotations

import pytest
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.controllers.podgc import PodGarbageCollector


async def test_pods_of_a_lost_node_go_after_the_quarantine() -> None:
    world = World(speed=200)
    world.node("gone")
    async with running(world):
        await world.until(lambda: world.find("serviceaccounts", "default") is not None)
        world.stubborn = True
        world.pod("p", nodeName="gone")
        world.pod("stays")
        await world.until(lambda: all(objects.status(p).get("phase") == "Running" for p in world.list("pods")))
        seen: list[str] = []

        def note(event: object) -> None:
            found = world.find("pods", "p")
            condition = objects.condition(found, "DisruptionTarget") if found else None
            if condition:
                seen.append(condition["message"])

        world.client.subscribe("pods", note)
        world.node("other")
        world.delete("nodes", "gone")
        before = world.registry.clock.monotonic()
        await world.until(lambda: world.find("pods", "p") is None)
        assert world.registry.clock.monotonic() - before >= 40
        assert "PodGC: node no longer exists" in seen


async def test_a_node_that_comes_back_keeps_its_pods() -> None:
    world = World(speed=200)
    world.node("n")
    async with running(world):
        await world.until(lambda: world.find("serviceaccounts", "default") is not None)
        world.pod("p")
        await world.until(lambda: objects.status(world.get("pods", "p")).get("phase") == "Running")
        world.delete("nodes", "n")
        world.node("n")
        until = world.registry.clock.monotonic() + 60
        while world.registry.clock.monotonic() < until:
            await world.settle()
        assert world.find("pods", "p") is not None


async def test_terminating_pods_of_a_node_out_of_service_go_when_it_is_not_ready() -> None:
    world = World()
    world.node("n")
    async with running(world):
        await world.until(lambda: world.find("serviceaccounts", "default") is not None)
        world.stubborn = True
        world.pod("p", nodeName="n")
        tolerated = {"key": "node.kubernetes.io/out-of-service", "operator": "Exists"}
        world.pod("stays", nodeName="n", tolerations=[tolerated])
        await world.until(lambda: all(objects.status(p).get("phase") == "Running" for p in world.list("pods")))
        world.delete("pods", "p")
        taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
        world.patch("nodes", "n", lambda n: n["spec"].update(taints=[taint]))
        await world.settle()
        assert world.find("pods", "p") is not None
        conditions = [{"type": "Ready", "status": "Unknown", "lastTransitionTime": world.registry.clock.now()}]
        world.patch("nodes", "n", lambda n: n["status"].update(conditions=conditions), subresource="status")
        await world.until(lambda: world.find("pods", "p") is None)
        world.delete("pods", "stays")
        await world.until(lambda: world.find("pods", "stays") is None)


async def test_the_oldest_finished_pods_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PodGarbageCollector, "threshold", 2)
    world = World()
    world.node("n")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    async with running(world, [PodGarbageCollector.name]):
        for name in ("a", "b", "c", "evicted", "runs"):
            world.pod(name, nodeName="n")
        await world.until(lambda: all(objects.status(p).get("phase") == "Running" for p in world.list("pods")))

        def end(name: str, **status: str) -> None:
            world.patch("pods", name, lambda pod: pod["status"].update(status), subresource="status")

        end("b", phase="Succeeded")
        end("evicted", phase="Failed", reason="Evicted")
        end("a", phase="Failed")
        await world.until(lambda: world.find("pods", "evicted") is None)
        end("c", phase="Succeeded")
        await world.until(lambda: len(world.list("pods")) == 3)
        assert {objects.name(pod) for pod in world.list("pods")} == {"b", "c", "runs"}
