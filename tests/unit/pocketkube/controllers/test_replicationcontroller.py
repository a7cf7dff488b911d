"""ReplicationControllers do what ReplicaSets do, in their own name."""

from __future__ import annotations

from typing import Any

from tests.unit.pocketkube.controllers.world import World, pod_spec

from pocketkube import objects
from pocketkube.objects import Obj


def controller(world: World, replicas: int = 2, **spec: Any) -> Obj:
    template = {"metadata": {"labels": {"app": "rc"}}, "spec": pod_spec()}
    body = {"replicas": replicas, "template": template, **spec}
    return world.create("replicationcontrollers", {"metadata": {"name": "rc"}, "spec": body})


def status(world: World) -> Obj:
    return objects.status(world.get("replicationcontrollers", "rc"))


async def test_as_many_pods_as_asked_for(world: World) -> None:
    owner = controller(world)
    expected = {field: 2 for field in ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")}
    await world.until(lambda: status(world) == {**expected, "observedGeneration": 1})
    for pod in world.list("pods"):
        assert pod["metadata"]["ownerReferences"] == [objects.owner_reference(owner)]
    made = [f"Created pod: {objects.name(pod)}" for pod in world.list("pods")]
    assert sorted(world.events("rc", reason="SuccessfulCreate")) == sorted(made)
    (source,) = {
        event["source"]["component"] for event in world.list("events") if event["reason"] == "SuccessfulCreate"
    }
    assert source == "replication-controller"
    world.patch("replicationcontrollers", "rc", lambda obj: obj["spec"].update(replicas=0))
    await world.until(lambda: not world.list("pods") and status(world) == {"replicas": 0, "observedGeneration": 2})


async def test_orphans_are_adopted_and_strangers_released(world: World) -> None:
    orphan = world.pod("lonely", {"app": "rc"})
    controller(world, replicas=1)
    await world.until(lambda: objects.controller_ref(world.get("pods", "lonely")) is not None)
    assert objects.uid(world.get("pods", "lonely")) == objects.uid(orphan)
    world.patch("pods", "lonely", lambda copy: copy["metadata"].update(labels={"app": "else"}))
    await world.until(lambda: objects.controller_ref(world.get("pods", "lonely")) is None)
    await world.until(lambda: status(world).get("availableReplicas") == 1)


async def test_a_pod_that_is_made_later_is_taken_in(world: World) -> None:
    controller(world, replicas=1)
    await world.until(lambda: status(world).get("availableReplicas") == 1)
    world.pod("late", {"app": "rc"})
    await world.until(lambda: len(world.list("pods", app="rc")) == 1)


async def test_a_refusal_shows_in_the_status_until_it_is_over(world: World) -> None:
    world.create("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}})
    await world.until(lambda: "used" in objects.status(world.get("resourcequotas", "q")))
    controller(world)
    await world.until(
        lambda: objects.condition(world.get("replicationcontrollers", "rc"), "ReplicaFailure") is not None
    )
    failure = objects.condition(world.get("replicationcontrollers", "rc"), "ReplicaFailure")
    assert failure is not None
    assert (failure["reason"], "exceeded quota: q" in failure["message"]) == ("FailedCreate", True)
    world.patch("replicationcontrollers", "rc", lambda obj: obj["spec"].update(replicas=1))
    await world.until(lambda: "conditions" not in status(world))


async def test_deleting_leaves_the_pods_unless_told_otherwise(world: World) -> None:
    controller(world)
    await world.until(lambda: status(world).get("availableReplicas") == 2)
    world.delete("replicationcontrollers", "rc")
    await world.until(lambda: world.find("replicationcontrollers", "rc") is None)
    await world.until(lambda: all(objects.controller_ref(pod) is None for pod in world.list("pods")))
    assert len(world.list("pods")) == 2
