"""The pods that did not fit: which of them an event can help.

Models the plugins' queueing hints (EventsToRegister) as far as they save work. `nodes` and `pods` events are the
scheduler's own to judge; here are those of what volumes are made of, and of claims for devices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from pocketkube import objects
from pocketkube.objects import Key, Obj
from pocketkube.scheduler import devices
from pocketkube.scheduler.volume_binding import most_of
from pocketkube.scheduler.volume_limits import limits_of
from pocketkube.scheduler.volumes import claim_keys
from pocketkube.store import DELETED, Event

WATCHED: Final = (
    "persistentvolumeclaims",
    "persistentvolumes",
    "storageclasses",
    "csinodes",
    "csidrivers",
    "csistoragecapacities",
    "volumeattachments",
    *devices.WATCHED,
)


class WaitingPods:
    """By key: whether room on a node would not help the pod."""

    def __init__(self) -> None:
        self._hopeless: dict[Key, bool] = {}
        self._claims: dict[Key, set[Key]] = {}
        """Claims by pod, for the pods that have some."""
        self._users: defaultdict[Key, set[Key]] = defaultdict(set)
        """Pods by claim."""
        self._devices: set[Key] = set()
        """Those that claim devices."""

    def __contains__(self, pod: Key) -> bool:
        return pod in self._hopeless

    def items(self) -> list[tuple[Key, bool]]:
        return list(self._hopeless.items())

    def add(self, pod: Obj, *, hopeless: bool) -> None:
        key = objects.key(pod)
        self.discard(key)
        self._hopeless[key] = hopeless
        if devices.claimed(pod):
            self._devices.add(key)
        if wanted := claim_keys(pod):
            self._claims[key] = wanted
            for claim in wanted:
                self._users[claim].add(key)

    def discard(self, pod: Key) -> None:
        self._hopeless.pop(pod, None)
        self._devices.discard(pod)
        for claim in self._claims.pop(pod, ()):
            self._users[claim].discard(pod)
            if not self._users[claim]:
                del self._users[claim]

    def helped_by(self, event: Event) -> Iterable[Key]:
        """The pods that an event about something of WATCHED may help."""
        if event.resource in devices.WATCHED:
            return tuple(self._devices)
        if not self._claims:
            return ()
        if event.resource == "persistentvolumeclaims":
            return () if event.type == DELETED else tuple(self._users.get(objects.key(event.object), ()))
        if event.resource == "persistentvolumes":
            return self._helped_by_volume(event)
        helps = _HELPS.get(event.resource)
        return tuple(self._claims) if helps is None or helps(event) else ()

    def _helped_by_volume(self, event: Event) -> Iterable[Key]:
        """One that is promised helps those that use its claim only."""
        if event.type == DELETED:
            return ()
        ref = objects.spec(event.object).get("claimRef")
        if ref is None:
            return tuple(self._claims)
        return tuple(self._users.get((ref.get("namespace", ""), ref.get("name", "")), ()))


def _more_volumes(event: Event) -> bool:
    """Whether a limit was raised or is gone; upstream finds out about the latter after five minutes."""
    if event.type == DELETED:
        return True
    now = limits_of(event.object)
    return event.old is None or any(name not in now or now[name] > most for name, most in limits_of(event.old).items())


def _more_space(event: Event) -> bool:
    if event.type == DELETED:
        return False
    before, now = most_of(event.old or {}), most_of(event.object)
    return now is not None and (before is None or now > before)


def _other_topology(event: Event) -> bool:
    if event.type == DELETED:
        return False
    return event.old is None or event.old.get("allowedTopologies") != event.object.get("allowedTopologies")


def _detached(event: Event) -> bool:
    return event.type == DELETED


_HELPS: Final = {
    "storageclasses": _other_topology,
    "csinodes": _more_volumes,
    "csistoragecapacities": _more_space,
    "volumeattachments": _detached,
}
