"""PodDisruptionBudgets: what they count and allow."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.controllers.test_daemonset import daemonset
from tests.unit.pocketkube.controllers.test_statefulset import statefulset
from tests.unit.pocketkube.controllers.world import World, pod_spec

from pocketkube import objects
from pocketkube.controllers.disruption_scale import shown
from pocketkube.objects import Obj

SELECTOR = {"matchLabels": {"app": "web"}}


def budget(world: World, **spec: Any) -> Obj:
    whole = {"selector": SELECTOR, **spec}
    return world.create("poddisruptionbudgets", {"metadata": {"name": "keep"}, "spec": whole})


def status(world: World) -> Obj:
    return objects.status(world.get("poddisruptionbudgets", "keep"))


def counts(world: World) -> tuple[int, int, int, int]:
    found = status(world)
    return tuple(found[f] for f in ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (4, 4, 2, 2)),
        ({"minAvailable": 9}, (4, 4, 9, 0)),
        ({"minAvailable": "30%"}, (4, 4, 2, 2)),
        ({"maxUnavailable": 1}, (4, 4, 3, 1)),
        ({"maxUnavailable": "30%"}, (4, 4, 2, 2)),
        ({"maxUnavailable": 9}, (4, 4, 0, 4)),
        ({"maxUnavailable": 0}, (4, 4, 4, 0)),
        ({}, (0, 4, 0, 0)),
    ],
)
async def test_how_many_pods_may_go(world: World, spec: Obj, expected: tuple[int, int, int, int]) -> None:
    world.deployment(replicas=4)
    budget(world, **spec)
    await world.until(lambda: counts(world) == expected)
    (condition,) = status(world)["conditions"]
    allowed = expected[3] > 0
    assert (condition["status"], condition["reason"]) == (
        ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    )
    assert status(world)["observedGeneration"] == condition["observedGeneration"] == 1


async def test_what_a_deployment_asks_for_counts_not_what_is_there(world: World) -> None:
    world.not_ready = {"web-"}
    world.deployment(replicas=2)
    budget(world, maxUnavailable="50%")
    await world.until(lambda: counts(world) == (2, 0, 1, 0))
    for pod in world.list("pods"):
        world.set_ready(objects.name(pod), ready=True)
    await world.until(lambda: counts(world) == (2, 2, 1, 1))
    world.patch("poddisruptionbudgets", "keep", lambda copy: copy["spec"].update(maxUnavailable=2))
    await world.until(lambda: counts(world) == (2, 2, 0, 2))
    assert status(world)["observedGeneration"] == 2


async def test_the_pods_of_a_statefulset(world: World) -> None:
    statefulset(world, replicas=3)
    budget(world, maxUnavailable=1)
    await world.until(lambda: counts(world) == (3, 3, 2, 1))


async def test_owners_without_a_scale_cannot_be_counted(world: World) -> None:
    daemonset(world, "web")
    budget(world, maxUnavailable=1)
    text = "daemonsets.apps does not implement the scale subresource"
    await world.until(lambda: [c["message"] for c in status(world).get("conditions") or ()] == [text])
    (condition,) = status(world)["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "SyncFailed")
    assert status(world)["disruptionsAllowed"] == 0
    assert world.events("keep", reason="CalculateExpectedPodCountFailed")[0] == (
        f"Failed to calculate the number of expected pods: {text}"
    )


async def test_pods_without_an_owner(world: World) -> None:
    world.pod("alone", {"app": "web"})
    budget(world, maxUnavailable=1)
    await world.until(lambda: bool(world.events("keep", reason="UnmanagedPods")))
    assert world.events("keep", reason="UnmanagedPods")[0] == (
        "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app: web,},"
        "MatchExpressions:[]LabelSelectorRequirement{},}) were found to be unmanaged. As a result, the status of the "
        "PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please "
        'set ".spec.minAvailable" field of the PDB to an integer value.'
    )
    world.patch(
        "poddisruptionbudgets", "keep", lambda copy: copy.update(spec={"selector": SELECTOR, "minAvailable": 1})
    )
    await world.until(lambda: counts(world) == (1, 1, 1, 0))


async def test_a_budget_of_no_pods_says_so(world: World) -> None:
    budget(world, minAvailable=1)
    await world.until(lambda: world.events("keep", reason="NoPods") == ["No matching pods found"])
    await world.until(lambda: "conditions" in status(world) and counts(world) == (0, 0, 1, 0))


async def test_an_empty_selector_is_every_pod_and_none_is_no_pod(world: World) -> None:
    world.deployment(replicas=2)
    budget(world, minAvailable=1, selector={})
    await world.until(lambda: counts(world) == (2, 2, 1, 1))
    world.delete("poddisruptionbudgets", "keep")
    budget(world, minAvailable=1, selector=None)
    await world.until(lambda: "conditions" in status(world) and counts(world) == (0, 0, 1, 0))


async def test_a_pod_being_evicted_is_not_healthy_until_it_should_have_gone(world: World) -> None:
    world.deployment(replicas=2)
    budget(world, minAvailable=1)
    await world.until(lambda: counts(world) == (2, 2, 1, 1))
    name = objects.name(world.list("pods")[0])
    now = world.registry.clock.later(-118.5)

    def evicted(copy: Obj) -> None:
        copy["status"].update(disruptedPods={name: now, "other": now}, disruptionsAllowed=0)

    world.patch("poddisruptionbudgets", "keep", evicted, subresource="status")
    await world.until(lambda: counts(world) == (2, 1, 1, 0))
    assert status(world)["disruptedPods"] == {name: now}
    await world.until(lambda: counts(world) == (2, 2, 1, 1) and "disruptedPods" not in status(world))
    assert world.events(name, reason="NotDeleted") == ["Pod was expected by PDB test/test to be deleted but it wasn't"]


async def test_a_pod_that_goes_or_changes_its_labels_counts_no_more(world: World) -> None:
    world.create("pods", {"metadata": {"name": "a", "labels": {"app": "web"}}, "spec": pod_spec()})
    world.create("pods", {"metadata": {"name": "b", "labels": {"app": "web"}}, "spec": pod_spec()})
    budget(world, minAvailable=0)
    await world.until(lambda: counts(world) == (2, 2, 0, 2))
    world.patch("pods", "a", lambda copy: copy["metadata"]["labels"].update(app="else"))
    await world.until(lambda: counts(world) == (1, 1, 0, 1))
    world.stubborn = True
    world.delete("pods", "b")
    await world.until(lambda: counts(world) == (1, 0, 0, 0))


def test_a_selector_as_go_prints_it() -> None:
    terms = [{"key": "tier", "operator": "In", "values": ["a", "b"]}]
    assert shown({"matchExpressions": terms}) == (
        "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{"
        "LabelSelectorRequirement{Key:tier,Operator:In,Values:[a b],},},}"
    )
