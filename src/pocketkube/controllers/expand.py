"""The volume expand controller: tells a claim that wants more than it has that a program outside makes its volume grow.

Models pkg/controller/volume/expand. No volume type of this cluster is expanded by the controller-manager itself: CSI
volumes are by the driver's resizer, others by nobody. Left out: the annotations for drivers that took over from volume
types of old (awsElasticBlockStore and so on).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pocketkube import claims, objects, quantity
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.controllers.binding import PRE_RESIZE_CAPACITY
from pocketkube.objects import Key, Obj
from pocketkube.store import Event


class VolumeExpand(Controller):
    name = "volume_expand"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumeclaims", _grown

    async def reconcile(self, at: Key) -> float | None:
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None:
            return None
        volume = self.client.find("persistentvolumes", "", objects.spec(claim).get("volumeName", ""))
        if volume is None or not claims.is_owned(volume, claim):
            return None
        if claims.requested(claim) > _has(claim) or PRE_RESIZE_CAPACITY in objects.annotations(volume):
            message = "waiting for an external controller to expand this PVC"
            self.client.record(claim, "Normal", "ExternalExpanding", message)
        return None


def _grown(event: Event) -> Iterable[Key]:
    """A bound claim that is new here, asks for more than before, or has more than before."""
    claim, old = event.object, event.old
    if event.type == "DELETED" or objects.status(claim).get("phase") != "Bound":
        return
    if old is None or claims.requested(claim) > claims.requested(old) or _has(claim) > _has(old):
        yield objects.key(claim)


def _has(claim: Obj) -> Decimal:
    """Bytes the claim shows to have."""
    return quantity.parse(objects.dig(claim, "status", "capacity", "storage", default="0"))


CONTROLLER = VolumeExpand
