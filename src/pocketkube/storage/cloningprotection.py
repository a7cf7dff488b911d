"""A claim that has been cloned from is kept until its clones are there.

Models external-provisioner's CloningProtectionController: the finalizer goes when the claim is being deleted and no
claim that is still Pending names it as its source.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Mapping
from pocketkube.objects import Key
from pocketkube.storage.base import Program
from pocketkube.storage.csisources import CLONED, claim_of
from pocketkube.store import Event


class CloningProtection(Program):
    name = "cloning-protection"
    image = "csi-provisioner"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumeclaims", _claims

    async def reconcile(self, at: Key) -> None:
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None or not finalizers.may_be_released(claim, CLONED):
            return
        for other in self.client.list("persistentvolumeclaims", at[0]):
            if claim_of(other) == at and objects.status(other).get("phase") == "Pending":
                return  # it comes back when that one changes
        self.client.patch("persistentvolumeclaims", at, lambda copy: finalizers.release(copy, CLONED))


def _claims(event: Event) -> Iterable[Key]:
    if objects.is_terminating(event.object):
        yield objects.key(event.object)
    if (source := claim_of(event.object)) is not None:
        yield source


PROGRAM = CloningProtection
