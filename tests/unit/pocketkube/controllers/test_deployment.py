"""Deployments, from creation over rollouts to the end: what golden deployments-01 and kubectl/rollout-01 pin down."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.controllers import base
from pocketkube.objects import Obj


def change_template(world: World, value: str, name: str = "web") -> None:
    def change(copy: Obj) -> None:
        copy["spec"]["template"]["metadata"].setdefault("annotations", {})["v"] = value

    world.patch("deployments", name, change)


def set_spec(world: World, name: str = "web", **fields: Any) -> Obj:
    return world.patch("deployments", name, lambda copy: copy["spec"].update(fields))


def sizes(world: World) -> dict[str, int]:
    """spec.replicas of the ReplicaSets by revision."""
    return {
        objects.annotations(found)["deployment.kubernetes.io/revision"]: found["spec"]["replicas"]
        for found in world.list("replicasets")
    }


def progressing(world: World, name: str = "web") -> tuple[str, str, str]:
    condition = objects.condition(world.get("deployments", name), "Progressing")
    assert condition is not None
    return condition["status"], condition["reason"], condition["message"]


async def test_becomes_available(world: World) -> None:
    world.deployment(replicas=2)
    await world.until(world.rolled_out)
    deployment = world.get("deployments", "web")
    (replicaset,) = world.list("replicasets")
    hashed = replicaset["metadata"]["labels"]["pod-template-hash"]
    assert objects.name(replicaset) == f"web-{hashed}"
    assert objects.annotations(replicaset) == {
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
        "deployment.kubernetes.io/revision": "1",
    }
    assert replicaset["metadata"]["ownerReferences"] == [objects.owner_reference(deployment)]
    assert replicaset["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hashed}
    assert objects.status(replicaset) == {
        "replicas": 2,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
        "observedGeneration": 1,
    }
    assert objects.annotations(deployment) == {"deployment.kubernetes.io/revision": "1"}
    assert deployment["metadata"]["generation"] == 1
    status = objects.copy(objects.status(deployment))
    conditions = {c["type"]: (c["status"], c["reason"], c["message"]) for c in status.pop("conditions")}
    assert status == {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
    }
    assert conditions == {
        "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        "Progressing": ("True", "NewReplicaSetAvailable", f'ReplicaSet "web-{hashed}" has successfully progressed.'),
    }
    assert world.events("web") == [f"Scaled up replica set web-{hashed} from 0 to 2"]


async def test_scale_then_roll_goes_in_the_recorded_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "CHEAP", 60.0)  # a rest on a busy machine would make one step of two
    world.deployment(replicas=2)
    await world.until(world.rolled_out)
    set_spec(world, replicas=3)
    await world.until(world.rolled_out)
    (old,) = map(objects.name, world.list("replicasets"))
    change_template(world, "2")
    await world.until(lambda: world.rolled_out() and len(world.list("replicasets")) == 2)
    (new,) = {objects.name(found) for found in world.list("replicasets")} - {old}
    assert world.events("web") == [
        f"Scaled up replica set {old} from 0 to 2",
        f"Scaled up replica set {old} from 2 to 3",
        f"Scaled up replica set {new} from 0 to 1",
        f"Scaled down replica set {old} from 3 to 2",
        f"Scaled up replica set {new} from 1 to 2",
        f"Scaled down replica set {old} from 2 to 1",
        f"Scaled up replica set {new} from 2 to 3",
        f"Scaled down replica set {old} from 1 to 0",
    ]
    assert world.get("replicasets", new)["metadata"]["generation"] == 3
    assert world.get("replicasets", old)["metadata"]["generation"] == 5
    assert objects.annotations(world.get("deployments", "web"))["deployment.kubernetes.io/revision"] == "2"
    assert objects.annotations(world.get("replicasets", old)) == {
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
        "deployment.kubernetes.io/revision": "1",
    }


async def test_terminating_pods_are_counted(world: World) -> None:
    world.deployment(replicas=3)
    await world.until(world.rolled_out)
    world.stubborn = True
    set_spec(world, replicas=1)
    await world.until(lambda: objects.status(world.get("deployments", "web")).get("terminatingReplicas") == 2)
    assert objects.status(world.get("deployments", "web"))["replicas"] == 1


async def test_pause_and_resume_say_so(world: World) -> None:
    world.deployment(replicas=2)
    await world.until(world.rolled_out)
    set_spec(world, paused=True)
    await world.until(lambda: progressing(world) == ("Unknown", "DeploymentPaused", "Deployment is paused"))
    change_template(world, "2")
    await world.until(lambda: objects.status(world.get("deployments", "web"))["observedGeneration"] == 3)
    assert len(world.list("replicasets")) == 1
    assert "updatedReplicas" not in objects.status(world.get("deployments", "web"))
    set_spec(world, replicas=4)  # a paused Deployment can be scaled
    await world.until(lambda: sizes(world) == {"1": 4})
    set_spec(world, paused=False)
    await world.until(world.rolled_out)
    assert sizes(world) == {"1": 0, "2": 4}
    assert progressing(world)[1] == "NewReplicaSetAvailable"


async def test_undo_takes_the_old_set_again_and_keeps_its_history(world: World) -> None:
    world.deployment()
    await world.until(world.rolled_out)
    first = objects.name(world.list("replicasets")[0])
    change_template(world, "2")
    await world.until(lambda: world.rolled_out() and sizes(world) == {"1": 0, "2": 1})

    def undo(copy: Obj) -> None:
        del copy["spec"]["template"]["metadata"]["annotations"]

    world.patch("deployments", "web", undo)
    await world.until(lambda: world.rolled_out() and sizes(world) == {"2": 0, "3": 1})
    annotations = objects.annotations(world.get("replicasets", first))
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"


async def test_change_cause_follows_the_revision(world: World) -> None:
    world.deployment()
    await world.until(world.rolled_out)
    cause = {"kubernetes.io/change-cause": "first"}
    world.patch("deployments", "web", lambda copy: copy["metadata"]["annotations"].update(cause))
    await world.until(lambda: cause.items() <= objects.annotations(world.list("replicasets")[0]).items())


async def test_history_limit_deletes_the_oldest_sets(world: World) -> None:
    world.deployment(revisionHistoryLimit=1)
    for version in ("2", "3", "4"):
        await world.until(world.rolled_out)
        change_template(world, version)
    await world.until(lambda: world.rolled_out() and sizes(world) == {"3": 0, "4": 1})


async def test_recreate_waits_for_the_old_pods_to_be_gone(world: World) -> None:
    world.deployment(replicas=2, strategy={"type": "Recreate"})
    await world.until(world.rolled_out)
    world.stubborn = True
    old = {objects.name(pod) for pod in world.list("pods")}
    change_template(world, "2")
    await world.until(lambda: all(objects.is_terminating(pod) for pod in world.list("pods")))
    await world.settle()
    assert {objects.name(pod) for pod in world.list("pods")} == old
    assert len(world.list("replicasets")) == 1
    world.stubborn = False
    for name in old:
        world.bury(name)
    await world.until(world.rolled_out)
    assert sizes(world) == {"1": 0, "2": 2}


async def test_a_rollout_that_does_not_get_ready_keeps_enough_old_pods(world: World) -> None:
    world.deployment(replicas=4)
    await world.until(world.rolled_out)
    world._is_to_be_ready = lambda pod: False  # type: ignore[method-assign]
    change_template(world, "2")
    await world.until(lambda: sizes(world) == {"1": 3, "2": 2})
    await world.settle()
    assert sizes(world) == {"1": 3, "2": 2}  # 25% of 4 may be missing, 25% may be too many
    await world.until(lambda: objects.status(world.get("deployments", "web"))["availableReplicas"] == 3)
    assert objects.status(world.get("deployments", "web"))["unavailableReplicas"] == 2
    assert objects.condition_status(world.get("deployments", "web"), "Available") == "True"


async def test_scaling_in_the_middle_of_a_rollout_is_proportional(world: World) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    world.deployment(replicas=10, strategy=rolling)
    await world.until(world.rolled_out)
    world._is_to_be_ready = lambda pod: False  # type: ignore[method-assign]
    change_template(world, "2")
    await world.until(lambda: sizes(world) == {"1": 8, "2": 5})
    set_spec(world, replicas=15)
    # the example of the Kubernetes documentation: 18 pods, 3 more for the old set, 2 for the new
    await world.until(lambda: sizes(world) == {"1": 11, "2": 7})


async def test_progress_deadline() -> None:
    world = World(speed=50)
    world.node("worker-a")
    async with running(world):
        world._is_to_be_ready = lambda pod: False  # type: ignore[method-assign]
        world.deployment(progressDeadlineSeconds=5)
        await world.until(lambda: objects.condition(world.get("deployments", "web"), "Progressing") is not None)
        await world.until(lambda: progressing(world)[0] == "False")
        name = objects.name(world.list("replicasets")[0])
        text = f'ReplicaSet "{name}" has timed out progressing.'
        assert progressing(world) == ("False", "ProgressDeadlineExceeded", text)


async def test_min_ready_seconds_delays_availability() -> None:
    world = World(speed=20)
    world.node("worker-a")
    async with running(world):
        world.deployment(minReadySeconds=10)
        await world.until(lambda: objects.status(world.get("deployments", "web")).get("readyReplicas") == 1)
        assert "availableReplicas" not in objects.status(world.get("deployments", "web"))
        await world.until(world.rolled_out)


async def test_a_hash_that_is_taken_is_counted_and_avoided(world: World) -> None:
    world.deployment()
    await world.until(world.rolled_out)
    name = objects.name(world.list("replicasets")[0])
    world.delete("deployments", "web", policy="Orphan")
    await world.until(lambda: world.find("deployments", "web") is None)

    def estrange(copy: Obj) -> None:  # the orphan keeps the name but matches no selector of the next Deployment
        copy["metadata"]["labels"] = {"app": "other"}

    world.patch("replicasets", name, estrange)
    world.deployment()
    await world.until(world.rolled_out)
    assert objects.status(world.get("deployments", "web"))["collisionCount"] == 1
    assert len(world.list("replicasets")) == 2


async def test_an_orphaned_set_is_adopted_again(world: World) -> None:
    world.deployment(replicas=2)
    await world.until(world.rolled_out)
    (replicaset,) = world.list("replicasets")
    world.delete("deployments", "web", policy="Orphan")
    await world.until(lambda: world.find("deployments", "web") is None)
    assert objects.controller_ref(world.get("replicasets", objects.name(replicaset))) is None
    deployment = world.deployment(replicas=2)
    await world.until(world.rolled_out)
    (adopted,) = world.list("replicasets")
    assert objects.uid(adopted) == objects.uid(replicaset)
    assert objects.controller_ref(adopted) == objects.owner_reference(deployment)


async def test_rollback_annotation_of_the_old_api(world: World) -> None:
    world.deployment()
    await world.until(world.rolled_out)
    change_template(world, "2")
    await world.until(lambda: world.rolled_out() and sizes(world) == {"1": 0, "2": 1})
    back = {"deprecated.deployment.rollback.to": "0"}
    world.patch("deployments", "web", lambda copy: copy["metadata"]["annotations"].update(back))
    await world.until(lambda: world.rolled_out() and sizes(world) == {"2": 0, "3": 1})
    assert 'Rolled back deployment "web" to revision 1' in world.events("web", reason="DeploymentRollback")


@pytest.mark.parametrize("replicas", [0, 1, 7])
async def test_scale_from_and_to(world: World, replicas: int) -> None:
    world.deployment(replicas=3)
    await world.until(world.rolled_out)
    set_spec(world, replicas=replicas)
    await world.until(lambda: world.rolled_out() and len(world.list("pods")) == replicas)
