"""The FlowSchemas and priority levels that every cluster has are kept, and schemas told whether theirs is there."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.controllers import flowcontrolconfiguration
from pocketkube.objects import Obj
from pocketkube.resources.flow_spec import configuration
from pocketkube.resources.flow_spec.configuration import AUTOUPDATE, FLOWSCHEMAS, LEVELS

PRODUCER = flowcontrolconfiguration.CONTROLLER.name
CONSUMER = "api-priority-and-fairness-config-consumer-v1"


def shares(world: World, name: str = "system") -> int:
    return int(world.get(LEVELS, name)["spec"]["limited"]["nominalConcurrencyShares"])


def changed(world: World, name: str = "system", note: str | None = "true") -> None:
    def change(obj: Obj) -> None:
        obj["spec"]["limited"]["nominalConcurrencyShares"] = 77
        obj["metadata"]["annotations"] = {} if note is None else {AUTOUPDATE: note}

    world.patch(LEVELS, name, change)


def note(world: World, name: str = "system") -> str:
    return objects.annotations(world.get(LEVELS, name))[AUTOUPDATE]


async def test_they_are_made_and_told_apart() -> None:
    world = World()
    async with running(world, (PRODUCER, CONSUMER)):
        await world.settle()
    wanted = {(resource, objects.name(obj)) for _, resource, obj in configuration.wanted()}
    assert {(at, objects.name(obj)) for at in (FLOWSCHEMAS, LEVELS) for obj in world.list(at)} == wanted
    for schema in world.list(FLOWSCHEMAS):
        (condition,) = schema["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("False", "Found")
        entries = {(one["manager"], one.get("subresource")) for one in schema["metadata"]["managedFields"]}
        assert entries == {(PRODUCER, None), (CONSUMER, "status")}


@pytest.mark.parametrize(
    ("said", "left", "then"),
    [("true", 30, "true"), ("false", 77, "false"), (None, 77, "false"), ("maybe", 77, "false")],
)
async def test_a_suggested_one_that_was_changed(said: str | None, left: int, then: str) -> None:
    world = World()
    async with running(world, (PRODUCER,)):
        await world.settle()
    changed(world, note=said)
    async with running(world, (PRODUCER,)):
        await world.settle()
    assert (shares(world), note(world)) == (left, then)


async def test_they_come_back_and_what_is_meant_to_be_no_more_goes() -> None:
    world = World(speed=60_000)
    meta: Obj = {"annotations": {AUTOUPDATE: "true"}}
    spec = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
    world.create(LEVELS, {"metadata": {"name": "old", **meta}, "spec": spec})
    world.create(LEVELS, {"metadata": {"name": "own"}, "spec": spec})
    async with running(world, (PRODUCER,)):
        await world.until(lambda: world.find(LEVELS, "old") is None and world.find(LEVELS, "exempt") is not None)
        for name in ("catch-all", "system"):
            world.delete(LEVELS, name)
            await world.until(lambda name=name: world.find(LEVELS, name) is not None)
    assert world.find(LEVELS, "own") is not None


async def test_what_the_exempt_one_shares_is_for_people_to_say() -> None:
    world = World()
    async with running(world, (PRODUCER,)):
        await world.settle()

    def share(obj: Obj) -> None:
        obj["spec"]["exempt"]["nominalConcurrencyShares"] = 3

    def no_more(obj: Obj) -> None:
        obj["metadata"].pop("annotations")

    world.patch(LEVELS, "exempt", share)
    world.patch(LEVELS, "catch-all", no_more)
    async with running(world, (PRODUCER,)):
        await world.settle()
    assert world.get(LEVELS, "exempt")["spec"]["exempt"]["nominalConcurrencyShares"] == 3
    assert note(world, "catch-all") == "true"


async def test_a_schema_is_told_whether_its_level_is_there() -> None:
    world = World()
    schema = {"metadata": {"name": "mine"}, "spec": {"priorityLevelConfiguration": {"name": "mine"}}}
    level: dict[str, Any] = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}

    def dangling() -> tuple[str, str]:
        found = objects.condition(world.get(FLOWSCHEMAS, "mine"), "Dangling") or {}
        return found.get("status", ""), found.get("message", "")

    text = 'This FlowSchema references the PriorityLevelConfiguration object named "mine" '
    async with running(world, (CONSUMER,)):
        world.create(FLOWSCHEMAS, schema)
        await world.until(lambda: dangling() == ("True", f"{text}but there is no such object"))
        world.create(LEVELS, {"metadata": {"name": "mine"}, "spec": level})
        await world.until(lambda: dangling() == ("False", f"{text}and it exists"))
        world.delete(LEVELS, "mine")
        await world.until(lambda: dangling()[0] == "True")
