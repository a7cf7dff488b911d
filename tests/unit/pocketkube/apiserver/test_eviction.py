"""Evictions, and the budgets that refuse them. Texts are the recorded ones (policy-01) and upstream's."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import NAMESPACE, PODS, World

from pocketkube import objects
from pocketkube.objects import Obj

REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


def running(world: World, name: str, *, ready: bool = True, phase: str = "Running") -> None:
    world.pod(name)

    def start(pod: Obj) -> None:
        condition = {"type": "Ready", "status": "True" if ready else "False", "lastProbeTime": None}
        pod["metadata"]["labels"] = {"app": "web"}
        pod["status"].update(phase=phase, conditions=[condition])

    world.registry.patch("pods", NAMESPACE, name, lambda pod: pod["metadata"].update(labels={"app": "web"}))
    world.registry.patch("pods", NAMESPACE, name, start, subresource="status")


def budget(world: World, name: str = "keep", *, spec: Obj | None = None, **status: Any) -> None:
    whole = {"selector": {"matchLabels": {"app": "web"}}, **(spec or {})}
    meta = {"name": name, "namespace": NAMESPACE}
    world.registry.create("poddisruptionbudgets", {"metadata": meta, "spec": whole})

    def count(copy: Obj) -> None:
        copy["status"].update({"observedGeneration": 1, **status})

    world.registry.patch("poddisruptionbudgets", NAMESPACE, name, count, subresource="status")


async def evict(world: World, name: str, query: str = "", **options: Any) -> tuple[int, Obj]:
    body: Obj = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    if options:
        body["deleteOptions"] = options
    code, answer = await world.post(f"{PODS}/{name}/eviction{query}", body)
    return code, answer


def state(world: World, name: str = "keep") -> Obj:
    return objects.status(world.registry.get("poddisruptionbudgets", NAMESPACE, name))


async def test_a_budget_refuses(world: World) -> None:
    running(world, "p")
    budget(world, currentHealthy=2, desiredHealthy=2)
    assert await evict(world, "p") == (
        429,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": REFUSED,
            "reason": "TooManyRequests",
            "details": {
                "causes": [
                    {
                        "reason": "DisruptionBudget",
                        "message": "The disruption budget keep needs 2 healthy pods and has 2 currently",
                    }
                ]
            },
            "code": 429,
        },
    )
    assert "deletionTimestamp" not in world.registry.get("pods", NAMESPACE, "p")["metadata"]


async def test_a_budget_allows_as_many_as_it_says(world: World) -> None:
    for name in ("p", "q"):
        running(world, name)
    budget(world, currentHealthy=2, desiredHealthy=1, disruptionsAllowed=1)
    code, _ = await evict(world, "p", "?dryRun=All")
    assert (code, state(world)["disruptionsAllowed"]) == (201, 1)
    code, _ = await evict(world, "p", gracePeriodSeconds=30)
    assert code == 201
    assert (state(world)["disruptionsAllowed"], list(state(world)["disruptedPods"])) == (0, ["p"])
    assert [(c["status"], c["reason"]) for c in state(world)["conditions"]] == [("False", "InsufficientPods")]
    pod = world.registry.get("pods", NAMESPACE, "p")
    assert "deletionTimestamp" in pod["metadata"]
    condition = objects.condition(pod, "DisruptionTarget") or {}
    assert (condition["status"], condition["reason"], condition["message"]) == (
        "True",
        "EvictionByEvictionAPI",
        "Eviction API: evicting",
    )
    code, answer = await evict(world, "q")
    assert code == 429
    text = "The disruption budget keep does not allow evicting pods currently"
    assert answer["details"]["causes"][0]["message"] == text


async def test_a_budget_that_was_just_changed_is_asked_later(world: World) -> None:
    running(world, "p")
    budget(world, observedGeneration=0, disruptionsAllowed=1)
    code, answer = await evict(world, "p")
    assert (code, answer["details"]["retryAfterSeconds"]) == (429, 10)
    text = "The disruption budget keep is still being processed by the server."
    assert answer["details"]["causes"][0]["message"] == text


async def test_a_budget_that_cannot_be_counted_says_why(world: World) -> None:
    running(world, "p")
    condition = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale"}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    budget(world, conditions=[condition])
    _, answer = await evict(world, "p")
    assert answer["details"]["causes"][0]["message"] == (
        "The disruption budget keep does not allow evicting pods currently because it failed sync: no scale"
    )


async def test_two_budgets_are_too_many(world: World) -> None:
    running(world, "p")
    budget(world, "one", disruptionsAllowed=1)
    budget(world, "two", disruptionsAllowed=1)
    code, answer = await evict(world, "p")
    assert (code, answer["status"], answer.get("reason")) == (500, "Failure", None)
    assert answer["message"] == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_pods_that_do_no_work_go_anyway(world: World, phase: str) -> None:
    running(world, "p", ready=False, phase=phase)
    budget(world, currentHealthy=0, desiredHealthy=2)
    code, _ = await evict(world, "p")
    assert code == 201


@pytest.mark.parametrize(
    ("policy", "healthy", "code"),
    [("IfHealthyBudget", 2, 201), ("IfHealthyBudget", 1, 429), (None, 2, 201), ("AlwaysAllow", 0, 201)],
)
async def test_a_pod_that_is_not_ready(world: World, policy: str | None, healthy: int, code: int) -> None:
    running(world, "p", ready=False)
    spec = {"unhealthyPodEvictionPolicy": policy} if policy else {}
    budget(world, spec=spec, currentHealthy=healthy, desiredHealthy=2)
    assert (await evict(world, "p"))[0] == code
    assert "disruptedPods" not in state(world)


async def test_preconditions_are_of_the_pod_that_was_seen(world: World) -> None:
    running(world, "p")
    seen = world.registry.get("pods", NAMESPACE, "p")["metadata"]["resourceVersion"]
    code, _ = await evict(world, "p", preconditions={"resourceVersion": "1"})
    assert code == 409
    assert objects.condition(world.registry.get("pods", NAMESPACE, "p"), "DisruptionTarget") is None
    code, _ = await evict(world, "p", preconditions={"resourceVersion": seen})
    assert code == 201
