"""What controllers write is shown to webhooks, too: what they deny is told, what they change is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.webhooks.program import Program, add, patched, rule
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

from pocketkube.client import Client
from pocketkube.controllers.replicaset import CONTROLLER
from pocketkube.objects import Obj
from pocketkube.unanswered import Unanswered


@pytest.fixture
async def program(world: World) -> AsyncIterator[Program]:
    """With a controller of ReplicaSets that runs."""
    found = Program(world)
    running = asyncio.ensure_future(CONTROLLER(Client(world.registry, CONTROLLER.name)).run())
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def until(world: World, resource: str, wanted: Any) -> list[Obj]:
    """The objects once they are as wanted."""
    changed = asyncio.Event()
    stop = world.registry.subscribe(resource, lambda _: changed.set())
    try:
        async with asyncio.timeout(20):
            while not wanted(found := world.registry.objects(resource, NAMESPACE)):
                changed.clear()
                await changed.wait()
    finally:
        stop()
    return found


def replicaset(replicas: int) -> Obj:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"metadata": {"name": "rs", "namespace": NAMESPACE}, "spec": spec}


async def test_what_is_denied_is_told_in_an_event(world: World, program: Program) -> None:
    program.answer = program.deny
    program.validating(rule("CREATE", resource="pods"))
    world.registry.create("replicasets", replicaset(1))
    events = await until(world, "events", bool)
    text = 'Error creating: admission webhook "judge.example.com" denied the request: not today'
    assert (events[0]["reason"], events[0]["message"]) == ("FailedCreate", text)
    user = program.seen[0]["userInfo"]
    assert user["username"] == "system:serviceaccount:kube-system:replicaset-controller"
    assert not world.registry.objects("pods", NAMESPACE)
    program.answer = program.allow
    await until(world, "pods", bool)


async def test_each_pod_is_asked_about_and_changed(world: World, program: Program) -> None:
    program.patch(add("/metadata/annotations", {"seen": "yes"}))
    program.mutating(rule("CREATE", resource="pods"))
    world.registry.create("replicasets", replicaset(3))
    pods = await until(world, "pods", lambda found: len(found) == 3)
    assert [pod["metadata"]["annotations"]["seen"] for pod in pods] == ["yes"] * 3
    assert len(program.seen) == 3


async def test_other_writes_go_on_while_a_webhook_thinks(world: World, program: Program) -> None:
    thinking = asyncio.Event()

    async def think(asked: Obj) -> Any:
        if asked["object"]["metadata"]["generateName"] == "rs-":
            await thinking.wait()
        return patched(add("/metadata/annotations", {"seen": "yes"}))

    program.answer = think
    program.mutating(rule("CREATE", resource="pods"))
    world.registry.create("replicasets", replicaset(1))
    other = replicaset(1)
    other["metadata"]["name"] = "other"
    world.registry.create("replicasets", other)
    pods = await until(world, "pods", bool)
    assert pods[0]["metadata"]["generateName"] == "other-"
    thinking.set()
    assert len(await until(world, "pods", lambda found: len(found) == 2)) == 2


async def test_a_write_is_the_same_a_second_later(world: World) -> None:
    program = Program(world)
    program.validating(rule("CREATE"))
    client = Client(world.registry, "cronjob-controller")

    def write(second: int) -> Obj:
        data = {"at": f"2026-01-01T00:00:0{second}Z"}
        with client.repeating():
            return client.create("configmaps", {"metadata": {"name": "m", "namespace": NAMESPACE}, "data": data})

    with pytest.raises(Unanswered) as given_up:
        write(1)
    await given_up.value.ask()
    assert write(2)["data"] == program.seen[0]["object"]["data"] == {"at": "2026-01-01T00:00:01Z"}


async def test_components_that_cannot_wait_are_not_asked_about(world: World, program: Program) -> None:
    program.answer = program.deny
    program.validating(rule("*", resource="pods"))
    pod = {"metadata": {"name": "p", "namespace": NAMESPACE}, "spec": replicaset(1)["spec"]["template"]["spec"]}
    client = Client(world.registry, "kubelet", "node-1")
    client.create("pods", pod)
    client.delete("pods", (NAMESPACE, "p"))
    assert not program.seen
