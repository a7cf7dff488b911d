"""ephemeral: a claim made for the pod, named `<pod>-<volume>`, that goes with it.

Models the generic ephemeral volumes of pkg/kubelet/volumemanager/populator; the claim is made by a controller.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.kubelet.volumes.base import NotProcessed
from pocketkube.kubelet.volumes.persistentvolumeclaim import VOLUME as CLAIM
from pocketkube.objects import Obj


class VOLUME(CLAIM):
    type = "ephemeral"

    @property
    def claim_name(self) -> str:
        return f"{objects.name(self.context.pod)}-{self.name}"

    def check_claim(self, claim: Obj) -> None:
        pod = self.context.pod
        owner = objects.controller_ref(claim)
        if owner is None or owner.get("uid") != objects.uid(pod):
            raise NotProcessed(
                f"PVC {objects.namespace(claim)}/{objects.name(claim)} was not created for pod "
                f"{objects.namespace(pod)}/{objects.name(pod)} (pod is not owner)"
            )
