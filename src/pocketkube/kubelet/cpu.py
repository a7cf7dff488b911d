"""The cores of a node, and what its containers use of them.

Programs run on the event loop (see `rounds`), and are accounted for as if they ran on the node's own cores (see
`processor`), for these are not the machine's: a program that goes on computing has a core, though the simulator gives
it a slice of one; what is computed in passing is scaled down, for compiled programs do it faster (see `meter`); what is
declared takes as long as the node's cores allow. A container slowed down by its limit is slowed down here too.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from pocketkube.clock import Clock
from pocketkube.kubelet.processor import Account, Processor, Work
from pocketkube.kubelet.rounds import Rounds


class Cpu:
    """Keeps a node's Processor to the clock. `rounds`: where its programs run, shared with other nodes. `memory`: what
    the node has, bytes, and `memory_used` what of it is in use."""

    def __init__(
        self,
        clock: Clock,
        cores: float = 4.0,
        rounds: Rounds | None = None,
        *,
        memory: int = 8 << 30,
        memory_used: Callable[[], int] = lambda: 0,
    ) -> None:
        self.clock = clock
        self.rounds = rounds or Rounds()
        self.processor = Processor(cores)
        self.memory = memory
        self.memory_used = memory_used
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """Whole cores, as programs see them."""
        return max(1, math.floor(self.processor.cores))

    def loads(self) -> tuple[float, float, float]:
        """The average number of threads that compute or want to, over 1, 5 and 15 minutes."""
        self.settle()
        one, five, fifteen = self.processor.loads
        return one, five, fifteen

    def account(self, limit: float = math.inf, weight: int = 2) -> Account:
        """For one container: `limit` in cores, `weight` against other containers of the node."""
        return Account(self.processor, limit, weight)

    def resize(self, account: Account, limit: float, weight: int) -> None:
        """Another limit and weight from now on."""
        self.processor.resize(account, limit, weight, self.now())
        self.arm()

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
