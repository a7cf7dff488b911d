"""Claims in use stay: the finalizer kubernetes.io/pvc-protection goes when no pod on a node mentions a deleted claim.

Models pkg/controller/volume/pvcprotection. The finalizer itself comes with the claim (admission); here it is given to
claims that lack it, too. Left out: the condition Unused (PersistentVolumeClaimUnusedSinceTime, off by default).
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import claims, objects
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.resources.persistentvolume_spec.admission import PVC_PROTECTION
from pocketkube.store import Event


class PersistentVolumeClaimProtection(Controller):
    name = "persistentvolumeclaim-protection-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumeclaims", own_key
        yield "pods", _claims

    async def reconcile(self, at: Key) -> float | None:
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None:
            return None
        if finalizers.may_be_released(claim, PVC_PROTECTION):
            if not self._is_used(claim):
                self.client.patch("persistentvolumeclaims", at, lambda copy: finalizers.release(copy, PVC_PROTECTION))
        elif not objects.is_terminating(claim) and not finalizers.is_held(claim, PVC_PROTECTION):
            self.client.patch("persistentvolumeclaims", at, lambda copy: finalizers.hold(copy, PVC_PROTECTION))
        return None

    def _is_used(self, claim: Obj) -> bool:
        return any(uses(pod, claim) for pod in self.client.list("pods", objects.namespace(claim)))


def uses(pod: Obj, claim: Obj) -> bool:
    """Whether a pod on a node keeps the claim; one that is shut down lets go of claims made for it."""
    if not objects.spec(pod).get("nodeName"):
        return False
    name, shut_down = objects.name(claim), _is_shut_down(pod)
    for volume in objects.spec(pod).get("volumes") or ():
        if claims.claim_name(pod, volume) == name:
            if "persistentVolumeClaim" in volume:
                return True
            if not shut_down and claims.not_made_for(pod, claim) is None:
                return True
    return False


def _is_shut_down(pod: Obj) -> bool:
    meta = pod["metadata"]
    return "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds") == 0


def _claims(event: Event) -> Iterable[Key]:
    """The claims a pod mentions, which it may have begun or ceased to use."""
    for name in claims.used_by(event.object):
        yield objects.namespace(event.object), name


CONTROLLER = PersistentVolumeClaimProtection
