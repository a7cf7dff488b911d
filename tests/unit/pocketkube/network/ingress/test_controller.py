"""The controller's loop: providers side by side, one turn for many changes, each problem told once while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

import pytest
from tests.unit.pocketkube.network.conftest import World

from pocketkube.network.ingress.controller import Controller
from pocketkube.network.ingress.problems import Problem
from pocketkube.network.ingress.routes import Listener, Table
from pocketkube.network.ingress.server import Problem as Unserved
from pocketkube.objects import Obj


class Source:
    """A provider that serves one listener and complains about every ConfigMap called `bad-...`."""

    follows = ("configmaps",)

    def __init__(self, world: World, port: int) -> None:
        self.world, self.port = world, port
        self.unserved: list[Unserved] = []

    def listeners(self) -> tuple[Listener, ...]:
        return (Listener(self.port, tls=False),)

    def report(self, unserved: Sequence[Unserved]) -> Iterable[Problem]:
        self.unserved = list(unserved)
        for obj in self.world.list("configmaps"):
            if obj["metadata"]["name"].startswith("bad-"):
                yield Problem(obj, "Bad", f"port {self.port}", "it is bad", {"name": obj["metadata"]["name"]})


class Loop:
    def __init__(self) -> None:
        self.world = World()
        self.sources = [Source(self.world, 80), Source(self.world, 443)]
        self.tables: list[Table] = []
        self.lines: list[tuple[str, str, dict[str, str]]] = []
        self.controller = Controller(self.world.client, self.sources, self.serve, self.log)

    def serve(self, table: Table) -> list[Unserved]:
        self.tables.append(table)
        return [Unserved(table.listeners[0], "port 80 cannot be opened")]

    async def log(self, level: str, text: str, fields: dict[str, str]) -> None:
        self.lines.append((level, text, fields))

    def config(self, name: str) -> Obj:
        return self.world.apply("configmaps", {"metadata": {"name": name, "namespace": "lab", "uid": name}})

    async def turns(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.tables) < count:  # noqa: ASYNC110 - turns are what is counted
                await asyncio.sleep(0)
            for _ in range(2 * len(self.sources)):  # a turn lets others go between its steps
                await asyncio.sleep(0)


@pytest.fixture
async def loop() -> AsyncIterator[Loop]:
    made = Loop()
    made.config("bad-one")
    running = asyncio.ensure_future(made.controller.run())
    yield made
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    made.config("after")  # nobody listens any more
    assert not made.controller._changed.is_set()


async def test_listeners_of_all_providers_are_served_side_by_side(loop: Loop) -> None:
    await loop.turns(1)
    assert [one.port for one in loop.tables[0].listeners] == [80, 443]
    assert [one.unserved[0].why for one in loop.sources] == ["port 80 cannot be opened"] * 2


async def test_many_changes_of_one_moment_cost_one_turn(loop: Loop) -> None:
    await loop.turns(1)
    for index in range(100):
        loop.config(f"good-{index}")
    await loop.turns(2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(loop.tables) == 2


async def test_a_problem_is_told_once_while_it_lasts_and_again_when_it_is_back(loop: Loop) -> None:
    await loop.turns(1)
    told = [("Warning", "Bad", "port 80"), ("Warning", "Bad", "port 443")]
    assert loop.world.recorded == told
    assert loop.lines == [("ERR", "it is bad", {"name": "bad-one"})] * 2
    loop.config("good")
    await loop.turns(2)
    assert loop.world.recorded == told
    loop.world.delete("configmaps", "lab", "bad-one")
    await loop.turns(3)
    loop.config("bad-one")
    await loop.turns(4)
    assert loop.world.recorded == told * 2
