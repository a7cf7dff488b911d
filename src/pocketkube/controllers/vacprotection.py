"""VolumeAttributesClasses stay, terminating, while a claim or a volume names them.

Models pkg/controller/volume/vacprotection. A class is named by a claim that asks for it, that has it, or that is being
changed to it, and by the volume it was applied to last.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.resources.volumeattributesclasses import PROTECTION
from pocketkube.store import DELETED, Event


class VACProtectionController(Controller):
    name = "volumeattributesclass-protection-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "volumeattributesclasses", own_key
        yield "persistentvolumeclaims", _left
        yield "persistentvolumes", _left

    async def reconcile(self, at: Key) -> float | None:
        found = self.client.find("volumeattributesclasses", *at)
        if found is None:
            return None
        if finalizers.may_be_released(found, PROTECTION):
            if not self._is_used(objects.name(found)):
                self.client.patch("volumeattributesclasses", at, lambda copy: finalizers.release(copy, PROTECTION))
        elif not objects.is_terminating(found) and not finalizers.is_held(found, PROTECTION):
            self.client.patch("volumeattributesclasses", at, lambda copy: finalizers.hold(copy, PROTECTION))
        return None

    def _is_used(self, name: str) -> bool:
        users = (*self.client.list("persistentvolumes"), *self.client.list("persistentvolumeclaims"))
        return any(name in _named(user) for user in users)


def _named(user: Obj) -> set[str]:
    """The classes a claim or volume names."""
    spec, status = objects.spec(user), objects.status(user)
    target = objects.dig(status, "modifyVolumeStatus", "targetVolumeAttributesClassName")
    return {spec.get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"), target} - {None, ""}


def _left(event: Event) -> Iterable[Key]:
    """The classes that a claim or volume names no longer."""
    before = set() if event.old is None else _named(event.old)
    after = _named(event.object)
    return [("", name) for name in (before | after if event.type == DELETED else before - after)]


CONTROLLER = VACProtectionController
