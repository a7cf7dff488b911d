"""What every external provisioner does alike: claims that wait for it get a volume, released volumes are deleted.

Models sig-storage-lib-external-provisioner: which claims and volumes are its own, the events, waiting longer after each
failure, the finalizer on volumes that are to be deleted. Of our own: a claim that waits after a failure is looked at
again as soon as what it waits for is there (`retried_when`), not only when its time is up; empty volumes are made one
after the other, those with content beside them. Left out: leader election, metrics, in-tree volumes that are migrated,
provisioning that goes on in the background.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import ClassVar, Final

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Mapping, Retry
from pocketkube.errors import AlreadyExists, StatusError
from pocketkube.objects import Key, Obj
from pocketkube.storage.base import Backend, Program
from pocketkube.store import Event

FINALIZER: Final = "external-provisioner.volume.kubernetes.io/finalizer"
INFEASIBLE_DELAY: Final = 300.0
"""Seconds before a request is tried again that the driver calls wrong, unless the class is another one by then."""


class ProvisioningFailed(Exception):
    """Why there is no volume (yet): the text of the event. `reschedule`: another node may do; `infeasible`: the request
    itself is wrong."""

    def __init__(self, text: str, *, reschedule: bool = False, infeasible: bool = False) -> None:
        super().__init__(text)
        self.reschedule = reschedule
        self.infeasible = infeasible


class Ignored(Exception):
    """Somebody else makes this volume."""


class Provisioner(Program):
    """Subclass once per provisioner. `provision` makes the bytes and says what the volume is; `remove` deletes them."""

    provisioner: ClassVar[str]
    """As classes name it."""
    keeps_volumes: ClassVar[bool] = False
    """Whether its volumes carry FINALIZER until their bytes are deleted."""
    handles_blocks: ClassVar[bool] = True
    failure: ClassVar[str] = "{error}"
    """The text of ProvisioningFailed; `{error}`, `{class_name}`."""

    def __init__(self, client: Client, backend: Backend) -> None:
        super().__init__(client, backend)
        self._failed: set[Key] = set()
        """Claims that wait for another try."""
        self._aside: asyncio.TaskGroup
        self._busy: set[Key] = set()
        """Claims that are worked on in a task of their own."""
        self._again: set[Key] = set()
        """Those of them that have changed meanwhile."""
        self._infeasible: dict[Key, tuple[float, str, str]] = {}
        """Claim -> (when it may be tried again, its uid, uid of the class it was refused with)."""

    async def provision(self, claim: Obj, storage_class: Obj, node: str) -> Obj:
        """The volume to create: name, annotations and spec, without what all have (claimRef, class). `node`: chosen by
        the scheduler, or "". Raises ProvisioningFailed, Ignored, StatusError."""
        raise NotImplementedError

    async def remove(self, volume: Obj) -> None:
        """Delete the bytes. Raises ProvisioningFailed; then it is called again later."""
        raise NotImplementedError

    # -- which keys

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumeclaims", self.claims
        yield "persistentvolumes", lambda event: [("", objects.name(event.object))]
        yield (
            "storageclasses",
            self.retried_when(lambda event, claim: claims.class_of(claim) == objects.name(event.object)),
        )

    def retried_when(self, waits_for: Callable[[Event, Obj], bool]) -> Mapping:
        """Maps an event to the claims that have failed and were waiting for it."""

        def waiting(event: Event) -> Iterable[Key]:
            for at in list(self._failed):
                claim = self.client.find("persistentvolumeclaims", *at)
                if claim is not None and waits_for(event, claim):
                    yield at

        return waiting

    def claims(self, event: Event) -> Iterable[Key]:
        """The keys of the claims that an event of a claim is about."""
        claim = event.object
        if objects.key(claim) in self._failed or (
            _provisioner_of(claim) == self.provisioner and not objects.spec(claim).get("volumeName")
        ):
            yield objects.key(claim)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as self._aside:
            await super().run()

    async def _process(self, at: Key) -> None:
        """A claim that is made of another or of a snapshot may take a while: it is worked on beside the others."""
        if at in self._busy:
            self._again.add(at)
            return
        claim = self.client.find("persistentvolumeclaims", *at) if at[0] else None
        if claim is None or not {"dataSource", "dataSourceRef"} & objects.spec(claim).keys():
            await super()._process(at)
            return
        self._busy.add(at)
        self._aside.create_task(self._process_aside(at), name=f"{self.name} {'/'.join(at)}")

    async def _process_aside(self, at: Key) -> None:
        try:
            await super()._process(at)
        finally:
            self._busy.discard(at)
            if at in self._again:
                self._again.discard(at)
                self.enqueue(at)

    async def reconcile(self, at: Key) -> float | None:
        return await (self._claim(at) if at[0] else self._volume(at))

    # -- claims

    async def _claim(self, at: Key) -> float | None:
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None or objects.spec(claim).get("volumeName") or _provisioner_of(claim) != self.provisioner:
            self._forget(at)
            return None
        storage_class = self.client.find("storageclasses", "", claims.class_of(claim))
        if storage_class is None:
            self._failed.add(at)
            raise Retry(f'storageclass.storage.k8s.io "{claims.class_of(claim)}" not found')
        if (wait := self._postponed(claim, storage_class)) > 0:
            return wait
        node = objects.annotations(claim).get(claims.SELECTED_NODE, "")
        if claims.is_delayed(storage_class) and not node:
            return None
        if storage_class.get("provisioner") != self.provisioner:
            return None
        if self.client.find("persistentvolumes", "", volume_name(claim)) is not None:
            return None  # it is the binder's turn
        if not self.handles_blocks and objects.spec(claim).get("volumeMode") == "Block":
            text = f"{self.provisioner} does not support block volume provisioning"
            self.client.record(claim, "Warning", "ProvisioningFailed", text)
            return None
        text = f'External provisioner is provisioning volume for claim "{"/".join(at)}"'
        self.client.record(claim, "Normal", "Provisioning", text)
        try:
            volume = await self.provision(claim, storage_class, node)
        except Ignored:
            return None
        except ProvisioningFailed as error:
            return self._fail(at, claim, storage_class, error)
        except StatusError as error:
            return self._fail(at, claim, storage_class, ProvisioningFailed(error.message))
        self._complete(volume, claim, storage_class)
        with suppress(AlreadyExists):
            self.client.create("persistentvolumes", volume)
        self._forget(at)
        text = f"Successfully provisioned volume {objects.name(volume)}"
        self.client.record(claim, "Normal", "ProvisioningSucceeded", text)
        return None

    def _complete(self, volume: Obj, claim: Obj, storage_class: Obj) -> None:
        """What all provisioned volumes have."""
        spec = volume["spec"]
        spec["claimRef"] = claims.reference(claim)
        spec["persistentVolumeReclaimPolicy"] = storage_class.get("reclaimPolicy") or "Delete"
        spec["storageClassName"] = claims.class_of(claim)
        volume["metadata"].setdefault("annotations", {})[claims.PROVISIONED_BY] = self.provisioner
        if self.keeps_volumes:
            volume["metadata"]["finalizers"] = [FINALIZER]

    def _fail(self, at: Key, claim: Obj, storage_class: Obj, error: ProvisioningFailed) -> float | None:
        self._failed.add(at)
        if error.infeasible:
            until = self.clock.monotonic() + INFEASIBLE_DELAY
            self._infeasible[at] = until, objects.uid(claim), objects.uid(storage_class)
            text = f"Volume provisioning failed with infeasible error. Retries will be delayed. {error}"
            self.client.record(claim, "Warning", "ProvisioningFailed", text)
            return INFEASIBLE_DELAY
        text = self.failure.format(error=error, class_name=claims.class_of(claim))
        self.client.record(claim, "Warning", "ProvisioningFailed", text)
        if error.reschedule and claims.SELECTED_NODE in objects.annotations(claim):

            def unselect(changed: Obj) -> None:
                objects.annotations(changed).pop(claims.SELECTED_NODE, None)

            if self.client.find("persistentvolumeclaims", *at) is not None:
                self.client.patch("persistentvolumeclaims", at, unselect)
            return None
        raise Retry(text) from error

    def _postponed(self, claim: Obj, storage_class: Obj) -> float:
        at = objects.key(claim)
        until, *refused = self._infeasible.get(at, (0.0, "", ""))
        if refused != [objects.uid(claim), objects.uid(storage_class)]:
            self._infeasible.pop(at, None)
            return 0.0
        return until - self.clock.monotonic()

    def _forget(self, at: Key) -> None:
        self._failed.discard(at)
        self._infeasible.pop(at, None)

    # -- volumes

    async def _volume(self, at: Key) -> float | None:
        volume = self.client.find("persistentvolumes", *at)
        if volume is None or not self._is_own(volume):
            return None
        self._protect(volume)
        if not self._is_to_be_deleted(volume):
            return None
        try:
            await self.remove(volume)
        except ProvisioningFailed as error:
            self.client.record(volume, "Warning", "VolumeFailedDelete", str(error))
            raise Retry(str(error)) from error
        self.log.info('"Volume deleted" PV="%s"', at[1])
        if not objects.is_terminating(volume):
            self.client.delete("persistentvolumes", at)
        if (left := self.client.find("persistentvolumes", *at)) is not None and finalizers.is_held(left, FINALIZER):
            self.client.patch("persistentvolumes", at, _release)
        return None

    def _is_own(self, volume: Obj) -> bool:
        if (by := objects.annotations(volume).get(claims.PROVISIONED_BY)) is not None:
            return by == self.provisioner
        return bool(objects.dig(volume, "spec", "csi", "driver") == self.provisioner)

    def _protect(self, volume: Obj) -> None:
        """Volumes that are to be deleted with their bytes wait for that, from when they are bound."""
        if not self.keeps_volumes:
            return
        policy = objects.spec(volume).get("persistentVolumeReclaimPolicy")
        bound = objects.status(volume).get("phase") == "Bound" and not objects.is_terminating(volume)
        if policy == "Delete" and bound and not finalizers.is_held(volume, FINALIZER):
            self.client.patch("persistentvolumes", objects.key(volume), _hold)
        elif policy in ("Retain", "Recycle") and finalizers.is_held(volume, FINALIZER):
            self.client.patch("persistentvolumes", objects.key(volume), _release)

    def _is_to_be_deleted(self, volume: Obj) -> bool:
        if objects.is_terminating(volume) and not (self.keeps_volumes and finalizers.is_held(volume, FINALIZER)):
            return False
        released = objects.status(volume).get("phase") == "Released"
        return released and objects.spec(volume).get("persistentVolumeReclaimPolicy") == "Delete"


def volume_name(claim: Obj) -> str:
    return f"pvc-{objects.uid(claim)}"


def _provisioner_of(claim: Obj) -> str | None:
    found = objects.annotations(claim)
    return found.get(claims.STORAGE_PROVISIONER) or found.get(claims.BETA_STORAGE_PROVISIONER)


def _hold(copy: Obj) -> None:
    finalizers.hold(copy, FINALIZER)


def _release(copy: Obj) -> None:
    finalizers.release(copy, FINALIZER)
