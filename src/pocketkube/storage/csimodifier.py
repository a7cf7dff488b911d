"""external-resizer, second half: a bound claim that names another VolumeAttributesClass gets its volume modified.

Models external-resizer v2.2.1 (pkg/modifycontroller): the claim's modifyVolumeStatus and conditions, events, what is
tried again and when, cancelling. Of our own: a class that appears later is noticed at once. Left out: extra metadata
for the driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Mapping, Retry
from pocketkube.objects import Key, Obj
from pocketkube.storage.base import Backend, Program
from pocketkube.storage.csiresizer import COMPONENT
from pocketkube.storage.driver import NAME, RpcError
from pocketkube.storage.slowset import SlowSet
from pocketkube.store import Event

MODIFYING: Final = "ModifyingVolume"
FAILED: Final = "ModifyVolumeError"


class CsiModifier(Program):
    name = "csi-modifier"
    image = "csi-resizer"

    def __init__(self, client: Client, backend: Backend) -> None:
        super().__init__(client.named(COMPONENT), backend)
        self._slow = SlowSet(self.clock)
        self._uncertain: set[Key] = set()
        """Claims whose last call may still succeed in the background: it is repeated before there is another."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumeclaims", self._claims
        yield "volumeattributesclasses", self._classes

    def _claims(self, event: Event) -> Iterable[Key]:
        claim, old = event.object, event.old
        if event.type == "DELETED":
            self._uncertain.discard(objects.key(claim))
            return
        status = _modify_status(claim)
        if old is None and status.get("status") == "InProgress":
            self._uncertain.add(objects.key(claim))  # the process died in the middle of it
        changed = old is None or _class_of(claim) != _class_of(old) or not status
        if changed and (status or _class_of(claim) != _current(claim)):
            yield objects.key(claim)

    def _classes(self, event: Event) -> Iterable[Key]:
        if event.type == "ADDED":
            for claim in self.client.list("persistentvolumeclaims"):
                if _modify_status(claim) and _class_of(claim) == objects.name(event.object):
                    yield objects.key(claim)

    async def reconcile(self, at: Key) -> float | None:
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None or not (name := objects.spec(claim).get("volumeName")):
            return None
        volume = self.client.find("persistentvolumes", "", name)
        if volume is None or objects.dig(volume, "spec", "csi", "driver") != NAME:
            return None
        if objects.status(claim).get("phase") != "Bound":
            return None
        status, wanted = _modify_status(claim), _class_of(claim)
        if not status or status.get("targetVolumeAttributesClassName", "") != wanted:
            self._slow.discard(at)
        elif at in self._slow:
            return self._slow.remaining(at)
        if not status and wanted == _current(claim):
            return None
        in_progress = status.get("status") == "InProgress"
        if not wanted and not in_progress:
            self._cancel(at, claim)
            return None
        if in_progress and (at in self._uncertain or not wanted):
            target = status.get("targetVolumeAttributesClassName", "")
            found = self._class(claim, target)
            if found is None:
                raise Retry(f"get VAC with vac name {target} in VACInformer cache failed")
        else:
            found = self._class(claim, wanted)
            self._mark(at, "Pending" if found is None else "InProgress")
            if found is None:
                return None
            text = f"external resizer is modifying volume {at[1]} with vac {wanted}"
            self.client.record(claim, "Normal", "VolumeModify", text)
        self._modify(at, claim, volume, found)
        return None

    def _modify(self, at: Key, claim: Obj, volume: Obj, attributes: Obj) -> None:
        """Raises Retry."""
        name = objects.name(attributes)
        try:
            self.backend.driver.modify(volume["spec"]["csi"]["volumeHandle"], attributes.get("parameters") or {})
        except RpcError as error:
            text = str(error)
            if error.is_final:
                self._uncertain.discard(at)
            else:
                self._uncertain.add(at)
                text += f". Still modifying to VAC {name}"
            infeasible = error.code == "InvalidArgument"
            self._mark(at, "Infeasible" if infeasible else "InProgress", error)
            if infeasible:
                self._slow.add(at)
            self.client.record(claim, "Warning", "VolumeModifyFailed", text)
            raise Retry(text) from error
        self._uncertain.discard(at)

        def show(changed: Obj) -> None:
            changed["spec"]["volumeAttributesClassName"] = name

        def complete(changed: Obj) -> None:
            status = changed["status"]
            del status["modifyVolumeStatus"]
            status["currentVolumeAttributesClassName"] = name
            _set_conditions(status, [c for c in status.get("conditions") or () if c["type"] not in (MODIFYING, FAILED)])

        self.client.patch("persistentvolumes", ("", objects.name(volume)), show)
        self.client.patch("persistentvolumeclaims", at, complete, subresource="status")
        text = f"external resizer modified volume {at[1]} with vac {name} successfully"
        self.client.record(claim, "Normal", "VolumeModifySuccessful", text)

    def _class(self, claim: Obj, name: str) -> Obj | None:
        found = self.client.find("volumeattributesclasses", "", name)
        if found is None:
            self.client.record(claim, "Warning", "VolumeModifyFailed", f'VAC "{name}" does not exist.')
        return found

    def _mark(self, at: Key, state: str, error: RpcError | None = None) -> None:
        now = self.clock.now()

        def mark(claim: Obj) -> None:
            modifying = claim["status"].setdefault("modifyVolumeStatus", {})
            modifying["status"] = state
            if state == "Pending":
                return
            if error is None:
                target = modifying["targetVolumeAttributesClassName"] = _class_of(claim)
                news = [_condition(MODIFYING, f'Modifying volume to "{target}" is in progress.', now)]
            else:
                target = modifying.get("targetVolumeAttributesClassName", "")
                how = "failed. Waiting for retry." if error.is_final else "is still in progress."
                news = [
                    _condition(MODIFYING, f'Modifying volume to "{target}" {how}', now),
                    {**_condition(FAILED, error.text, now), "reason": error.code},
                ]
            _set_conditions(claim["status"], _merge(claim["status"].get("conditions") or (), news))

        self.client.patch("persistentvolumeclaims", at, mark, subresource="status")

    def _cancel(self, at: Key, claim: Obj) -> None:
        def cancel(changed: Obj) -> None:
            status = changed["status"]
            _set_conditions(status, [c for c in status["conditions"] if c["type"] != MODIFYING])

        if objects.condition(claim, MODIFYING) is not None:
            self.client.record(claim, "Normal", "VolumeModifyCanceled", "Cancelled modify.")
            self.client.patch("persistentvolumeclaims", at, cancel, subresource="status")


