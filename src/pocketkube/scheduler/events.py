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

NAME: Final = "default-scheduler"
_LONGEST: Final = 1024
"""Bytes of a message."""


class SchedulingEvents:
    """Repeats of a text about the same version of a pod become a series."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._last: dict[tuple[str, str, str], Key] = {}
        """Where the Warning about a version of a pod with that text is."""

    def record(
        self, pod: Obj, type_: str, reason: str, action: str, message: str, *, related: Obj | None = None
    ) -> None:
        """An Event without source and count; nothing when it cannot be written. `related`: another pod it is about."""
        message = _shortened(message)
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
            event = _event(pod, name, type_, reason, action, message, now)
            if related is not None:
                event["related"] = _reference(related)
            self.client.create("events", event)
            if type_ == "Warning":
                if len(self._last) >= REMEMBERED:
                    self._last.pop(next(iter(self._last)))
                self._last[key] = objects.namespace(pod), name
        except StatusError:
            return  # the namespace is going or gone: there is nobody left to tell


def _shortened(message: str) -> str:
    """As much of it as an event may hold."""
    told = message.encode()
    return message if len(told) <= _LONGEST else f"{told[: _LONGEST - 4].decode(errors='ignore')} ..."


def _event(pod: Obj, name: str, type_: str, reason: str, action: str, message: str, now: str) -> Obj:
    return {
        "metadata": {"name": name, "namespace": objects.namespace(pod)},
        "involvedObject": _reference(pod),
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


def _reference(pod: Obj) -> Obj:
    return {
        "kind": "Pod",
        "namespace": objects.namespace(pod),
        "name": objects.name(pod),
        "uid": objects.uid(pod),
        "apiVersion": "v1",
        "resourceVersion": pod["metadata"]["resourceVersion"],
    }


def histogram(nodes: int, reasons: Iterable[str]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.`"""
    counted = sorted(f"{number} {reason}" for reason, number in Counter(reasons).items())
    return f"0/{nodes} nodes are available: {', '.join(counted)}."
