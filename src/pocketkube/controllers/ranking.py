"""Which pods a controller that has too many gives up first.

Models ActivePods and ActivePodsWithRanks of pkg/controller/controller_utils.go. Ages are compared by their order of
magnitude (each twice the one before), so that of pods of about the same age not always the youngest goes: chance
decides, by their uids.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cmp_to_key
from typing import Any, Final

from pocketkube import objects
from pocketkube.controllers import pods
from pocketkube.duration import parse_time
from pocketkube.objects import Obj

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_PHASES: Final = {"Pending": 0, "Unknown": 1, "Running": 2}
_NANOSECONDS: Final = 1e9


def by_use(candidates: Iterable[Obj], related: Iterable[Obj], now: float) -> list[Obj]:
    """In the order in which a ReplicaSet gives them up: not running yet, not ready, cheap, doubled up on a node, young.

    `related`: the active pods that count when nodes are compared. `now`: seconds since the epoch."""
    crowd = Counter(objects.spec(pod).get("nodeName", "") for pod in related)

    def first(pod: Obj) -> tuple[Any, ...]:
        return *_progress(pod), _deletion_cost(pod), -crowd[objects.spec(pod).get("nodeName", "")]

    return _ranked(candidates, first, now)


def by_progress(candidates: Iterable[Obj]) -> list[Obj]:
    """In the order in which a Job gives them up: not running yet, not ready, young."""
    return _ranked(candidates, _progress, None)


def _ranked(candidates: Iterable[Obj], first: Callable[[Obj], tuple[Any, ...]], now: float | None) -> list[Obj]:
    def compare(one: Obj, other: Obj) -> int:
        here, there = first(one), first(other)
        if here != there:
            return -1 if here < there else 1
        ready = pods.ready_since(one), pods.ready_since(other)
        if pods.is_ready(one) and ready[0] != ready[1]:
            return _younger(one, other, ready, now)
        if (restarts := _restarts(one)) != (others := _restarts(other)):
            return -1 if restarts > others else 1
        made = tuple(pod["metadata"].get("creationTimestamp") or "" for pod in (one, other))
        return _younger(one, other, (made[0], made[1]), now) if made[0] != made[1] else 0

    return sorted(candidates, key=cmp_to_key(compare))


def _progress(pod: Obj) -> tuple[Any, ...]:
    phase = _PHASES.get(objects.status(pod).get("phase", ""), 0)
    return bool(objects.spec(pod).get("nodeName")), phase, pods.is_ready(pod)


def _younger(one: Obj, other: Obj, times: tuple[str, str], now: float | None) -> int:
    """-1 when the first is the younger, an unknown time the youngest. `now`: None compares ages as they are."""
    if not all(times):
        return 1 if times[0] else -1
    if now is None:
        return -1 if times[0] > times[1] else 1
    here, there = (_magnitude(now - parse_time(time).timestamp()) for time in times)
    if here != there:
        return -1 if here < there else 1
    return -1 if objects.uid(one) < objects.uid(other) else 1


def _magnitude(seconds: float) -> int:
    return int(math.log2(seconds * _NANOSECONDS)) if seconds * _NANOSECONDS >= 1 else -1


def _restarts(pod: Obj) -> tuple[int, int]:
    """The most restarts of a container, and of a sidecar."""
    status = objects.status(pod)
    init = objects.spec(pod).get("initContainers") or ()
    sidecars = {container["name"] for container in init if container.get("restartPolicy") == "Always"}
    counted = [
        [c.get("restartCount", 0) for c in status.get("containerStatuses") or ()],
        [c.get("restartCount", 0) for c in status.get("initContainerStatuses") or () if c["name"] in sidecars],
    ]
    most, of_sidecars = (max(counts, default=0) for counts in counted)
    return most, of_sidecars


def _deletion_cost(pod: Obj) -> int:
    try:
        return int(objects.annotations(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0