def _condition(type_: str, message: str, now: str) -> Obj:
    return {"type": type_, "status": "True", "lastProbeTime": now, "lastTransitionTime": now, "message": message}


def _merge(old: Sequence[Obj], new: Sequence[Obj]) -> list[Obj]:
    """Conditions with the new ones in the place of their type; one that says the same keeps its transition time."""
    ahead = {condition["type"]: condition for condition in new}
    merged = []
    for condition in old:
        news = ahead.pop(condition["type"], condition)
        if news is not condition and all(news.get(k) == condition.get(k) for k in ("status", "reason")):
            news = {**news, "lastTransitionTime": condition.get("lastTransitionTime")}
        merged.append(news)
    return [*merged, *ahead.values()]


def _set_conditions(status: Obj, conditions: list[Obj]) -> None:
    if conditions:
        status["conditions"] = conditions
    else:
        status.pop("conditions", None)


def _modify_status(claim: Obj) -> Obj:
    return objects.status(claim).get("modifyVolumeStatus") or {}


def _class_of(claim: Obj) -> str:
    return str(objects.spec(claim).get("volumeAttributesClassName") or "")


def _current(claim: Obj) -> str:
    return str(objects.status(claim).get("currentVolumeAttributesClassName") or "")


PROGRAM = CsiModifier
