"""Pods that go for a more important one, what is said of it, and that nobody takes the room meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import World, pod_spec
from tests.unit.pocketkube.scheduler.placing import NOBODY, USELESS, node_of, said, scheduling
from tests.unit.pocketkube.scheduler.storing import bound, claim, storage_class, user

from pocketkube import objects
from pocketkube.objects import Obj

HOSTNAME = "kubernetes.io/hostname"
LOW, MIDDLE, HIGH = 1, 50, 100
TERMINATING = "preemption: not eligible due to a terminating pod on the nominated node."


@pytest.fixture
def bare() -> World:
    """Two nodes of 4 cores, three classes; nothing runs yet."""
    world = World()
    world.node("node-a", cpu="4")
    world.node("node-b", cpu="4")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    for name, value in (("low", LOW), ("middle", MIDDLE), ("high", HIGH)):
        world.create("priorityclasses", {"metadata": {"name": name}, "value": value})
    return world


def pod(world: World, name: str, class_name: str, cpu: str, *, node: str = "", **spec: Any) -> Obj:
    whole = {**pod_spec(), "priorityClassName": class_name, **spec}
    whole["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    if node:
        whole["nodeSelector"] = {HOSTNAME: node}
    meta = {"name": name, "labels": {"app": name.partition("-")[0]}}
    return world.create("pods", {"metadata": meta, "spec": whole})


async def placed(world: World, name: str, class_name: str, cpu: str, *, node: str = "", **spec: Any) -> None:
    pod(world, name, class_name, cpu, node=node, **spec)
    await world.until(lambda: node_of(world, name) != "")


def hoped(world: World, name: str) -> str:
    return str(objects.status(world.get("pods", name)).get("nominatedNodeName", ""))


async def test_a_less_important_pod_goes_and_what_is_said(bare: World) -> None:
    bare.stubborn = True
    async with scheduling(bare):
        await placed(bare, "little", "low", "3", node="node-a")
        await placed(bare, "other", "middle", "3", node="node-b")
        little = bare.get("pods", "little")
        new = pod(bare, "new", "high", "3")
        await bare.until(lambda: objects.is_terminating(bare.get("pods", "little")))
        assert said(bare, "new") == "0/2 nodes are available: 2 Insufficient cpu."
        assert hoped(bare, "new") == "node-a"
        condition = objects.condition(bare.get("pods", "little"), "DisruptionTarget")
        assert condition is not None
        assert {name: condition[name] for name in ("status", "reason", "message", "observedGeneration")} == {
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
            "observedGeneration": 1,
        }
        (event,) = (e for e in bare.list("events") if e["reason"] == "Preempted")
        assert event["message"] == f"Preempted by pod {objects.uid(new)} on node node-a"
        assert (event["type"], event["action"]) == ("Normal", "Preempting")
        assert event["involvedObject"]["uid"] == objects.uid(little)
        assert (event["related"]["kind"], event["related"]["name"]) == ("Pod", "new")
        assert not objects.is_terminating(bare.get("pods", "other"))
        bare.bury("little")
        await bare.until(lambda: node_of(bare, "new") == "node-a")
        assert hoped(bare, "new") == ""
        assert said(bare, "new") == ""


async def test_the_room_is_kept_for_the_pod_that_made_it(bare: World) -> None:
    bare.stubborn = True
    bare.patch("nodes", "node-b", lambda copy: copy["spec"].update(unschedulable=True))
    async with scheduling(bare):
        await placed(bare, "little-1", "low", "2")
        await placed(bare, "little-2", "low", "2")
        pod(bare, "new", "high", "4")
        await bare.until(lambda: objects.is_terminating(bare.get("pods", "little-2")))
        assert objects.is_terminating(bare.get("pods", "little-1"))
        bare.delete("pods", "little-1", grace=0)  # gone; the other still ends
        await bare.until(lambda: TERMINATING in said(bare, "new"))
        assert hoped(bare, "new") == "node-a"
        pod(bare, "late", "low", "2")
        await bare.until(lambda: said(bare, "late") != "")
        assert "1 Insufficient cpu" in said(bare, "late")
        assert f"1 {NOBODY}" in said(bare, "late")
        bare.bury("little-2")
        await bare.until(lambda: node_of(bare, "new") == "node-a")
        assert node_of(bare, "late") == ""
        bare.stubborn = False
        bare.delete("pods", "new", grace=0)
        await bare.until(lambda: node_of(bare, "late") == "node-a")


async def test_the_most_important_gets_the_room_and_the_other_looks_again(bare: World) -> None:
    bare.stubborn = True
    bare.patch("nodes", "node-b", lambda copy: copy["spec"].update(unschedulable=True))
    async with scheduling(bare):
        await placed(bare, "little", "low", "4")
        pod(bare, "first", "middle", "4")
        await bare.until(lambda: hoped(bare, "first") == "node-a")
        pod(bare, "second", "high", "4")
        await bare.until(lambda: hoped(bare, "second") == "node-a" and hoped(bare, "first") == "")
        bare.bury("little")
        await bare.until(lambda: node_of(bare, "second") == "node-a")
        bare.patch("nodes", "node-b", lambda copy: copy["spec"].update(unschedulable=False))
        await bare.until(lambda: node_of(bare, "first") == "node-b")


async def test_never_means_to_wait(bare: World) -> None:
    bare.create("priorityclasses", {"metadata": {"name": "polite"}, "value": HIGH, "preemptionPolicy": "Never"})
    async with scheduling(bare):
        await placed(bare, "little-1", "low", "3")
        await placed(bare, "little-2", "low", "3")
        pod(bare, "new", "polite", "3")
        await bare.until(lambda: said(bare, "new") != "")
        assert said(bare, "new") == (
            "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, "
            "preemption: not eligible due to preemptionPolicy=Never."
        )
        bare.delete("pods", "little-1", grace=0)
        await bare.until(lambda: node_of(bare, "new") != "")
        assert node_of(bare, "little-2") != ""


async def test_where_it_does_not_help(bare: World) -> None:
    async with scheduling(bare):
        await placed(bare, "equal", "high", "3", node="node-a")
        await placed(bare, "little", "low", "3", node="node-b")
        pod(bare, "huge", "high", "5")
        await bare.until(lambda: said(bare, "huge") != "")
        assert said(bare, "huge").endswith(f"preemption: 0/2 nodes are available: 2 {USELESS}.")
        pod(bare, "picky", "high", "2", node="node-a")
        await bare.until(lambda: said(bare, "picky") != "")
        assert said(bare, "picky") == (
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector. "
            f"no new claims to deallocate, preemption: 0/2 nodes are available: 1 {NOBODY}, 1 {USELESS}."
        )
        await placed(bare, "small", "low", "1", node="node-a")
        pod(bare, "wide", "high", "2", node="node-a")
        await bare.until(lambda: said(bare, "wide") != "")  # even without the small one there is no room
        assert said(bare, "wide").endswith(f"preemption: 0/2 nodes are available: 1 Insufficient cpu, 1 {USELESS}.")
        assert node_of(bare, "small") == "node-a"


async def test_a_budget_is_kept_where_that_is_possible(bare: World) -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}
    bare.create("poddisruptionbudgets", {"metadata": {"name": "guard"}, "spec": spec})
    async with scheduling(bare):
        await placed(bare, "guarded", "low", "3", node="node-a")
        await placed(bare, "little", "middle", "3", node="node-b")
        pod(bare, "new", "high", "3")
        await bare.until(lambda: node_of(bare, "new") == "node-b")
        assert node_of(bare, "guarded") == "node-a"
        pod(bare, "next", "high", "3")  # but there is no other way now
        await bare.until(lambda: node_of(bare, "next") == "node-a")
        assert bare.find("pods", "guarded") is None


async def test_host_ports_and_rules_between_pods_are_reasons_too(bare: World) -> None:
    bare.patch("nodes", "node-b", lambda copy: copy["spec"].update(unschedulable=True))
    term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"app": "rival"}}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    async with scheduling(bare):
        await placed(bare, "rival", "low", "1")
        await placed(bare, "bystander", "low", "1")
        await placed_over(bare, "new", affinity=apart)
        assert bare.find("pods", "rival") is None
        assert node_of(bare, "bystander") == "node-a"


async def placed_over(world: World, name: str, **spec: Any) -> None:
    pod(world, name, "high", "1", **spec)
    await world.until(lambda: node_of(world, name) != "")


async def test_extended_resources(bare: World) -> None:
    def more(copy: Obj) -> None:
        for field in ("capacity", "allocatable"):
            copy["status"][field]["example.com/fake"] = "5"

    async with scheduling(bare):
        first = {**pod_spec(), "priorityClassName": "low"}
        amounts = {"example.com/fake": "3"}
        first["containers"][0]["resources"] = {"requests": amounts, "limits": amounts}
        bare.create("pods", {"metadata": {"name": "little"}, "spec": objects.copy(first)})
        await bare.until(lambda: "2 Insufficient example.com/fake" in said(bare, "little"))
        bare.patch("nodes", "node-a", more, subresource="status")
        await bare.until(lambda: node_of(bare, "little") == "node-a")
        bare.create("pods", {"metadata": {"name": "new"}, "spec": {**first, "priorityClassName": "high"}})
        await bare.until(lambda: node_of(bare, "new") == "node-a")
        assert bare.find("pods", "little") is None


async def test_a_claim_for_one_pod_only_changes_hands(bare: World) -> None:
    bound(bare, "data", modes=("ReadWriteOncePod",))
    async with scheduling(bare):
        user(bare, "little", "data", priorityClassName="low")
        await bare.until(lambda: node_of(bare, "little") != "")
        user(bare, "equal", "data", priorityClassName="low")
        await bare.until(lambda: said(bare, "equal") != "")
        assert node_of(bare, "little") != ""
        user(bare, "new", "data", priorityClassName="high")
        await bare.until(lambda: node_of(bare, "new") != "")
        assert bare.find("pods", "little") is None


async def test_a_pod_whose_claims_are_being_bound_gives_way_and_stays(bare: World) -> None:
    """It is on the node in the scheduler's mind only: nothing has to be ended."""
    bare.patch("nodes", "node-b", lambda copy: copy["spec"].update(unschedulable=True))
    storage_class(bare)
    claim(bare, "data")
    async with scheduling(bare):
        body = user(bare, "little", "data", priorityClassName="low", **requesting("4"))
        await bare.until(lambda: hoped(bare, "little") == "node-a")
        pod(bare, "new", "high", "4")
        await bare.until(lambda: node_of(bare, "new") == "node-a")
        await bare.until(lambda: "1 Insufficient cpu" in said(bare, "little"))
        assert objects.uid(bare.get("pods", "little")) == objects.uid(body)
        assert not objects.is_terminating(bare.get("pods", "little"))
        assert hoped(bare, "little") == ""


def requesting(cpu: str) -> Obj:
    spec = pod_spec()
    spec["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return spec
