"""The processor of a node: runs the programs of containers side by side, and counts what they compute.

Models a fair scheduler: who has to wait gets the processor in the order of asking, and the API server is asked in every
round. What a container uses is counted as if its programs ran on the node's own cores (see `processor`), for they are
not the machine's: a program that goes on computing has a core, though the simulator gives it a slice of one; what is
computed in passing is scaled down, for compiled programs do it faster (see `meter`); what is declared takes as long as
the node's cores allow. A container slowed down by its limit is slowed down here too. Left out: priorities.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any

from pocketkube.clock import Clock
from pocketkube.kubelet.processor import Account, Processor, Work

if TYPE_CHECKING:
    from pocketkube.kubelet.meter import Meter

_ROUND = 0.004
"""Seconds the programs of a node compute in one round of the event loop, before those that follow wait for the next."""
_WOKEN = 2
"""How many of those that wait take their step in the next round: they cannot be stopped within one."""


class Cpu:
    """Runs programs side by side: `await cpu.run(program, meter)`.

    A step of a program, from one await to the next, cannot be interrupted; but when a round of the loop has taken long
    enough the steps that follow queue, however many processes there are. The API server is asked in every round.
    """

    def __init__(self, clock: Clock, cores: float = math.inf) -> None:
        self.clock = clock
        self.processor = Processor(cores)
        self._used = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._counting = False
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_due(self) -> bool:
        """Whether the step that runs now has taken so long that it had better end: see `Process.turn`."""
        return time.perf_counter() - self._started > _ROUND

    def account(self, limit: float = math.inf, weight: int = 2) -> Account:
        """For one container: `limit` in cores, `weight` against other containers of the node."""
        return Account(self.processor, limit, weight)

    def now(self) -> float:
        return self.clock.monotonic()

    def settle(self) -> None:
        """Bring what is accounted up to now."""
        self.processor.advance(self.now())

    def begin(self, account: Account, seconds: float) -> tuple[Work, asyncio.Future[None]]:
        """Work of so many core seconds, and what is done when it has been done."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        work = self.processor.begin(account, seconds, self.now(), end)
        self.arm()
        return work, ended

    def end(self, work: Work) -> None:
        self.processor.end(work, self.now())
        self.arm()

    def arm(self) -> None:
        """See to it that the end of the next work is noticed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        end = self.processor.next_end()
        if end < math.inf:
            delay = max(0.0, end - self.now()) / self.clock.speed
            self._timer = asyncio.get_running_loop().call_later(delay, self._end_work)

    def _end_work(self) -> None:
        self._timer = None
        self.settle()
        self.arm()

    async def run(self, program: Awaitable[int], meter: Meter) -> int:
        """What the program returns; raises what it raises."""
        try:
            return await _Paced(self, program, meter)
        finally:
            meter.rest()

    def steps(self, program: Awaitable[int], meter: Meter) -> Generator[Any, Any, int]:
        """The program's steps, each in its turn. One that is cancelled ends without waiting."""
        inner = program.__await__()
        thrown: BaseException | None = None
        while True:
            if thrown is None:
                try:
                    yield from meter.hold_up()
                    if self._waiting or self._used > _ROUND:
                        yield from self._turn()
                except BaseException as error:  # handed on to the program
                    thrown = error
            started = self._started = time.perf_counter()
            try:
                awaited = next(inner) if thrown is None else inner.throw(thrown)
            except StopIteration as end:
                return int(end.value)
            finally:
                took = time.perf_counter() - started
                self._used += took
                self._count()
                meter.computed(took)
            thrown = None
            if awaited is None:  # asyncio.sleep(0)
                meter.go_on()
            else:
                meter.rest()
            try:
                yield awaited
            except BaseException as error:
                thrown = error

    def _turn(self) -> Generator[Any, Any, None]:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._count()
        yield from turn

    def _count(self) -> None:
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._next_round)

    def _next_round(self) -> None:
        self._counting = False
        self._used = 0.0
        woken = 0
        while self._waiting and woken < _WOKEN:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                woken += 1
        if woken:
            self._count()


class _Paced:
    def __init__(self, cpu: Cpu, program: Awaitable[int], meter: Meter) -> None:
        self._cpu = cpu
        self._program = program
        self._meter = meter

    def __await__(self) -> Generator[Any, Any, int]:
        return self._cpu.steps(self._program, self._meter)
