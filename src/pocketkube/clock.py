"""Time. Everything that waits or stamps asks a Clock, so tests can run time faster.

`Clock(speed=10)` makes ten seconds of cluster time pass in one real second: back-offs, grace periods
and probe periods shrink alike, timestamps run ahead alike.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache


class Clock:
    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._real_start = time.monotonic()
        self._start = time.time()

    def monotonic(self) -> float:
        """Seconds of cluster time since the clock began."""
        return (time.monotonic() - self._real_start) * self.speed

    def time(self) -> float:
        """Cluster time as seconds since the epoch."""
        return self._start + self.monotonic()

    def now(self) -> str:
        """metav1.Time: RFC 3339 in UTC, whole seconds."""
        return _rfc3339(int(self.time()))

    def later(self, seconds: float) -> str:
        """As `now`, that many seconds ahead."""
        return _rfc3339(int(self.time() + seconds))

    def now_micro(self) -> str:
        """metav1.MicroTime: RFC 3339 in UTC with six decimals."""
        return datetime.fromtimestamp(self.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    async def sleep(self, seconds: float) -> None:
        """Wait that much cluster time."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """`async with clock.timeout(5)`: TimeoutError after that much cluster time; None waits for ever."""
        return asyncio.timeout(None if seconds is None else seconds / self.speed)


@lru_cache(maxsize=8)  # a cluster stamps hundreds of writes within one second
def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
