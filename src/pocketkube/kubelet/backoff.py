"""Waiting longer each time: restarts of crashing containers and pulls of images that are not there.

Models client-go/util/flowcontrol.Backoff as the kubelet uses it: 10 s, doubling to 300 s, forgotten after 10 minutes
without trouble. Times are cluster time in seconds.
"""

from __future__ import annotations

FIRST, LONGEST = 10.0, 300.0
FORGET = 2 * LONGEST


class Backoff:
    def __init__(self) -> None:
        self.delay = 0.0
        """Seconds to wait after `since`; 0 while nothing went wrong yet."""
        self._updated = 0.0

    def until(self, since: float) -> float:
        """When the next attempt may be made, for trouble that happened at `since`."""
        return since + self.delay

    def waiting(self, since: float, now: float) -> bool:
        """Whether an attempt has to wait; trouble long after the last attempt starts afresh."""
        if since - self._updated > FORGET:
            self.delay = 0.0
        return now < self.until(since)

    def next(self, now: float) -> None:
        """An attempt is made: the one after it waits twice as long."""
        self.delay = min(self.delay * 2, LONGEST) if self.delay else FIRST
        self._updated = now


def seconds(delay: float) -> str:
    """As Go prints a duration: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(delay), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
