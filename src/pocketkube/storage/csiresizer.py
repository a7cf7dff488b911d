"""external-resizer, first half: a bound claim that asks for more gets a larger volume.

Models external-resizer v2.2.1 (pkg/controller) with RecoverVolumeExpansionFailure: the driver enlarges the volume, the
volume object shows the new capacity, the claim says what has been allocated and that the rest is the node's (its
kubelet finishes it). An expansion that cannot be is told twice, as there, then tried again after five minutes or when
the claim asks for something else. Left out: drivers that expand unused volumes only, drivers that need nothing of the
node, volumes migrated from in-tree plugins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pocketkube import claims, objects, quantity
from pocketkube.client import Client
from pocketkube.controllers.base import Mapping, Retry
from pocketkube.objects import Key, Obj
from pocketkube.storage import csisecrets
from pocketkube.storage.base import Backend, Program
from pocketkube.storage.driver import NAME, RpcError
from pocketkube.storage.slowset import SlowSet
from pocketkube.store import Event

COMPONENT: Final = f"external-resizer {NAME}"
PENDING_MESSAGE: Final = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."
INFEASIBLE: Final = ("InvalidArgument", "OutOfRange", "NotFound")


class CsiResizer(Program):
    name = "csi-resizer"
    image = "csi-resizer"

    def __init__(self, client: Client, backend: Backend) -> None:
        super().__init__(client.named(COMPONENT), backend)
        self._slow = SlowSet(self.clock)
        self._final: set[Key] = set()
        """Claims whose last call has failed for good, so that their size may be chosen anew."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumeclaims", _resized

    async def reconcile(self, at: Key) -> float | None:
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None or not _wants_more(claim):
            return None
        name = objects.spec(claim)["volumeName"]
        volume = self.client.find("persistentvolumes", "", name)
        if volume is None:
            raise Retry(f'PV "{name}" bound to pvc "{"/".join(at)}" not found')
        if not claims.is_owned(volume, claim) or objects.dig(volume, "spec", "csi", "driver") != NAME:
            return None
        was_slow = at in self._slow
        if _resize_status(claim) == "ControllerResizeInfeasible":
            self._slow.add(at)
        size = self._size(at, claim, volume)
        if size is None:
            return None
        allocated = _storage(objects.status(claim).get("allocatedResources"))
        again = allocated is not None and quantity.compare(allocated, size) == 0
        if again and was_slow:
            return self._slow.remaining(at)
        self._begin(at, size, again)
        text = f"External resizer is resizing volume {name}"
        self.client.record(claim, "Normal", "Resizing", text)
        try:
            csisecrets.check_exists(self.client, objects.dig(volume, "spec", "csi", "controllerExpandSecretRef"))
            capacity = self.backend.driver.expand(volume["spec"]["csi"]["volumeHandle"], quantity.value(size))
        except (RpcError, csisecrets.InvalidParameters) as error:
            self._fail(at, error)
            text = f'resize volume "{name}" by resizer "{NAME}" failed: {error}'
            self.client.record(claim, "Warning", "VolumeResizeFailed", text)
            raise Retry(text) from error
        self._final.discard(at)
        self._slow.discard(at)

        def enlarge(changed: Obj) -> None:
            changed["spec"]["capacity"]["storage"] = quantity.canonical(quantity.text_of(capacity, "BinarySI"))

        self.client.patch("persistentvolumes", ("", name), enlarge)
        self._leave_to_the_node(at)
        text = "Require file system resize of volume on node"
        self.client.record(claim, "Normal", "FileSystemResizeRequired", text)
        return None

    def _size(self, at: Key, claim: Obj, volume: Obj) -> str | None:
        """What to ask the driver for; None: the node is at work. An expansion that may be under way ends first."""
        wanted = str(claim["spec"]["resources"]["requests"]["storage"])
        allocated = _storage(objects.status(claim).get("allocatedResources"))
        has = str(objects.dig(volume, "spec", "capacity", "storage", default="0"))
        status = _resize_status(claim)
        on_node = status in ("NodeResizePending", "NodeResizeInProgress")
        if quantity.compare(has, wanted) < 0:
            size = allocated or wanted
            if on_node:
                return None if quantity.compare(has, size) >= 0 else size
            if status == "NodeResizeInfeasible" or (status == "ControllerResizeInProgress" and at not in self._final):
                return size
            return wanted
        if on_node or (not status and allocated is None and _pending_on_node(claim)):
            return None
        return allocated or wanted

    def _begin(self, at: Key, size: str, again: bool) -> None:
        def begin(claim: Obj) -> None:
            status = claim["status"]
            condition = self._condition("Resizing")
            status["conditions"] = merge(status.get("conditions") or (), [condition], keep=again)
            if not again:
                status.setdefault("allocatedResourceStatuses", {})["storage"] = "ControllerResizeInProgress"
            status.setdefault("allocatedResources", {})["storage"] = size

        self.client.patch("persistentvolumeclaims", at, begin, subresource="status")

    def _leave_to_the_node(self, at: Key) -> None:
        def pending(claim: Obj) -> None:
            status = claim["status"]
            condition = self._condition("FileSystemResizePending", PENDING_MESSAGE)
            status["conditions"] = merge(status.get("conditions") or (), [condition], keep=True)
            status.setdefault("allocatedResourceStatuses", {})["storage"] = "NodeResizePending"

        self.client.patch("persistentvolumeclaims", at, pending, subresource="status")

    def _fail(self, at: Key, error: RpcError | csisecrets.InvalidParameters) -> None:
        if not isinstance(error, RpcError) or not error.is_final:
            self._slow.discard(at)
            self._final.discard(at)
            return
        self._final.add(at)

        def failed(claim: Obj) -> None:
            status = claim["status"]
            condition = self._condition("ControllerResizeError", f"failed to expand pvc with {error}")
            status["conditions"] = merge(status.get("conditions") or (), [condition], keep=True)
            if error.code in INFEASIBLE:
                status.setdefault("allocatedResourceStatuses", {})["storage"] = "ControllerResizeInfeasible"

        if error.code not in INFEASIBLE:
            self._slow.discard(at)
        self.client.patch("persistentvolumeclaims", at, failed, subresource="status")

    def _condition(self, type_: str, message: str = "") -> Obj:
        condition = {"type": type_, "status": "True", "lastProbeTime": None, "lastTransitionTime": self.clock.now()}
        return {**condition, "message": message} if message else condition


