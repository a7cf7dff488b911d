"""How long a Job waits before it makes a pod anew: 10 seconds, twice as long after each failure, ten minutes at most.

Models backoff_utils.go of pkg/controller/job.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pocketkube import objects
from pocketkube.duration import parse_time
from pocketkube.objects import Obj

FIRST, LONGEST = 10.0, 600.0
"""Seconds."""


@dataclass(frozen=True)
class Record:
    """A Job's failures since a pod last succeeded, and when the last one was, in seconds since the epoch."""

    failures: int = 0
    last: float = 0.0

    def then(self, succeeded: Iterable[Obj], failed: Iterable[Obj]) -> Record:
        """With pods that have ended since."""
        since = max(map(finished_at, succeeded), default=None)
        times = sorted(time for time in map(finished_at, failed) if since is None or time > since)
        if since is not None:
            return Record(len(times), times[-1]) if times else Record()
        return Record(self.failures + len(times), times[-1]) if times else self

    def remaining(self, now: float) -> float:
        return remaining(self.failures, self.last, now)


def remaining(failures: int, last: float, now: float) -> float:
    """Seconds to wait still."""
    if not failures:
        return 0.0
    wait: float = min(FIRST * 2 ** min(failures - 1, 30), LONGEST)
    return max(0.0, wait - (now - last))


def finished_at(pod: Obj) -> float:
    """When a pod ended, in seconds since the epoch, from the best that is known of it."""
    return _containers_ended(pod) or _unready_since(pod) or _asked_to_go(pod) or _time(pod["metadata"])


def _containers_ended(pod: Obj) -> float | None:
    status, spec = objects.status(pod), objects.spec(pod)
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    found = [
        *(status.get("containerStatuses") or ()),
        *(s for s in status.get("initContainerStatuses") or () if s["name"] in sidecars),
    ]
    times = [objects.dig(s, "state", "terminated", "finishedAt") for s in found]
    return max(parse_time(time).timestamp() for time in times) if times and all(times) else None


def _unready_since(pod: Obj) -> float | None:
    ready = objects.condition(pod, "Ready")
    if ready is None or ready["status"] != "False" or not ready.get("lastTransitionTime"):
        return None
    return parse_time(ready["lastTransitionTime"]).timestamp()


def _asked_to_go(pod: Obj) -> float | None:
    meta = pod["metadata"]
    if not objects.is_terminating(pod):
        return None
    return parse_time(meta["deletionTimestamp"]).timestamp() - (meta.get("deletionGracePeriodSeconds") or 0)


def _time(meta: Obj) -> float:
    return parse_time(meta["creationTimestamp"]).timestamp()
