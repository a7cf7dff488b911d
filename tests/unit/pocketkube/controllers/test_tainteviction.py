"""NoExecute taints: who goes, when, and what changes that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.objects import Obj

TAINT = {"key": "team", "value": "blue", "effect": "NoExecute"}


@pytest.fixture
async def evicting() -> AsyncIterator[World]:
    """Cluster time runs fifty times as fast."""
    world = World(speed=50)
    world.node("n")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    async with running(world, ["taint-eviction-controller"]) as it:
        yield it


def taint(world: World, *taints: Obj) -> None:
    world.patch("nodes", "n", lambda node: node["spec"].update(taints=list(taints)))


def toleration(seconds: int | None = None, **spec: Any) -> Obj:
    limit = {} if seconds is None else {"tolerationSeconds": seconds}
    return {"key": "team", "operator": "Exists", "effect": "NoExecute", **limit, **spec}


async def started(world: World, name: str, *tolerations: Obj) -> None:
    world.pod(name, nodeName="n", tolerations=list(tolerations))
    await world.until(lambda: objects.status(world.get("pods", name)).get("phase") == "Running")


def said(world: World, name: str) -> list[str]:
    return world.events(name, reason="TaintManagerEviction")


async def test_what_does_not_tolerate_goes_at_once_and_what_does_stays(evicting: World) -> None:
    await started(evicting, "goes")
    await started(evicting, "stays", toleration())
    taint(evicting, TAINT)
    await evicting.until(lambda: evicting.find("pods", "goes") is None)
    assert said(evicting, "goes")[0] == "Marking for deletion Pod test/goes"
    assert evicting.find("pods", "stays") is not None
    assert said(evicting, "stays") == []


async def test_no_schedule_evicts_nobody(evicting: World) -> None:
    await started(evicting, "stays")
    await started(evicting, "goes")
    taint(evicting, {**TAINT, "effect": "NoSchedule"}, {"key": "k", "effect": "PreferNoSchedule"})
    evicting.patch("pods", "goes", lambda pod: pod["spec"].update(tolerations=[*pod["spec"]["tolerations"]]))
    await evicting.settle()
    assert all(evicting.find("pods", name) is not None for name in ("stays", "goes"))


async def test_a_toleration_holds_for_its_seconds(evicting: World) -> None:
    await started(evicting, "p", toleration(40), toleration(3, key="other"))
    clock = evicting.client.clock
    taint(evicting, TAINT)
    since = clock.monotonic()
    await evicting.until(lambda: evicting.find("pods", "p") is None)
    assert clock.monotonic() - since >= 40


async def test_the_shortest_of_several_tolerations_counts(evicting: World) -> None:
    await started(evicting, "p", toleration(100_000), toleration(5, key="other"))
    taint(evicting, TAINT, {"key": "other", "effect": "NoExecute"})
    await evicting.until(lambda: evicting.find("pods", "p") is None)


async def test_a_taint_taken_off_in_time_cancels(evicting: World) -> None:
    await started(evicting, "p", toleration(100_000))
    taint(evicting, TAINT)
    await evicting.settle()
    taint(evicting)
    await evicting.until(lambda: said(evicting, "p") != [])
    assert said(evicting, "p") == ["Cancelling deletion of Pod test/p"]


async def test_a_second_taint_that_is_not_tolerated_does_not_wait(evicting: World) -> None:
    evicting.stubborn = True
    await started(evicting, "p", toleration(100_000))
    taint(evicting, TAINT)
    await evicting.settle()
    taint(evicting, TAINT, {"key": "other", "effect": "NoExecute"})
    await evicting.until(lambda: objects.is_terminating(evicting.get("pods", "p")))
    assert said(evicting, "p") == ["Cancelling deletion of Pod test/p", "Marking for deletion Pod test/p"]
    taint(evicting, TAINT, {"key": "third", "effect": "NoExecute"})
    await evicting.settle()
    assert len(said(evicting, "p")) == 2  # it is going already


async def test_a_pod_that_is_put_on_a_tainted_node_goes(evicting: World) -> None:
    taint(evicting, TAINT)
    evicting.pod("p", nodeName="n")
    await evicting.until(lambda: evicting.find("pods", "p") is None)


async def test_a_pod_of_the_same_name_has_a_time_of_its_own(evicting: World) -> None:
    await started(evicting, "p", toleration(100_000))
    taint(evicting, TAINT)
    await evicting.settle()
    evicting.delete("pods", "p", grace=0)
    await evicting.until(lambda: said(evicting, "p") == ["Cancelling deletion of Pod test/p"])
    await started(evicting, "p", toleration(5))
    await evicting.until(lambda: evicting.find("pods", "p") is None)


async def test_a_pod_made_again_at_once_is_another(evicting: World) -> None:
    """As a StatefulSet's, on a node that is out of service."""
    evicting.stubborn = True
    await started(evicting, "p")
    taint(evicting, TAINT)
    await evicting.until(lambda: objects.is_terminating(evicting.get("pods", "p")))
    evicting.delete("pods", "p", grace=0)
    evicting.pod("p", nodeName="n")
    await evicting.until(lambda: objects.is_terminating(evicting.get("pods", "p")))


async def test_the_time_of_a_pod_is_not_that_of_the_next(evicting: World) -> None:
    await started(evicting, "p", toleration(100))
    taint(evicting, TAINT)
    await evicting.settle()
    evicting.delete("pods", "p", grace=0)
    evicting.pod("p", nodeName="n", tolerations=[toleration(100_000)])
    await evicting.until(lambda: said(evicting, "p") == ["Cancelling deletion of Pod test/p"])
