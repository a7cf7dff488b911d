"""ephemeral: a claim made for the pod, named `<pod>-<volume>`, that goes with it.

Models the generic ephemeral volumes of pkg/kubelet/volumemanager/populator; the claim is made by a controller.
"""

from __future__ import annotations

from pocketkube import claims
from pocketkube.kubelet.volumes.base import NotProcessed
from pocketkube.kubelet.volumes.persistentvolumeclaim import VOLUME as CLAIM
from pocketkube.objects import Obj


class VOLUME(CLAIM):
    type = "ephemeral"

    @property
    def claim_name(self) -> str:
        return claims.ephemeral_name(self.context.pod, self.name)

    def check_claim(self, claim: Obj) -> None:
        if (foreign := claims.not_made_for(self.context.pod, claim)) is not None:
            raise NotProcessed(foreign)
