"""Whose turn it is on the event loop: what keeps the programs of containers from taking it from everybody else.

Models a fair scheduler: who has to wait gets its turn in the order of asking, and the API server is asked in every
round. A step of a program, from one await to the next, cannot be interrupted. But when a round of the loop has taken
long enough, the steps that follow queue, however many processes there are; and programs that would never stop (see
`Meter.is_spinning`) share a part of the time among them, one step at a time with a gap after it. All nodes of a cluster
share one loop, and so one `Rounds`. When the rest of the cluster has much to do, rounds are long, and programs may take
as long in each: a thousand containers that start must not wait until all the others have been made. Left out:
priorities.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.turnstile import Turnstile

if TYPE_CHECKING:
    from pocketkube.kubelet.meter import Meter

_ROUND = 0.004
"""Seconds programs compute in one round of the event loop, before those that follow wait for the next."""
_LONGEST_ROUND = 0.05
"""Seconds that they compute at most in one, however long the rest of it takes."""
_WOKEN = 2
"""How many of those that wait take their step in the next round, at least: they cannot be stopped within one."""
_MOST_WOKEN = 16
"""And at most, when their steps have been short."""
_FADING = 0.9
"""What the longest step counts after each shorter one."""
_STINT = 0.002
"""Seconds that programs which never stop compute, all together, before everybody else has the loop for a while."""
_GAP = 0.5
"""How long that is, as a multiple of what they computed."""


def allowance(others: float) -> float:
    """Seconds that programs may compute in a round, the last of which took everybody else so many."""
    return min(max(_ROUND, others), _LONGEST_ROUND)


def turns(allowed: float, step: float) -> int:
    """How many steps of so many seconds each are to be taken in that time."""
    return max(_WOKEN, min(_MOST_WOKEN, int(allowed / step))) if step else _MOST_WOKEN


class Rounds:
    """`await rounds.run(program, meter)` runs a program beside the others."""

    def __init__(self) -> None:
        self._used = 0.0
        """Seconds programs have computed in this round."""
        self._began = 0.0
        """When the first of their steps did, or the round."""
        self._allowed = _ROUND
        """How many they may, before those that follow wait."""
        self._step = 0.0
        """How long one step takes, rather too much."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._counting = False
        self._started = 0.0
        self._spinning: deque[asyncio.Future[None]] = deque()
        self._serving: asyncio.TimerHandle | None = None
        self._spent = 0.0
        """What programs that never stop have computed since everybody else had the loop."""
        self._free_at = 0.0
        """When the next of their steps may begin."""
        self.probes = Turnstile()
        """What looks at containers from outside goes through it."""

    @property
    def is_due(self) -> bool:
        """Whether the step that runs now has taken so long that it had better end: see `Process.turn`."""
        return time.perf_counter() - self._started > _ROUND

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
                    yield from self._turn(meter)
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
                self._step = max(took, self._step * _FADING)
                self._count(started)
                if meter.is_spinning:
                    self._spent += took
                    self._free_at = started + took + self._spent * _GAP
                    self._serve()
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

    def _turn(self, meter: Meter) -> Generator[Any, Any, None]:
        yield from meter.hold_up()
        if meter.is_spinning and (self._spinning or self._spent > _STINT):
            turn = asyncio.get_running_loop().create_future()
            self._spinning.append(turn)
            self._serve()
            yield from turn
        elif self._waiting or self._used > self._allowed:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            self._count(time.perf_counter())
            yield from turn

    def _count(self, began: float) -> None:
        if not self._counting:
            self._counting = True
            self._began = began
            asyncio.get_running_loop().call_soon(self._next_round)

    def _next_round(self) -> None:
        now = time.perf_counter()
        self._counting = False
        self._allowed = allowance(now - self._began - self._used)
        self._used = 0.0
        most, woken = turns(self._allowed, self._step), 0
        while self._waiting and woken < most:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                woken += 1
        if woken:
            self._count(now)

    def _serve(self) -> None:
        """See to it that the next of those that never stop has its step when its time has come."""
        if self._serving is None and self._spinning:
            delay = max(0.0, self._free_at - time.perf_counter())
            self._serving = asyncio.get_running_loop().call_later(delay, self._serve_next)

    def _serve_next(self) -> None:
        self._serving = None
        while self._spinning:
            turn = self._spinning.popleft()
            if not turn.done():
                turn.set_result(None)
                self._spent = 0.0
                return  # the end of its step sees to the next


class _Paced:
    def __init__(self, rounds: Rounds, program: Awaitable[int], meter: Meter) -> None:
        self._rounds = rounds
        self._program = program
        self._meter = meter

    def __await__(self) -> Generator[Any, Any, int]:
        return self._rounds.steps(self._program, self._meter)
