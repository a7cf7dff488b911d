"""The loop every controller runs in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import pytest
from tests.unit.pocketkube.controllers.world import World

from pocketkube.client import Client
from pocketkube.controllers import scan
from pocketkube.controllers.base import Controller, Mapping, Retry, own_key
from pocketkube.errors import Conflict, Forbidden
from pocketkube.objects import Key


class Recording(Controller):
    name = "recording-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        self.seen: list[str] = []
        self.failures: list[Exception] = []
        self.changed = asyncio.Event()
        yield "configmaps", own_key

    async def reconcile(self, at: Key) -> float | None:
        self.seen.append(at[1])
        self.changed.set()
        if self.failures:
            raise self.failures.pop(0)
        return 5 if at[1] == "again" and self.seen.count("again") < 3 else None

    async def until_seen(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                self.changed.clear()
                await self.changed.wait()


async def started(world: World) -> tuple[Recording, asyncio.Task[None]]:
    controller = Recording(Client(world.registry, "recording-controller"))
    task = asyncio.create_task(controller.run())
    await asyncio.sleep(0)
    return controller, task


async def test_what_is_there_already_comes_first_and_bursts_are_one() -> None:
    world = World()
    world.create("configmaps", {"metadata": {"name": "old"}})
    controller, task = await started(world)
    world.create("configmaps", {"metadata": {"name": "new"}})
    for value in "abc":
        world.patch("configmaps", "new", lambda copy, v=value: copy.update(data={"v": v}))
    await controller.until_seen(2)
    await world.settle()
    assert controller.seen == ["old", "new"]
    task.cancel()


async def test_asking_for_another_look() -> None:
    world = World(speed=1000)
    controller, task = await started(world)
    world.create("configmaps", {"metadata": {"name": "again"}})
    await controller.until_seen(3)
    assert controller.seen == ["again"] * 3
    task.cancel()


async def test_failures_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    world = World(speed=100)
    controller, task = await started(world)
    controller.failures = [Forbidden("no"), Conflict("stale"), ValueError("bug")]
    world.create("configmaps", {"metadata": {"name": "c"}})
    await controller.until_seen(4)
    assert controller.seen == ["c"] * 4
    assert [r.getMessage() for r in caplog.records] == [
        "recording-controller: test/c: no",
        "recording-controller: test/c failed",
    ]
    assert not task.done()
    task.cancel()


def test_every_controller_is_named_once() -> None:
    names = [controller.name for controller in scan()]
    assert len(names) == len(set(names))
    assert {"deployment-controller", "replicaset-controller", "endpoint-slice-controller"} <= set(names)


async def test_a_retry_comes_back_without_a_complaint_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Patient(Recording):
        first_delay, longest_delay = 1.0, 2.0

    caplog.set_level(logging.WARNING)
    world = World(speed=1000)
    controller = Patient(Client(world.registry, "recording-controller"))
    task = asyncio.create_task(controller.run())
    await asyncio.sleep(0)
    controller.failures = [Retry("not yet"), Retry("not yet"), Retry("not yet")]
    started = world.registry.clock.monotonic()
    world.create("configmaps", {"metadata": {"name": "a"}})
    await controller.until_seen(4)
    assert world.registry.clock.monotonic() - started >= 1 + 2 + 2
    assert not caplog.records
    task.cancel()
