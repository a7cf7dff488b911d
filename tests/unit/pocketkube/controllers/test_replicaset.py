"""ReplicaSets: numbers of pods, whose pods they are, and who goes first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import World, pod_spec

from pocketkube import objects
from pocketkube.controllers.replacements import Replacements
from pocketkube.objects import Obj
from pocketkube.store import Event


def replicaset(world: World, name: str = "rs", replicas: int = 2, **spec: Any) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
    return world.create("replicasets", {"metadata": {"name": name}, "spec": body})


def status(world: World, name: str = "rs") -> Obj:
    return objects.status(world.get("replicasets", name))


async def test_pods_are_made_from_the_template(world: World) -> None:
    owner = replicaset(world)
    await world.until(lambda: status(world).get("availableReplicas") == 2)
    for pod in world.list("pods"):
        assert objects.name(pod).startswith("rs-")
        assert len(objects.name(pod)) == len("rs-") + 5
        assert pod["metadata"]["generateName"] == "rs-"
        assert pod["metadata"]["ownerReferences"] == [objects.owner_reference(owner)]
    made = [f"Created pod: {objects.name(pod)}" for pod in world.list("pods")]
    assert sorted(world.events("rs", reason="SuccessfulCreate")) == sorted(made)


async def test_a_deleted_pod_is_replaced_while_it_terminates(world: World) -> None:
    replicaset(world)
    await world.until(lambda: status(world).get("availableReplicas") == 2)
    world.stubborn = True
    world.delete("pods", objects.name(world.list("pods")[0]))
    await world.until(lambda: status(world).get("availableReplicas") == 2 and len(world.list("pods")) == 3)
    assert status(world)["terminatingReplicas"] == 1


async def test_a_finished_pod_is_replaced(world: World) -> None:
    replicaset(world, replicas=1)
    await world.until(lambda: status(world).get("availableReplicas") == 1)
    world.set_ready(objects.name(world.list("pods")[0]), ready=False, phase="Failed")
    await world.until(lambda: len(world.list("pods")) == 2 and status(world).get("availableReplicas") == 1)


async def test_pods_that_their_node_refuses_are_replaced_at_a_pace(world: World) -> None:
    """One that is refused as soon as it is there kept the whole cluster busy: a hundred a second."""
    made = 0

    def refuse(event: Event) -> None:
        nonlocal made
        if event.type == "ADDED":
            made += 1
            loop.call_soon(end, event.object)

    def end(pod: Obj) -> None:
        refused = {"phase": "Failed", "reason": "NodePorts"}
        world.patch("pods", objects.name(pod), lambda copy: copy["status"].update(refused), subresource="status")

    loop = asyncio.get_running_loop()
    world.client.subscribe("pods", refuse)
    replicaset(world, replicas=2)
    start = world.client.clock.time()
    await world.until(lambda: made >= 8)
    assert world.client.clock.time() - start >= 1.9  # two, two at once, then two a second
    await world.until(lambda: status(world).get("observedGeneration") == 1)


def test_the_pace_of_replacements() -> None:
    at = "test", "rs"
    pace = Replacements()
    assert pace.make(at, set(), 3, 3, 100.0) == (3, None)  # new ones
    assert pace.make(at, {"a"}, 1, 3, 100.1) == (1, None)
    assert pace.make(at, {"a"}, 0, 3, 100.1) == (0, None)
    assert pace.make(at, {"a", "b", "c", "d"}, 3, 3, 100.5) == (2, pytest.approx(0.6))
    assert pace.make(at, {"a", "b", "c", "d"}, 1, 3, 100.6) == (0, pytest.approx(0.5))
    assert pace.make(at, {"a", "b", "c", "d"}, 3, 5, 100.6) == (3, None)  # a larger set may have more
    assert pace.make(at, {"x"}, 2, 3, 200.0) == (2, None)
    assert pace.make(at, {str(number) for number in range(50)}, 50, 100, 300.0) == (10, pytest.approx(1.0))
    assert pace.make(("test", "other"), {"y"}, 1, 1, 300.0) == (1, None)
    pace.forget(at)
    assert pace.make(at, {str(number) for number in range(50)}, 0, 100, 300.0) == (0, None)  # of an earlier process
    assert pace.make(at, {str(number) for number in range(51)}, 1, 100, 300.0) == (1, None)


async def test_orphans_are_adopted_and_strangers_released(world: World) -> None:
    orphan = world.pod("lonely", {"app": "rs"})
    owner = replicaset(world)
    await world.until(lambda: status(world).get("availableReplicas") == 2)
    assert len(world.list("pods", app="rs")) == 2
    adopted = world.get("pods", "lonely")
    assert objects.uid(adopted) == objects.uid(orphan)
    assert objects.controller_ref(adopted) == objects.owner_reference(owner)

    world.patch("pods", "lonely", lambda copy: copy["metadata"].update(labels={"app": "else"}))
    await world.until(lambda: objects.controller_ref(world.get("pods", "lonely")) is None)
    await world.until(lambda: len(world.list("pods", app="rs")) == 2 and status(world).get("availableReplicas") == 2)


async def test_a_pod_that_is_refused_shows_in_the_status(world: World) -> None:
    owner = objects.copy(world.get("namespaces", "test"))
    assert owner
    template = {"metadata": {"labels": {"app": "rs"}}, "spec": {**pod_spec(), "serviceAccountName": "nobody"}}
    replicaset(world, replicas=1, template=template)
    await world.until(lambda: objects.condition(world.get("replicasets", "rs"), "ReplicaFailure") is not None)
    condition = objects.condition(world.get("replicasets", "rs"), "ReplicaFailure")
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("True", "FailedCreate")
    assert 'serviceaccount "nobody" not found' in condition["message"]
    assert f"Error creating: {condition['message']}" in world.events("rs", reason="FailedCreate")
    world.create("serviceaccounts", {"metadata": {"name": "nobody"}})
    await world.until(lambda: status(world).get("availableReplicas") == 1)
    assert objects.condition(world.get("replicasets", "rs"), "ReplicaFailure") is None


async def test_scaling_down_gives_up_pods_that_are_not_ready_first(world: World) -> None:
    replicaset(world, replicas=4)
    await world.until(lambda: status(world).get("availableReplicas") == 4)
    unready = {objects.name(pod) for pod in world.list("pods")[1:3]}
    for name in unready:
        world.set_ready(name, ready=False)
    await world.until(lambda: status(world).get("readyReplicas") == 2)
    world.patch("replicasets", "rs", lambda copy: copy["spec"].update(replicas=2))
    await world.until(lambda: status(world)["replicas"] == 2 and len(world.list("pods")) == 2)
    assert unready.isdisjoint({objects.name(pod) for pod in world.list("pods")})
    gone = sorted(f"Deleted pod: {name}" for name in unready)
    assert sorted(world.events("rs", reason="SuccessfulDelete")) == gone
