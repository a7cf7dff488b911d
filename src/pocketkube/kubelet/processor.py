"""How the cores of a node are shared out: who computes, how fast, and how much each container has used.

Models the cpu controller of cgroup v2 as the kubelet sets it up: limits.cpu is a quota (cpu.max), requests.cpu a weight
(cpu.weight) for when the node has too few cores; one thread uses one core at most. Time is fluid: a quota slows a
container down evenly, where Linux lets it run and then stand still within each period of 0.1 s. Left out: a quota of
the pod as a whole, weights of pods and quality classes, pinned cores.

Pure arithmetic in seconds of cluster time: who calls says what time it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

PERIOD = 0.1
"""Seconds of a quota's period: how far ahead of its quota a container may get."""
_LOAD_SECONDS = (60.0, 300.0, 900.0)
_NOTHING = 1e-9
"""Seconds of work nobody waits for: what rounding leaves over."""


class Work:
    """One thread that computes: `left` core seconds still to do, infinite for what never has enough."""

    __slots__ = ("account", "done", "left", "used")

    def __init__(self, account: Account, left: float, done: Callable[[], None]) -> None:
        self.account = account
        self.left = left
        self.used = 0.0
        self.done = done


class Account:
    """One container's cgroup. `limit` in cores, infinite for none; `weight` counts against that of others."""

    def __init__(self, processor: Processor, limit: float = math.inf, weight: int = 2) -> None:
        self.processor = processor
        self.limit = limit
        self.weight = max(1, weight)
        self.used = 0.0
        """Core seconds, up to the time the processor was last told of."""
        self.active = 0.0
        """Seconds in which it computed under a limit; of these it wanted more than its limit gave for `wanting`."""
        self.wanting = 0.0
        self.throttled = 0.0
        """Seconds it stood still for its quota's sake."""
        self.works: dict[Work, None] = {}
        self.rate = 0.0
        """Cores that each of `works` has now."""
        self._backlog: Work | None = None
        self._spare = PERIOD
        """Without a limit: seconds that may have been computed since `_charged_at`."""
        self._charged_at = 0.0

    @property
    def demand(self) -> float:
        return min(self.limit, float(len(self.works)))

    @property
    def is_behind(self) -> bool:
        """It has computed so much that it must stand still until its quota allows for it: see `backlog`."""
        return self._backlog is not None and self._backlog.left > self.limit * PERIOD

    @property
    def backlog(self) -> float:
        """Core seconds computed already and not accounted for yet."""
        return self._backlog.left if self._backlog else 0.0

    def charge(self, seconds: float, now: float) -> float:
        """It has computed for so long. Without a limit that is used at once, though not faster than one core computes;
        else as fast as the limit allows. Returns how much of it counts."""
        if self.limit == math.inf:
            self._spare = min(PERIOD, self._spare + now - self._charged_at)
            self._charged_at = now
            seconds = min(seconds, self._spare)
            self._spare -= seconds
            self.used += seconds
            self.processor.used += seconds
        elif self._backlog is not None:
            self.processor.advance(now)
            if self._backlog is None:
                self._backlog = self.processor.begin(self, seconds, now, self._caught_up)
            else:
                self._backlog.left += seconds
        else:
            self._backlog = self.processor.begin(self, seconds, now, self._caught_up)
        return seconds

    def _caught_up(self) -> None:
        self._backlog = None


class Processor:
    """`used`: core seconds of all accounts there ever were."""

    def __init__(self, cores: float) -> None:
        self.cores = cores
        self.used = 0.0
        self._at = 0.0
        self._busy: dict[Account, None] = {}
        self.loads = [0.0] * len(_LOAD_SECONDS)
        """Averages of `running` over the last 1, 5 and 15 minutes, the past fading away."""

    @property
    def at(self) -> float:
        """The time up to which everything is accounted for."""
        return self._at

    @property
    def running(self) -> int:
        """How many threads compute or want to."""
        return sum(len(account.works) for account in self._busy)

    def begin(self, account: Account, seconds: float, now: float, done: Callable[[], None] = lambda: None) -> Work:
        """`account` has so much to compute from now on; `done` is called by the `advance` that passes its end."""
        self.advance(now)
        work = Work(account, seconds, done)
        account.works[work] = None
        self._busy[account] = None
        self._share()
        return work

    def end(self, work: Work, now: float) -> None:
        """It computes no longer, whether it got to its end or not."""
        self.advance(now)
        if work in work.account.works:
            self._remove(work)
            self._share()

    def resize(self, account: Account, limit: float, weight: int, now: float) -> None:
        """Another limit and weight from `now` on."""
        self.advance(now)
        account.limit, account.weight = limit, max(1, weight)
        self._share()

    def advance(self, now: float) -> None:
        """Account for the time until `now`; then call the `done` of what has ended."""
        ended: list[Work] = []
        while self._at < now:
            pause = self._until_end()
            step = min(now - self._at, pause)
            over = [work for account in self._busy for work in account.works if self._compute(work, step)]
            for account in self._busy:
                _note_throttling(account, step)
            running = self.running
            for number, span in enumerate(_LOAD_SECONDS):
                self.loads[number] = running + (self.loads[number] - running) * math.exp(-step / span)
            for work in over:
                self._remove(work)
            if over:
                self._share()
            ended += over
            self._at = now if step < pause else min(now, self._at + step)
        for work in ended:
            work.done()

    def next_end(self) -> float:
        """When the next work ends if nothing changes; infinite when none does."""
        return self._at + self._until_end()

    def _until_end(self) -> float:
        pauses = (work.left / account.rate for account in self._busy for work in account.works)
        return max(_NOTHING, min(pauses, default=math.inf))

    def _compute(self, work: Work, step: float) -> bool:
        """Whether that was the last of it."""
        done = work.account.rate * step
        over = work.left - done <= _NOTHING
        if over:
            done = work.left
        work.left -= done
        work.used += done
        work.account.used += done
        self.used += done
        return over

    def _remove(self, work: Work) -> None:
        account = work.account
        del account.works[work]
        if not account.works:
            del self._busy[account]

    def _share(self) -> None:
        """Give each account its demand, or its part by weight; what one leaves the others have."""
        cores = self.cores
        weights = sum(account.weight for account in self._busy)
        for account in sorted(self._busy, key=lambda account: account.demand / account.weight):
            granted = min(account.demand, cores * account.weight / weights)
            account.rate = granted / len(account.works)
            cores -= granted
            weights -= account.weight


def _note_throttling(account: Account, step: float) -> None:
    wanted = len(account.works)
    if account.limit == math.inf:
        return
    account.active += step
    if wanted > account.limit:
        account.wanting += step
        account.throttled += step * (1 - account.limit / wanted)
