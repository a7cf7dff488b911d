"""Pods that claim devices: claims are made of templates and go again, and no such pod is placed."""

from __future__ import annotations

from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.scheduler.devices import NOT_ALLOCATED

CONTROLLER = ("resource_claim",)
REQUESTS = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}}
USELESS = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def cluster() -> World:
    world = World()
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    return world


def template(world: World, name: str = "gpus") -> None:
    spec = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": REQUESTS}
    world.create("resourceclaimtemplates", {"metadata": {"name": name}, "spec": spec})


def pod(world: World, name: str = "p", **source: str) -> Obj:
    return world.pod(name, resourceClaims=[{"name": "devices", **source}])


def told(world: World, name: str = "p") -> str:
    statuses = objects.status(world.get("pods", name)).get("resourceClaimStatuses") or [{}]
    return str(statuses[0].get("resourceClaimName", ""))


def message(world: World, name: str = "p") -> str:
    return str((objects.condition(world.get("pods", name), "PodScheduled") or {}).get("message", ""))


async def test_a_claim_is_made_of_a_template_and_told() -> None:
    world = cluster()
    template(world)
    made = pod(world, resourceClaimTemplateName="gpus")
    async with running(world, CONTROLLER):
        await world.until(lambda: bool(told(world)))
    (claim,) = world.list("resourceclaims")
    meta = claim["metadata"]
    assert (meta["name"], meta["name"].startswith("p-devices-")) == (told(world), True)
    assert meta["labels"] == {"a": "b"}
    assert meta["annotations"] == {"c": "d", "resource.kubernetes.io/pod-claim-name": "devices"}
    (owner,) = meta["ownerReferences"]
    assert (owner["uid"], owner["controller"], "blockOwnerDeletion" in owner) == (objects.uid(made), True, False)
    assert claim["spec"]["devices"]["requests"][0]["exactly"]["count"] == 1
    managers = {one["manager"] for one in world.get("pods", "p")["metadata"]["managedFields"]}
    assert "ResourceClaimController" in managers


async def test_names_that_are_too_long_are_both_shortened() -> None:
    world = cluster()
    template(world)
    pod(world, "p" * 70, resourceClaimTemplateName="gpus")
    async with running(world, CONTROLLER):
        await world.until(lambda: bool(told(world, "p" * 70)))
    assert "p-devic" in told(world, "p" * 70)
    assert len(told(world, "p" * 70)) <= 63


async def test_a_template_that_comes_later_and_a_claim_that_was_deleted() -> None:
    world = cluster()
    pod(world, resourceClaimTemplateName="gpus")
    async with running(world, CONTROLLER):
        missing = 'resourceclaimtemplate.resource.k8s.io "gpus" not found'
        text = f'PodResourceClaim devices: resource claim template "gpus": {missing}'
        await world.until(lambda: text in world.events("p", reason="FailedResourceClaimCreation"))
        template(world)
        await world.until(lambda: bool(told(world)))
        first = told(world)
        world.delete("resourceclaims", first)
        await world.until(lambda: told(world) != first)
        assert world.find("resourceclaims", told(world)) is not None


async def test_claims_of_pods_that_have_ended_go() -> None:
    world = cluster()
    template(world)
    pod(world, resourceClaimTemplateName="gpus")
    async with running(world, CONTROLLER):
        await world.until(lambda: bool(told(world)))
        world.patch("pods", "p", lambda obj: obj["status"].update(phase="Failed"), subresource="status")
        await world.until(lambda: not world.list("resourceclaims"))


async def test_a_pod_waits_for_its_claim_for_a_class_and_for_ever() -> None:
    world = cluster()
    world.node("a")
    pod(world, resourceClaimName="mine")
    async with running(world, ()):
        await world.settle()
        assert message(world) == ""
        world.create("resourceclaims", {"metadata": {"name": "mine"}, "spec": REQUESTS})
        missing = "0/1 nodes are available: request gpu: device class gpu does not exist. no new claims to deallocate, "
        await world.until(lambda: message(world) == missing + USELESS)
        world.create("deviceclasses", {"metadata": {"name": "gpu"}})
        never = f"0/1 nodes are available: 1 {NOT_ALLOCATED}. still not schedulable, {USELESS}"
        await world.until(lambda: message(world) == never)
        assert never in world.events("p", reason="FailedScheduling")
        world.pod("q")
        await world.until(lambda: bool(objects.spec(world.get("pods", "q")).get("nodeName")))
