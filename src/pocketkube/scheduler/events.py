"""What the scheduler says of a pod: its events, as events.k8s.io writes them, and the text when no node fits.

Models client-go/tools/events and the FitError of pkg/scheduler/framework/types.go.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.recorder import REMEMBERED
from pocketkube.scheduler.filters import Refusal

NAME: Final = "default-scheduler"


class SchedulingEvents:
    """Repeats of a text about the same version of a pod become a series."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._last: dict[tuple[str, str, str], Key] = {}
        """Where the Warning about a version of a pod with that text is."""

    def record(self, pod: Obj, type_: str, reason: str, action: str, message: str) -> None:
        """An Event without source and count; nothing when it cannot be written."""
        key = (objects.uid(pod), pod["metadata"]["resourceVersion"], message)
        now = self.client.clock.now_micro()
        try:
            at = self._last.get(key)
            if at is not None and self.client.find("events", *at) is not None:

                def again(copy: Obj) -> None:
                    seen = (copy.get("series") or {}).get("count", 1)
                    copy["series"] = {"count": seen + 1, "lastObservedTime": now}

                self.client.patch("events", at, again)
                return
            name = f"{objects.name(pod)}.{time.time_ns():x}"
            self.client.create("events", _event(pod, name, type_, reason, action, message, now))
            if type_ == "Warning":
                if len(self._last) >= REMEMBERED:
                    self._last.pop(next(iter(self._last)))
                self._last[key] = objects.namespace(pod), name
        except StatusError:
            return  # the namespace is going or gone: there is nobody left to tell


def _event(pod: Obj, name: str, type_: str, reason: str, action: str, message: str, now: str) -> Obj:
    return {
        "metadata": {"name": name, "namespace": objects.namespace(pod)},
        "involvedObject": {
            "kind": "Pod",
            "namespace": objects.namespace(pod),
            "name": objects.name(pod),
            "uid": objects.uid(pod),
            "apiVersion": "v1",
            "resourceVersion": pod["metadata"]["resourceVersion"],
        },
        "reason": reason,
        "message": message,
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "type": type_,
        "eventTime": now,
        "action": action,
        "reportingComponent": NAME,
        "reportingInstance": f"{NAME}-pocket",
    }


def fit_error(pod: Obj, refusals: list[Refusal]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, ... . no new claims to deallocate, preemption: ...`."""
    text = _histogram(len(refusals), (reason for refusal in refusals for reason in refusal.reasons))
    if objects.spec(pod).get("preemptionPolicy") == "Never":
        preemption = "not eligible due to preemptionPolicy=Never."
    else:
        useless, nobody = "Preemption is not helpful for scheduling", "No preemption victims found for incoming pod"
        preemption = _histogram(len(refusals), (useless if r.for_good else nobody for r in refusals))
    return f"{text} no new claims to deallocate, preemption: {preemption}"


def _histogram(nodes: int, reasons: Iterable[str]) -> str:
    counted = sorted(f"{number} {reason}" for reason, number in Counter(reasons).items())
    return f"0/{nodes} nodes are available: {', '.join(counted)}."
