"""What keeps a Pod of a learner's template that a check has made, or whose container it has killed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kindlab.api import Obj
from kindlab.checks.verdict import CheckFailed, CouldNotGrade


def held_up(pods: Iterable[Obj]) -> str:
    """What the Pods' own containers do in place of getting ready, in words; "" where none has begun yet: then it is
    the cluster that lets them wait."""
    return "; ".join(dict.fromkeys(said for pod in pods for said in _of(pod)))


def not_so(expected: str, pods: Iterable[Obj], *, then: str = "") -> CheckFailed | CouldNotGrade:
    """The error for what such Pods did not come to in time: a failed check where that is their containers' doing."""
    held = held_up(pods)
    return CheckFailed(expected, held, then=then) if held else CouldNotGrade(f"not within the time for it: {expected}")


def _of(pod: Obj) -> Iterator[str]:
    status = pod.get("status") or {}
    for one in status.get("initContainerStatuses") or ():
        if "running" in (one.get("state") or {}) and not one.get("ready"):
            yield f"init container {one['name']} does not end"
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state, last = one.get("state") or {}, one.get("lastState") or {}
        waits = (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
        ended = state.get("terminated") or (last.get("terminated") if waits else None)
        if ended and ended.get("exitCode") != 0:
            yield f"container {one['name']} ended with exit code {ended.get('exitCode')}"
    for one in status.get("containerStatuses") or ():
        if "running" in (one.get("state") or {}) and not one.get("ready"):
            yield f"container {one['name']} runs, and is not ready"
