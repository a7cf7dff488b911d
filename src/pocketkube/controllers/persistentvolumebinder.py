"""The binder: which claim gets which volume, and what both show for it.

Models pkg/controller/volume/persistentvolume (syncUnboundClaim, syncBoundClaim, syncVolume, provisionClaim). Its keys
are claims, volumes as ("", name) and ("", "/class"): what wakes the claims that wait in a class when a volume becomes
free there. Upstream finds out every 15 seconds; here an event does, and the 15 seconds only repeat what is told about
a claim that still waits. Left out: finalizer and annotations of volumes provisioned in-tree, of which there are none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from pocketkube import claims, objects
from pocketkube.claims import SELECTED_NODE
from pocketkube.client import Client
from pocketkube.controllers import binding
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.controllers.provisioning import REPEAT, Telling, provision
from pocketkube.controllers.reclaiming import reclaim
from pocketkube.controllers.recycling import Recycler
from pocketkube.controllers.volumeindex import ClaimIndex, VolumeIndex, claim_key
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

CLASS: Final = "/"
"""Starts the name in a key that stands for all claims waiting in a class."""


class PersistentVolumeBinder(Controller):
    name = "persistentvolume-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._volumes = VolumeIndex()
        self._claims = ClaimIndex()
        self._recycler = Recycler(client)
        self._telling = Telling(client)

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumes", self._of_volume
        yield "persistentvolumeclaims", self._of_claim
        yield "storageclasses", self._of_class
        yield "pods", self._of_recycler
        yield "events", self._of_recycler

    def _of_volume(self, event: Event) -> Iterable[Key]:
        self._volumes.note(event)
        volume, name = event.object, objects.name(event.object)
        yield "", name
        for version in (event.old, volume):
            if version is not None and (claim := claim_key(version)) is not None:
                yield claim
        yield from self._claims.naming(name)
        if claim_key(volume) is None and objects.status(volume).get("phase") == "Available":
            yield "", CLASS + claims.class_of(volume)

    def _of_claim(self, event: Event) -> Iterable[Key]:
        self._claims.note(event)
        yield objects.key(event.object)
        yield from self._volumes.promised(objects.key(event.object))

    def _of_class(self, event: Event) -> Iterable[Key]:
        yield from self._claims.waiting(objects.name(event.object))
        if claims.is_default(event.object):
            yield from self._claims.waiting("")

    def _of_recycler(self, event: Event) -> Iterable[Key]:
        volume = self._recycler.volume_of(event)
        if volume is not None:
            yield "", volume

    async def reconcile(self, at: Key) -> float | None:
        namespace, name = at
        if namespace:
            return self._claim(at)
        if name.startswith(CLASS):
            await self._offer(name.removeprefix(CLASS))
            return None
        volume = self.client.find("persistentvolumes", "", name)
        return self._volume(volume) if volume is not None else None

    async def _offer(self, class_name: str) -> None:
        """Queue the claims that the free volumes of a class fit. Each volume is offered to one claim: when that does
        not take it, the volume's next event offers it again."""
        taken: set[str] = set()
        for at in self._claims.waiting(class_name):
            free = [v for v in self._volumes.available(class_name) if objects.name(v) not in taken]
            if not free:
                return
            claim = self.client.find("persistentvolumeclaims", *at)
            if claim is not None and not self._is_delayed(claim) and (found := claims.find_match(claim, free)):
                taken.add(objects.name(found))
                self.enqueue(at)
            await asyncio.sleep(0)

    # -- claims

    def _claim(self, at: Key) -> float | None:
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None:
            self._telling.forget(at)
            return None
        if claims.BIND_COMPLETED in objects.annotations(claim):
            self._telling.forget(at)
            self._bound_claim(claim)
            return None
        if objects.spec(claim).get("volumeName"):
            return self._claim_with_wish(claim)
        return self._claim_without_volume(claim)

    def _claim_without_volume(self, claim: Obj) -> float | None:
        delayed = self._is_delayed(claim)
        volume = claims.find_match(claim, self._volumes.candidates(claim), delay=delayed)
        if volume is not None:
            binding.bind(self.client, volume, claim)
            return None
        if not claims.has_class(claim) and (default := claims.default_class(self.client.list("storageclasses"))):
            changed = objects.copy(claim)
            changed["spec"]["storageClassName"] = objects.name(default)
            self.client.update("persistentvolumeclaims", changed)
            return None
        if delayed and SELECTED_NODE not in objects.annotations(claim):
            self._telling.tell(claim, "Normal", *self._why_delayed(claim))
        elif claims.class_of(claim):
            provision(self.client, self._telling, claim)
            return REPEAT
        else:
            text = "no persistent volumes available for this claim and no storage class is set"
            self._telling.tell(claim, "Normal", "FailedBinding", text)
        binding.set_claim_phase(self.client, claim, "Pending")
        return REPEAT

    def _claim_with_wish(self, claim: Obj) -> float | None:
        name = objects.spec(claim)["volumeName"]
        volume = self.client.find("persistentvolumes", "", name)
        if volume is not None:
            if claim_key(volume) is None and (why := binding.mismatch(volume, claim)) is not None:
                text = f'Cannot bind to requested volume "{name}": {why}'
                self._telling.tell(claim, "Warning", "VolumeMismatch", text)
            elif claim_key(volume) is None or claims.is_promised(volume, claim):
                binding.bind(self.client, volume, claim)
                return None
            else:
                text = f'volume "{name}" already bound to a different claim.'
                self._telling.tell(claim, "Warning", "FailedBinding", text)
        binding.set_claim_phase(self.client, claim, "Pending")
        return REPEAT if volume is not None else None

    def _bound_claim(self, claim: Obj) -> None:
        name = objects.spec(claim).get("volumeName")
        volume = self.client.find("persistentvolumes", "", name) if name else None
        if volume is None:
            what = "its" if name else "reference to"
            text = f"Bound claim has lost {what} PersistentVolume. Data on the volume is lost!"
            self._lose(claim, "ClaimLost", text)
        elif claim_key(volume) is None or volume["spec"]["claimRef"].get("uid") == objects.uid(claim):
            binding.bind(self.client, volume, claim)
        else:
            text = "Two claims are bound to the same volume, this one is bound incorrectly"
            self._lose(claim, "ClaimMisbound", text)

    def _lose(self, claim: Obj, reason: str, text: str) -> None:
        if objects.status(claim).get("phase") != "Lost":
            self.client.record(binding.set_claim_phase(self.client, claim, "Lost"), "Warning", reason, text)

    def _is_delayed(self, claim: Obj) -> bool:
        name = claims.class_of(claim)
        return bool(name) and claims.is_delayed(self.client.find("storageclasses", "", name))

    def _why_delayed(self, claim: Obj) -> tuple[str, str]:
        name = objects.name(claim)
        waiting = [
            objects.name(pod)
            for pod in self.client.list("pods", objects.namespace(claim))
            if not objects.spec(pod).get("nodeName") and name in claims.used_by(pod) and not claims.is_done(pod)
        ]
        if not waiting:
            return "WaitForFirstConsumer", "waiting for first consumer to be created before binding"
        pods = "pods" if len(waiting) > 1 else "pod"
        return "WaitForPodScheduled", f"waiting for {pods} {','.join(waiting)} to be scheduled"

    # -- volumes

    def _volume(self, volume: Obj) -> float | None:
        ref = claim_key(volume)
        if ref is None or not volume["spec"]["claimRef"].get("uid"):
            binding.set_volume_phase(self.client, volume, "Available")
            return None
        claim = self.client.find("persistentvolumeclaims", *ref)
        if claim is None or objects.uid(claim) != volume["spec"]["claimRef"]["uid"]:
            return reclaim(self.client, self._recycler, volume)
        named = objects.spec(claim).get("volumeName")
        if not named:
            if claims.volume_mode(claim) != claims.volume_mode(volume):
                self._tell_of_modes(volume, claim)
            # else the claim binds itself: it is queued with every event of a volume promised to it
        elif named == objects.name(volume):
            binding.set_volume_phase(self.client, volume, "Bound")
        elif self._was_made_for(volume):
            return reclaim(self.client, self._recycler, volume)
        else:
            binding.unbind(self.client, volume)
        return None

    def _was_made_for(self, volume: Obj) -> bool:
        """Whether the volume was provisioned for a claim, and goes when that has another."""
        policy = objects.spec(volume).get("persistentVolumeReclaimPolicy")
        return claims.PROVISIONED_BY in objects.annotations(volume) and policy == "Delete"

    def _tell_of_modes(self, volume: Obj, claim: Obj) -> None:
        requested = f'requested PersistentVolumeClaim "{objects.name(claim)}"'
        why = "due to incompatible volumeMode."
        text = f"Cannot bind PersistentVolume to {requested} {why}"
        self.client.record(volume, "Warning", "VolumeMismatch", text)
        text = f'Cannot bind PersistentVolume "{objects.name(volume)}" to requested PersistentVolumeClaim {why}'
        self.client.record(claim, "Warning", "VolumeMismatch", text)


CONTROLLER = PersistentVolumeBinder
