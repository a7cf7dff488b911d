"""Volumes come to nodes and go: golden csi-01, and what one node's cluster could not show."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import World, pod_spec, running
from tests.unit.pocketkube.scheduler.storing import bound, csi

from pocketkube import objects
from pocketkube.objects import Obj

DRIVER = "csi.example.com"
ATTACHED = 'AttachVolume.Attach succeeded for volume "v-data" '


@pytest.fixture
def bare() -> World:
    return made()


def made(speed: float = 1.0) -> World:
    world = World(speed=speed)
    for node in ("a", "b"):
        world.node(node)
        manage(world, node)
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    return world


def manage(world: World, node: str) -> None:
    annotation = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    world.patch("nodes", node, lambda n: n["metadata"].update(annotations=annotation))


def controlling(world: World) -> Any:
    return running(world, ["attachdetach-controller"])


def user(world: World, name: str, node: str, claim: str = "data") -> Obj:
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": claim}}]
    body = {"metadata": {"name": name}, "spec": {**pod_spec(), "volumes": volumes, "nodeName": node}}
    return world.create("pods", body)


def attachment_name(handle: str, node: str, driver: str = DRIVER) -> str:
    return "csi-" + hashlib.sha256(f"{handle}{driver}{node}".encode()).hexdigest()


def fulfil(world: World, node: str, handle: str = "data", **status: Any) -> None:
    """What an external-attacher does."""
    wanted = status or {"attached": True}
    world.patch(
        "volumeattachments", attachment_name(handle, node), lambda a: a["status"].update(wanted), subresource="status"
    )


def asked(world: World) -> set[tuple[str, str]]:
    """(volume, node)."""
    specs = [objects.spec(attachment) for attachment in world.list("volumeattachments")]
    return {(spec["source"]["persistentVolumeName"], spec["nodeName"]) for spec in specs}


def reported(world: World, node: str) -> list[Obj]:
    return objects.status(world.get("nodes", node)).get("volumesAttached") or []


def mounted(world: World, node: str, *handles: str) -> None:
    names = [f"kubernetes.io/csi/{DRIVER}^{handle}" for handle in handles]
    world.patch("nodes", node, lambda n: n["status"].update(volumesInUse=names), subresource="status")


async def attached(world: World, pod: str = "p", node: str = "a") -> None:
    user(world, pod, node)
    await world.until(lambda: ("v-data", node) in asked(world))
    fulfil(world, node)
    await world.until(lambda: reported(world, node) != [])


async def test_a_volume_is_attached_where_its_pod_is(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        user(bare, "p", "a")
        await bare.until(lambda: bare.list("volumeattachments") != [])
        (attachment,) = bare.list("volumeattachments")
        assert objects.name(attachment) == attachment_name("data", "a")
        source = {"persistentVolumeName": "v-data"}
        assert attachment["spec"] == {"attacher": DRIVER, "source": source, "nodeName": "a"}
        assert "finalizers" not in attachment["metadata"]
        await bare.settle()
        assert reported(bare, "a") == []
        assert bare.events("p", reason="SuccessfulAttachVolume") == []
        fulfil(bare, "a")
        await bare.until(lambda: bare.events("p", reason="SuccessfulAttachVolume") == [ATTACHED])
        await bare.until(lambda: reported(bare, "a") != [])
        assert reported(bare, "a") == [{"name": f"kubernetes.io/csi/{DRIVER}^data", "devicePath": ""}]
        user(bare, "q", "a")
        await bare.settle()
        assert bare.events("q", reason="SuccessfulAttachVolume") == []


async def test_it_is_detached_once_the_last_pod_is_gone_and_the_kubelet_has_unmounted_it(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        await attached(bare)
        mounted(bare, "a", "data")
        user(bare, "q", "a")
        await bare.settle()
        bare.delete("pods", "p", grace=0)
        await bare.settle()
        assert asked(bare) == {("v-data", "a")}
        bare.delete("pods", "q", grace=0)
        await bare.settle()
        assert asked(bare) == {("v-data", "a")}  # still mounted
        mounted(bare, "a")
        await bare.until(lambda: asked(bare) == set())
        assert reported(bare, "a") == []


async def test_a_pod_that_is_done_needs_no_volume(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        await attached(bare)
        bare.patch("pods", "p", lambda p: p["status"].update(phase="Succeeded"), subresource="status")
        await bare.until(lambda: asked(bare) == set())


async def test_it_is_detached_after_its_volume_was_deleted_and_after_a_restart(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        await attached(bare)
    bare.delete("pods", "p", grace=0)
    bare.patch("persistentvolumes", "v-data", lambda v: v["metadata"].update(finalizers=[]))
    bare.delete("persistentvolumes", "v-data")
    async with controlling(bare):
        await bare.until(lambda: asked(bare) == set())
        assert reported(bare, "a") == []


async def test_attachments_somebody_else_made_are_left_alone(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    spec = {"attacher": DRIVER, "source": {"persistentVolumeName": "v-data"}, "nodeName": "a"}
    bare.create("volumeattachments", {"metadata": {"name": "by-hand"}, "spec": spec})
    async with controlling(bare):
        await bare.settle()
        assert bare.find("volumeattachments", "by-hand") is not None


async def test_what_need_not_or_cannot_be_attached(bare: World) -> None:
    bare.create("csidrivers", {"metadata": {"name": "local.example.com"}, "spec": {"attachRequired": False}})
    bare.node("unmanaged")
    bound(bare, "local", source=csi("local", "local.example.com"))
    bound(bare, "path")
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        user(bare, "p", "a", "local")
        user(bare, "q", "a", "path")
        user(bare, "r", "unmanaged", "data")
        await bare.settle()
        assert asked(bare) == set()
        manage(bare, "unmanaged")
        await bare.until(lambda: asked(bare) == {("v-data", "unmanaged")})


async def test_a_claim_is_waited_for(bare: World) -> None:
    async with controlling(bare):
        user(bare, "p", "a")
        await bare.settle()
        assert asked(bare) == set()
        bound(bare, "data", source=csi("data"))
        await bare.until(lambda: asked(bare) == {("v-data", "a")})


# -- one node at a time


async def test_a_second_node_waits_for_the_first(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        await attached(bare)
        mounted(bare, "a", "data")
        user(bare, "q", "b")
        said = ['Multi-Attach error for volume "v-data" Volume is already used by pod(s) p']
        await bare.until(lambda: bare.events("q", reason="FailedAttachVolume") == said)
        assert asked(bare) == {("v-data", "a")}
        bare.delete("pods", "p", grace=0)
        await bare.settle()
        assert asked(bare) == {("v-data", "a")}
        mounted(bare, "a")
        await bare.until(lambda: asked(bare) == {("v-data", "b")})
        fulfil(bare, "b")
        await bare.until(lambda: bare.events("q", reason="SuccessfulAttachVolume") == [ATTACHED])
        assert bare.events("q", reason="FailedAttachVolume") == said  # once


async def test_nobody_is_named_when_nobody_is_left(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        await attached(bare)
        mounted(bare, "a", "data")
        bare.delete("pods", "p", grace=0)
        await bare.settle()
        user(bare, "q", "b")
        text = "Volume is already exclusively attached to one node and can't be attached to another"
        said = [f'Multi-Attach error for volume "v-data" {text}']
        await bare.until(lambda: bare.events("q", reason="FailedAttachVolume") == said)


async def test_a_volume_for_many_nodes_is_attached_to_many(bare: World) -> None:
    bound(bare, "data", source=csi("data"), modes=("ReadWriteMany",))
    async with controlling(bare):
        await attached(bare)
        user(bare, "q", "b")
        await bare.until(lambda: asked(bare) == {("v-data", "a"), ("v-data", "b")})
        assert bare.events("q", reason="FailedAttachVolume") == []


# -- when it goes wrong


async def test_what_the_attacher_says_is_told_and_asked_again_with_a_back_off() -> None:
    world = made(speed=20)
    bound(world, "data", source=csi("data"))
    text = 'AttachVolume.Attach failed for volume "v-data" : no such disk'
    async with controlling(world):
        user(world, "p", "a")
        await world.until(lambda: asked(world) != set())
        fulfil(world, "a", attachError={"message": "no such disk", "time": world.registry.clock.now()})
        await world.until(lambda: world.events("p", reason="FailedAttachVolume") == [text])
        await world.until(
            lambda: any(e["reason"] == "FailedAttachVolume" and e["count"] > 2 for e in world.list("events"))
        )
        world.patch(
            "volumeattachments",
            attachment_name("data", "a"),
            lambda a: a.update(status={"attached": True}),
            subresource="status",
        )
        await world.until(lambda: world.events("p", reason="SuccessfulAttachVolume") == [ATTACHED])


async def test_an_attacher_that_does_not_answer() -> None:
    world = made(speed=2000)
    bound(world, "data", source=csi("data"))
    async with controlling(world):
        user(world, "p", "a")
        why = f"timed out waiting for external-attacher of {DRIVER} CSI driver to attach volume data"
        text = f'AttachVolume.Attach failed for volume "v-data" : {why}'
        await world.until(lambda: text in world.events("p", reason="FailedAttachVolume"))


async def test_a_node_out_of_service_is_not_waited_for(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        await attached(bare)
        mounted(bare, "a", "data")
        bare.delete("pods", "p", grace=0)
        await bare.settle()
        assert asked(bare) == {("v-data", "a")}
        taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
        bare.patch("nodes", "a", lambda n: n["spec"].update(taints=[taint]))
        await bare.until(lambda: asked(bare) == set())


async def test_a_node_that_is_not_ready_is_waited_for_six_minutes() -> None:
    world = made(speed=1000)
    bound(world, "data", source=csi("data"))
    async with controlling(world):
        await attached(world)
        mounted(world, "a", "data")
        conditions = [{"type": "Ready", "status": "Unknown", "lastTransitionTime": world.registry.clock.now()}]
        world.patch("nodes", "a", lambda n: n["status"].update(conditions=conditions), subresource="status")
        before = world.registry.clock.time()
        world.delete("pods", "p", grace=0)
        await world.until(lambda: asked(world) == set())
        assert world.registry.clock.time() - before >= 360


async def test_a_node_that_is_gone_is_waited_for_as_well() -> None:
    world = made(speed=1000)
    bound(world, "data", source=csi("data"))
    async with controlling(world):
        await attached(world)
        before = world.registry.clock.time()
        world.delete("nodes", "a")
        world.delete("pods", "p", grace=0)
        user(world, "q", "b")
        await world.until(lambda: asked(world) == {("v-data", "b")})
        assert world.registry.clock.time() - before >= 360


async def test_an_attachment_somebody_deletes_is_asked_for_again(bare: World) -> None:
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        await attached(bare)
        first = objects.uid(bare.get("volumeattachments", attachment_name("data", "a")))
        bare.delete("volumeattachments", attachment_name("data", "a"))
        await bare.until(lambda: asked(bare) == {("v-data", "a")})
        assert objects.uid(bare.get("volumeattachments", attachment_name("data", "a"))) != first


async def test_an_attacher_with_finalizers_is_waited_for(bare: World) -> None:
    """As drivers with a controller do it: the attachment stays until the volume is really away."""
    bound(bare, "data", source=csi("data"))
    async with controlling(bare):
        await attached(bare)
        name = attachment_name("data", "a")
        bare.patch("volumeattachments", name, lambda a: a["metadata"].update(finalizers=["external-attacher/csi"]))
        user(bare, "q", "b")
        await bare.until(lambda: bare.events("q", reason="FailedAttachVolume") != [])
        bare.delete("pods", "p", grace=0)
        await bare.until(lambda: objects.is_terminating(bare.get("volumeattachments", name)))
        await bare.settle()
        assert asked(bare) == {("v-data", "a")}
        assert reported(bare, "a") == []
        bare.patch("volumeattachments", name, lambda a: a["metadata"].update(finalizers=[]))
        await bare.until(lambda: asked(bare) == {("v-data", "b")})
