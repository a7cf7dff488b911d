"""Pods that become ready after the checks have lost patience: nobody changes anything then, and a check that failed
may pass.

Gradings delete Pods and let them become unready themselves, so one Pod's news says nothing. What counts is that more
Pods of one maker are ready than while it was graded last."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kindlab.api import Obj
from kindlab.checks.patience import CATCH_UP
from kindlab.conditions import is_ready
from kindlab.managed import MANAGED
from kindlab.watching.objects import Change, Key

SETTLED = 1.0
"""Seconds without further news after which what has become ready is graded: Pods become ready one after the other."""


class Readiness:
    """Which Pods are ready, by the uid of what makes them, or by their own. Times are monotonic."""

    def __init__(self) -> None:
        self._up: dict[str, dict[Key, Obj]] = {}
        self._seen: dict[str, int] = {}
        """Maker -> how many of its Pods were ready at most while checks could still see it."""
        self._until = 0.0
        self._covers: Callable[[Change], bool] = lambda change: True
        """What was ready by then, and is one of these, has been seen by the checks."""

    def take(self, change: Change) -> bool:
        """Whether it is news to the checks: a maker has more ready Pods than they have seen."""
        if change.key[0] != "pods":
            return False
        maker = _maker(change.new or change.old or {})
        up = self._up.setdefault(maker, {})
        was = change.key in up
        if change.new is not None and _counts(change.new):
            up[change.key] = change.new
        else:
            up.pop(change.key, None)
        if change.at <= self._until and self._covers(change):
            self._seen[maker] = max(self._seen.get(maker, 0), len(up))
        return not was and len(up) > self._seen.get(maker, 0)

    def late(self) -> Mapping[Key, Obj]:
        """The ready Pods of those makers that have more of them than the checks have seen."""
        return {
            key: pod for maker, up in self._up.items() if len(up) > self._seen.get(maker, 0) for key, pod in up.items()
        }

    def changed(self) -> None:
        """Somebody has changed something: what was seen before says nothing about what comes."""
        self._seen.clear()

    def graded(self, began: float, ended: float, covers: Callable[[Change], bool]) -> None:
        """Checks ask again for a while, so they have seen what became ready soon after they began. `covers`: whether
        a Pod's change concerned no other tasks than those graded."""
        for maker, up in self._up.items():
            self._seen[maker] = max(self._seen.get(maker, 0), len(up))
        self._until, self._covers = min(ended, began + CATCH_UP), covers


def _maker(pod: Obj) -> str:
    meta = pod.get("metadata") or {}
    owner = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), None)
    return str((owner or meta).get("uid"))


def _counts(pod: Obj) -> bool:
    """Whether it is ready. Pods of Jobs do not count, which come and go by the clock; kindlab's own neither."""
    meta = pod["metadata"]
    jobs = any(o.get("kind") == "Job" for o in meta.get("ownerReferences") or ())
    if jobs or meta.get("deletionTimestamp") or MANAGED.items() <= (meta.get("labels") or {}).items():
        return False
    return is_ready(pod)
