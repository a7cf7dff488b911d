"""Who writes, as the registry is told: by it the managedFields of what is written are kept.

Nobody (None) leaves them as they are: bindings and deletions are not tracked upstream either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pocketkube.fieldmanager import applying, entries, tracking
from pocketkube.fieldmanager.entries import Entries
from pocketkube.fieldmanager.fieldsets import Set
from pocketkube.fieldmanager.shapes import Shape, Unfit
from pocketkube.objects import Obj


class Kind(Protocol):
    """What of a kind's declaration counts here."""

    @property
    def api_version(self) -> str: ...

    @property
    def shape(self) -> Shape: ...

    def zero(self) -> Obj: ...

    def reset_fields(self, subresource: str) -> Set: ...


class By(Protocol):
    """A writer. `new` and `old` (None: it is being created) come as they are written; `given` are the managedFields a
    client sent along. None: the object shall have none."""

    def managed(
        self, kind: Kind, new: Obj, old: Obj | None, given: Any, subresource: str, now: str
    ) -> Entries | None: ...


@dataclass(frozen=True)
class Updater:
    """Creates, updates and patches in the name of `manager`. `subresource`: the one that is named, where it is not the
    one that is written."""

    manager: str
    subresource: str = ""

    def managed(self, kind: Kind, new: Obj, old: Obj | None, given: Any, subresource: str, now: str) -> Entries | None:
        kept = () if old is None else tuple(old["metadata"].get("managedFields", ()))
        before = kept
        if given is not None and given is not kept and not subresource:
            if entries.is_reset(given):
                before = ()
            elif entries.usable(given) and tuple(given) != kept:
                before = tuple(given)
        if not before and old is not None:
            return None  # nobody has kept them from the start: the first apply begins with it
        writer = (self.manager or "unknown", entries.UPDATE, kind.api_version, self.subresource or subresource)
        was = tracking.bare(old) if old is not None else kind.zero()
        ignored = kind.reset_fields(subresource)
        try:
            return tracking.updated(before, writer, kind.shape, was, tracking.bare(new), ignored=ignored, now=now)
        except Unfit:
            return None  # who is refused, is by validation, and what that lets pass is nobody's, as upstream


@dataclass
class Applier:
    """Applies a configuration: `apply` first, what comes of it is written by it."""

    config: Obj
    manager: str
    force: bool = False
    _managed: Entries = ()

    def apply(self, kind: Kind, live: Obj | None, subresource: str, now: str) -> Obj:
        """The object with the configuration in it, without managedFields. `live`: None where there is none yet. Raises
        Conflict."""
        held = live if live is not None else kind.zero()
        before = tuple((held.get("metadata") or {}).get("managedFields", ()))
        held = tracking.bare(held)
        if live is not None and not before:
            first = ("before-first-apply", entries.UPDATE, kind.api_version, "")
            before = tracking.updated((), first, kind.shape, kind.zero(), held, ignored={}, now=now)
        by = applying.Applier(self.manager, kind.api_version, subresource, self.force, kind.reset_fields(subresource))
        merged, self._managed = applying.apply(kind.shape, held, before, self.config, by, now)
        return merged

    def managed(self, kind: Kind, new: Obj, old: Obj | None, given: Any, subresource: str, now: str) -> Entries:
        return self._managed
