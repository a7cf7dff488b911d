"""What one process computes, as if on a core of its node: measured where it runs, or declared.

A program that goes on and on without waiting for anything has a core for as long as it does. What is computed between
two waits is counted as what a compiled program would need for it. `burn` is for programs whose computing is not done
here at all. Estimates, all of them: docs/fidelity.md says so.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Generator
from typing import Any

from pocketkube.kubelet.cpu import Cpu
from pocketkube.kubelet.processor import Account, Work

NATIVE = 0.1
"""Seconds a program of the real image needs for what takes a second here: an estimate."""
EXEC = 0.0007
"""Core seconds that starting a program takes a real kernel: an estimate."""
REQUEST = 0.0001
"""Core seconds that a server needs to answer an HTTP request, beside what it declares: the same."""
_LONGEST_STEP = 0.05
"""Seconds. A step that took longer was held up by the machine."""
_SPINNING = 0.02
"""Seconds without ever waiting for anything, after which a program is one that takes all it gets."""
_AHEAD = 0.002
"""Core seconds that such a one may have computed here before it has had them on its node."""


class Meter:
    """One process. `cpu` tells it of its steps."""

    __slots__ = ("_account", "_computed", "_cpu", "_seconds", "_since", "_spin", "_works")

    def __init__(self, cpu: Cpu, account: Account) -> None:
        self._cpu = cpu
        self._account = account
        self._seconds = 0.0
        self._since = 0.0
        """When it began to compute without waiting; 0 while it waits."""
        self._spin: Work | None = None
        self._computed = 0.0
        """Of `_spin`, what has been computed here."""
        self._works: set[Work] = set()

    @property
    def seconds(self) -> float:
        """Core seconds it has used."""
        self._cpu.settle()
        return self._seconds + sum(work.used for work in self._works)

    @property
    def is_computing(self) -> bool:
        """It has work to do that takes time."""
        return bool(self._works)

    @property
    def is_spinning(self) -> bool:
        """It is a program that takes all it gets."""
        return self._spin is not None

    def charge(self, seconds: float) -> None:
        """So many core seconds more."""
        self._seconds += self._account.charge(seconds, self._cpu.now())
        if self._account.limit < math.inf:
            self._cpu.arm()

    async def burn(self, seconds: float) -> None:
        """Compute for so many core seconds: takes at least so much cluster time, more where cores are short."""
        work, ended = self._begin(seconds)
        try:
            await ended
        finally:
            self._end(work)

    # -- what the processor calls

    def computed(self, took: float) -> None:
        """A step of the program has ended that took so many real seconds."""
        took = min(took, _LONGEST_STEP)
        if self._spin is None:
            self.charge(took * NATIVE)
        else:
            self._computed += took * self._cpu.clock.speed

    def go_on(self) -> None:
        """The program has only let others run: it waits for nothing."""
        now = time.perf_counter()
        if not self._since:
            self._since = now
        elif self._spin is None and now - self._since > _SPINNING:
            self._spin, _ = self._begin(math.inf)
            self._computed = 0.0

    def rest(self) -> None:
        """The program waits for something, or is over."""
        self._since = 0.0
        if self._spin is not None:
            self._end(self._spin)
            self._spin = None

    def hold_up(self) -> Generator[Any, Any, None]:
        """Wait while the container has had more of the processor than is due to it."""
        account = self._account
        if self._spin is not None:
            self._cpu.settle()
            owed = self._computed - self._spin.used
            if owed > _AHEAD and account.rate < 1:
                yield from self._pause(owed / account.rate)
        elif account.is_behind:
            yield from self._pause(account.backlog / account.limit)

    def _pause(self, seconds: float) -> Generator[Any, Any, None]:
        return asyncio.sleep(seconds / self._cpu.clock.speed).__await__()

    def _begin(self, seconds: float) -> tuple[Work, asyncio.Future[None]]:
        work, ended = self._cpu.begin(self._account, seconds)
        self._works.add(work)
        return work, ended

    def _end(self, work: Work) -> None:
        self._cpu.end(work)
        self._works.discard(work)
        self._seconds += work.used
