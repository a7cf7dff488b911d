"""Bound volumes stay: the finalizer kubernetes.io/pv-protection goes from a deleted volume that is bound no more.

Models pkg/controller/volume/pvprotection. The finalizer itself comes with the volume (admission); here it is given to
volumes that lack it, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key
from pocketkube.resources.persistentvolume_spec.admission import PV_PROTECTION


class PersistentVolumeProtection(Controller):
    name = "persistentvolume-protection-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumes", own_key

    async def reconcile(self, at: Key) -> float | None:
        volume = self.client.find("persistentvolumes", *at)
        if volume is None:
            return None
        if finalizers.may_be_released(volume, PV_PROTECTION):
            if objects.status(volume).get("phase") != "Bound":
                self.client.patch("persistentvolumes", at, lambda copy: finalizers.release(copy, PV_PROTECTION))
        elif not objects.is_terminating(volume) and not finalizers.is_held(volume, PV_PROTECTION):
            self.client.patch("persistentvolumes", at, lambda copy: finalizers.hold(copy, PV_PROTECTION))
        return None


CONTROLLER = PersistentVolumeProtection
