"""Programs that never stop: each has its turns, and whoever ends does not keep the others waiting."""

from __future__ import annotations

import asyncio
import time

import pytest

from pocketkube.clock import Clock
from pocketkube.kubelet import meter as meters
from pocketkube.kubelet import rounds
from pocketkube.kubelet.cpu import Cpu
from pocketkube.kubelet.meter import Meter

STEP = 0.001


class Spinner:
    """A program that computes without end, letting others run now and then."""

    def __init__(self, cpu: Cpu, limit: float | None = None) -> None:
        self.steps = 0
        self.meter = Meter(cpu, cpu.account() if limit is None else cpu.account(limit))
        self.task = asyncio.create_task(cpu.rounds.run(self._main(), self.meter))

    async def _main(self) -> int:
        while True:
            end = time.perf_counter() + STEP
            while time.perf_counter() < end:
                pass
            self.steps += 1
            await asyncio.sleep(0)

    async def goes_on(self, steps: int = 10) -> None:
        wanted = self.steps + steps
        async with asyncio.timeout(20):
            while self.steps < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@pytest.fixture
def cpu() -> Cpu:
    return Cpu(Clock(), 4)


async def test_all_have_their_turns_and_those_that_end_do_not_matter(cpu: Cpu) -> None:
    spinners = [Spinner(cpu) for _ in range(5)]
    async with asyncio.timeout(20):
        while not all(spinner.meter.is_spinning for spinner in spinners):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    for spinner in spinners:
        await spinner.goes_on()
    for ending in (spinners[2], spinners[0], spinners[4]):
        ending.task.cancel()
        await asyncio.gather(ending.task, return_exceptions=True)
        assert not ending.meter.is_spinning
        for spinner in spinners:
            if not spinner.task.done():
                await spinner.goes_on()
    for spinner in spinners:
        spinner.task.cancel()
    await asyncio.gather(*(spinner.task for spinner in spinners), return_exceptions=True)
    assert cpu.processor.running == 0


async def test_a_new_one_has_its_turn_too(cpu: Cpu) -> None:
    old = Spinner(cpu)
    await old.goes_on(50)
    new = Spinner(cpu)
    await new.goes_on(50)
    await old.goes_on(5)
    for spinner in (old, new):
        spinner.task.cancel()
    await asyncio.gather(old.task, new.task, return_exceptions=True)


async def test_a_limit_slows_down_what_is_really_computed(cpu: Cpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "_SPINNING", 0.0)
    spinner = Spinner(cpu, limit=0.25)
    await spinner.goes_on(3)
    steps, began, before = spinner.steps, time.perf_counter(), spinner.meter.seconds
    await spinner.goes_on(40)
    # it has computed for as long as it was granted, and for what it may be ahead
    assert spinner.meter.seconds - before <= 0.25 * (time.perf_counter() - began) + 0.001
    assert (spinner.steps - steps) * STEP <= spinner.meter.seconds - before + 0.01
    spinner.task.cancel()
    await asyncio.gather(spinner.task, return_exceptions=True)


class Pretended:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1.0

    def perf_counter(self) -> float:
        return self.now


async def rounds_for(cpu: Cpu, clock: Pretended, programs: int, step: float, others: float) -> int:
    """How many rounds of the loop it takes until all of them have had their one step."""

    async def main() -> int:
        clock.now += step
        return 0

    tasks = [asyncio.create_task(cpu.rounds.run(main(), Meter(cpu, cpu.account()))) for _ in range(programs)]
    count = 0
    while not all(task.done() for task in tasks):
        clock.now += others
        count += 1
        await asyncio.sleep(0)
    return count


async def test_programs_have_their_part_of_long_rounds(cpu: Cpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers start while the rest of the cluster is busy: or their probes would find nothing there."""
    clock = Pretended()
    monkeypatch.setattr(rounds, "time", clock)
    assert await rounds_for(cpu, clock, programs=400, step=0.002, others=0.03) < 50  # 400 * 2 ms beside 30 ms a round
    assert await rounds_for(cpu, clock, programs=400, step=0.002, others=0.0) > 150  # two each: everybody else is asked


async def test_short_steps_share_a_round(cpu: Cpu, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Pretended()
    monkeypatch.setattr(rounds, "time", clock)
    assert await rounds_for(cpu, clock, programs=400, step=0.0002, others=0.0) < 60
    assert await rounds_for(cpu, clock, programs=400, step=0.02, others=0.0) > 150


def test_what_programs_may_take_of_a_round() -> None:
    assert rounds.allowance(0.0) == rounds.allowance(0.001) < rounds.allowance(0.02) == 0.02
    assert rounds.allowance(10.0) < 0.1
    assert rounds.turns(0.004, 0.01) == rounds.turns(0.004, 0.004) == 2
    assert rounds.turns(0.004, 0.001) == 4
    assert rounds.turns(0.05, 0.0) == rounds.turns(0.05, 1e-6)
