"""The processor of a node and a pod's cgroup: what keeps the programs of containers from taking the cluster's loop.

Models a fair scheduler (who has to wait gets the processor in the order of asking) and the pids cgroup that
podPidsLimit sets; memory is counted for what programs read whole. Left out: memory limits, CPU shares and limits,
priorities, a limit of processes a node.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections import deque
from collections.abc import Awaitable, Generator
from typing import Any

POD_PIDS = 512
"""Processes of a pod. The kubelet's own default is no limit; hosted clusters set about this, or a few times that."""
POD_MEMORY = 192 << 20
"""Bytes that the programs of a pod hold together of what they read."""
_ROUND = 0.004
"""Seconds the programs of a node compute in one round of the event loop, before those that follow wait for the next."""
_WOKEN = 2
"""How many of those that wait take their step in the next round: they cannot be stopped within one."""


class Cgroup:
    """How many processes a pod has, all its containers and exec sessions together, and what they hold of memory."""

    def __init__(self) -> None:
        self._count = 0
        self._held = 0

    def fork(self) -> None:
        """One more. Raises BlockingIOError, as fork does with EAGAIN."""
        if self._count >= POD_PIDS:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self._count += 1

    def exit(self) -> None:
        self._count -= 1

    def hold(self, size: int) -> None:
        """So many bytes more. Raises MemoryError when that is too much, and nothing is held."""
        if self._held + size > POD_MEMORY:
            raise MemoryError
        self._held += size

    def free(self, size: int) -> None:
        self._held -= size


class Cpu:
    """Runs programs side by side: `await cpu.run(program)`.

    A step of a program, from one await to the next, cannot be interrupted; but when a round of the loop has taken long
    enough the steps that follow queue, however many processes there are. The API server is asked in every round.
    """

    def __init__(self) -> None:
        self._used = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._counting = False
        self._started = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the step that runs now has taken so long that it had better end: see `Process.turn`."""
        return time.perf_counter() - self._started > _ROUND

    async def run(self, program: Awaitable[int]) -> int:
        """What the program returns; raises what it raises."""
        return await _Paced(self, program)

    def steps(self, program: Awaitable[int]) -> Generator[Any, Any, int]:
        """The program's steps, each in its turn. One that is cancelled ends without waiting."""
        inner = program.__await__()
        thrown: BaseException | None = None
        while True:
            if thrown is None and (self._waiting or self._used > _ROUND):
                turn = asyncio.get_running_loop().create_future()
                self._waiting.append(turn)
                self._count()
                try:
                    yield from turn
                except BaseException as error:  # handed on to the program
                    thrown = error
            started = self._started = time.perf_counter()
            try:
                awaited = next(inner) if thrown is None else inner.throw(thrown)
            except StopIteration as end:
                return int(end.value)
            finally:
                self._used += time.perf_counter() - started
                self._count()
            thrown = None
            try:
                yield awaited
            except BaseException as error:
                thrown = error

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
    def __init__(self, cpu: Cpu, program: Awaitable[int]) -> None:
        self._cpu = cpu
        self._program = program

    def __await__(self) -> Generator[Any, Any, int]:
        return self._cpu.steps(self._program)
