"""What the binder writes: the two halves of a binding and the phases of both.

Models bind, unbindVolume, updateClaimStatus and updateVolumePhase of pkg/controller/volume/persistentvolume. The
volume is written first: a binding that is cut off half way is finished, or taken back, by whoever looks next.
"""

from __future__ import annotations

from typing import Final

from pocketkube import claims, objects
from pocketkube.claims import BIND_COMPLETED, BOUND_BY_CONTROLLER
from pocketkube.client import Client
from pocketkube.objects import Obj

PRE_RESIZE_CAPACITY: Final = "volume.alpha.kubernetes.io/pre-resize-capacity"


def mismatch(volume: Obj, claim: Obj) -> str | None:
    """Why a claim cannot have the volume it names; None when it can."""
    if objects.is_terminating(volume):
        return f'the volume is marked for deletion "{objects.name(volume)}"'
    if claims.capacity(volume) < claims.requested(claim):
        return "requested PV is too small"
    if claims.class_of(volume) != claims.class_of(claim):
        return "storageClassName does not match"
    if claims.attributes_class(volume) != claims.attributes_class(claim):
        return "volumeAttributesClassName does not match"
    if claims.volume_mode(volume) != claims.volume_mode(claim):
        return "incompatible volumeMode"
    if not claims.modes_fit(claim, volume):
        return "incompatible accessMode"
    return None


def bind(client: Client, volume: Obj, claim: Obj) -> None:
    """Tie the two together; writes only what is not so yet."""
    changed = objects.copy(volume)
    if claims.promise(changed, claim):
        volume = client.update("persistentvolumes", changed)
    volume = set_volume_phase(client, volume, "Bound")
    claim = _name_volume(client, claim, objects.name(volume))
    set_claim_phase(client, claim, "Bound", volume)


def _name_volume(client: Client, claim: Obj, name: str) -> Obj:
    by_controller = objects.spec(claim).get("volumeName") != name
    if not by_controller and BIND_COMPLETED in objects.annotations(claim):
        return claim
    changed = objects.copy(claim)
    annotations = changed["metadata"].setdefault("annotations", {})
    if by_controller:
        changed["spec"]["volumeName"] = name
        annotations.setdefault(BOUND_BY_CONTROLLER, "yes")
    annotations.setdefault(BIND_COMPLETED, "yes")
    return client.update("persistentvolumeclaims", changed)


def unbind(client: Client, volume: Obj) -> Obj:
    """Take a volume back from a claim that has another: what the controller promised is free again, what a user
    reserved stays reserved for the claim's name."""
    changed = objects.copy(volume)
    if BOUND_BY_CONTROLLER in objects.annotations(volume):
        del changed["spec"]["claimRef"]
        del changed["metadata"]["annotations"][BOUND_BY_CONTROLLER]
        if not changed["metadata"]["annotations"]:
            del changed["metadata"]["annotations"]
    else:
        changed["spec"]["claimRef"].pop("uid", None)
    return set_volume_phase(client, client.update("persistentvolumes", changed), "Available")


def set_volume_phase(client: Client, volume: Obj, phase: str, message: str = "") -> Obj:
    if objects.status(volume).get("phase") == phase:
        return volume
    changed = objects.copy(volume)
    status = changed.setdefault("status", {})
    status["phase"] = phase
    status.pop("message", None)
    if message:
        status["message"] = message
    return client.update_status("persistentvolumes", changed)


def fail_volume(client: Client, volume: Obj, reason: str, message: str) -> None:
    """Phase Failed, with an event when it was not so yet."""
    if objects.status(volume).get("phase") != "Failed":
        volume = set_volume_phase(client, volume, "Failed", message)
        client.record(volume, "Warning", reason, message)


def set_claim_phase(client: Client, claim: Obj, phase: str, volume: Obj | None = None) -> Obj:
    """`volume`: what the claim is bound to, whose modes and size it shows; None: it shows none."""
    before = objects.status(claim)
    after: Obj = {**before, "phase": phase}
    if volume is None:
        for field in ("accessModes", "capacity", "currentVolumeAttributesClassName"):
            after.pop(field, None)
    else:
        after["accessModes"] = objects.spec(volume)["accessModes"]
        if before.get("phase") != phase:  # of a bound claim the size may differ: a file system that has yet to grow
            after["capacity"] = _shown_capacity(volume)
        if before.get("phase") == "Pending" and phase == "Bound" and (name := claims.attributes_class(volume)):
            after["currentVolumeAttributesClassName"] = name
    if after == before:
        return claim
    return client.update_status("persistentvolumeclaims", {**objects.copy(claim), "status": objects.copy(after)})


def _shown_capacity(volume: Obj) -> Obj:
    capacity: Obj = objects.spec(volume)["capacity"]
    earlier = objects.annotations(volume).get(PRE_RESIZE_CAPACITY)
    return {**capacity, "storage": earlier} if earlier else capacity
