"""Where the binder looks: volumes by what they are promised to or are free for, claims by what they wait for.

Models what the ordered index of pkg/controller/volume/persistentvolume/index.go is for: that the search for one claim
does not look at the volumes of all others. Fed with the events of both kinds, right after each write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from pocketkube import objects
from pocketkube.claims import class_of, is_bound
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

PlaceT = TypeVar("PlaceT", bound=Hashable)


class _Index(Generic[PlaceT]):
    """Objects by their place; one that stays in its place keeps its turn there."""

    def __init__(self, place: Callable[[Obj], PlaceT | None]) -> None:
        self._place = place
        self._places: defaultdict[PlaceT, dict[Key, Obj]] = defaultdict(dict)

    def note(self, event: Event) -> None:
        at = objects.key(event.object)
        place = None if event.type == "DELETED" else self._place(event.object)
        before = self._place(event.old) if event.old is not None else None
        if before is not None and before != place:
            self._remove(before, at)
        if place is not None:
            self._places[place][at] = event.object

    def _remove(self, place: PlaceT, at: Key) -> None:
        members = self._places.get(place)
        if members is not None:
            members.pop(at, None)
            if not members:
                del self._places[place]

    def at(self, place: PlaceT) -> dict[Key, Obj]:
        return self._places.get(place, {})


class VolumeIndex:
    def __init__(self) -> None:
        self._free = _Index(lambda volume: class_of(volume) if claim_key(volume) is None else None)
        self._promised = _Index(claim_key)

    def note(self, event: Event) -> None:
        self._free.note(event)
        self._promised.note(event)

    def candidates(self, claim: Obj) -> Iterable[Obj]:
        """What could serve a claim: what is promised to one of its name, and what is free in its class."""
        yield from self._promised.at(objects.key(claim)).values()
        yield from self._free.at(class_of(claim)).values()

    def promised(self, claim: Key) -> list[Key]:
        """The volumes with a claimRef to a claim of that name, whatever its uid."""
        return list(self._promised.at(claim))

    def available(self, class_name: str) -> list[Obj]:
        """The free volumes of a class that are in phase Available."""
        return [v for v in self._free.at(class_name).values() if objects.status(v).get("phase") == "Available"]


class ClaimIndex:
    def __init__(self) -> None:
        self._waiting = _Index(lambda claim: None if _named(claim) or is_bound(claim) else class_of(claim))
        self._naming = _Index(lambda claim: _named(claim) or None)

    def note(self, event: Event) -> None:
        self._waiting.note(event)
        self._naming.note(event)

    def waiting(self, class_name: str) -> list[Key]:
        """The claims of a class that name no volume yet, in the order they began to wait."""
        return list(self._waiting.at(class_name))

    def naming(self, volume: str) -> list[Key]:
        """The claims that name the volume, bound or not."""
        return list(self._naming.at(volume))


def claim_key(volume: Obj) -> Key | None:
    """The claim a volume is promised to, by name; None for a free one."""
    ref = objects.spec(volume).get("claimRef")
    return (ref.get("namespace", ""), ref.get("name", "")) if ref is not None else None


def _named(claim: Obj) -> str:
    return str(objects.spec(claim).get("volumeName") or "")
