"""How fast a ReplicaSet makes pods anew that have ended.

Of our own: upstream does it as fast as its requests go, so pods that their node refuses (spec.nodeName and a host port
that is taken, say) become dozens a second, and what they leave is never deleted but by podgc.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pocketkube.objects import Key

REST = 1.0
"""Seconds in which a set replaces as many pods that have ended as it has replicas, and AT_ONCE at most."""
AT_ONCE = 10


@dataclass
class _Set:
    known: set[str] = field(default_factory=set)
    """uids of the pods that have ended and are replaced."""
    times: list[float] = field(default_factory=list)
    """When the last ones were."""


class Replacements:
    def __init__(self) -> None:
        self._sets: dict[Key, _Set] = {}

    def forget(self, at: Key) -> None:
        self._sets.pop(at, None)

    def make(self, at: Key, ended: set[str], missing: int, wanted: int, now: float) -> tuple[int, float | None]:
        """(how many of the missing pods may be made now, seconds until more of them may be).

        `ended`: uids of the set's pods that have ended and are still there."""
        of_set = self._sets.setdefault(at, _Set())
        of_set.known &= ended
        of_set.times = [time for time in of_set.times if time + REST > now]
        if missing <= 0:  # whatever has ended is replaced
            of_set.known = ended
            return 0, None
        fresh = sorted(ended - of_set.known)[:missing]
        allowed = max(0, max(1, min(wanted, AT_ONCE)) - len(of_set.times))
        of_set.known |= set(fresh[:allowed])
        of_set.times += [now] * len(fresh[:allowed])
        held = len(fresh[allowed:])
        return missing - held, of_set.times[0] + REST - now if held else None
