"""Keys whose request is wrong in itself: they are left alone for a while.

Models csi-lib-utils/slowset as the sidecars use it, with their longest retry interval.
"""

from __future__ import annotations

from typing import Final

from pocketkube.clock import Clock
from pocketkube.objects import Key

RETENTION: Final = 300.0
"""Seconds."""


class SlowSet:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}

    def add(self, at: Key) -> None:
        """From now on, if it is not in the set yet."""
        if at not in self:
            self._since[at] = self._clock.monotonic()

    def discard(self, at: Key) -> None:
        self._since.pop(at, None)

    def __contains__(self, at: Key) -> bool:
        return self.remaining(at) > 0

    def remaining(self, at: Key) -> float:
        """Seconds it is still to be left alone; 0 for what is not in the set."""
        since = self._since.get(at)
        if since is None:
            return 0.0
        left = since + RETENTION - self._clock.monotonic()
        if left <= 0:
            del self._since[at]
        return max(left, 0.0)