def merge(old: Sequence[Obj], new: Sequence[Obj], *, keep: bool) -> list[Obj]:
    """Conditions with the new ones in the place of their type; `keep` the others that are about resizing, or not."""
    ahead = {condition["type"]: condition for condition in new}
    merged = [
        ahead.pop(condition["type"], condition)
        for condition in old
        if keep or condition["type"] in ahead or condition["type"] not in claims.RESIZE_CONDITIONS
    ]
    return [*merged, *ahead.values()]


def _resized(event: Event) -> Iterable[Key]:
    claim, old = event.object, event.old
    if event.type != "DELETED" and (old is None or _sizes(claim) != _sizes(old)) and _wants_more(claim):
        yield objects.key(claim)


def _sizes(claim: Obj) -> tuple[object, ...]:
    requested = objects.dig(claim, "spec", "resources", "requests", "storage")
    capacity = objects.dig(claim, "status", "capacity", "storage")
    return requested, capacity, _resize_status(claim), objects.status(claim).get("phase")


def _wants_more(claim: Obj) -> bool:
    """Only bound claims can be expanded."""
    if objects.status(claim).get("phase") != "Bound" or not objects.spec(claim).get("volumeName"):
        return False
    requested = objects.dig(claim, "spec", "resources", "requests", "storage", default="0")
    return quantity.compare(requested, _storage(objects.status(claim).get("capacity")) or "0") > 0


def _storage(resources: Obj | None) -> str | None:
    found = (resources or {}).get("storage")
    return None if found is None else str(found)


def _resize_status(claim: Obj) -> str:
    return _storage(objects.status(claim).get("allocatedResourceStatuses")) or ""


def _pending_on_node(claim: Obj) -> bool:
    return objects.condition_status(claim, "FileSystemResizePending") == "True"


PROGRAM = CsiResizer
