"""The claims of a StatefulSet's pods: made when they are missing, owned as spec.persistentVolumeClaimRetentionPolicy
asks, so that the garbage collector removes them in time.

Models the claim parts of pkg/controller/statefulset/{stateful_pod_control,stateful_set_utils}.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import ownership
from pocketkube.controllers import statefulset_identity as identity
from pocketkube.controllers.base import namespace_is_terminating
from pocketkube.errors import AlreadyExists, StatusError, Unknown
from pocketkube.objects import Obj

CLAIMS = "persistentvolumeclaims"


class Claims:
    """The claims of one set's pods."""

    def __init__(self, client: Client, found: Obj) -> None:
        self.client = client
        self.found = found

    def create_missing(self, pod: Obj) -> None:
        """Create what is missing. Raises Unknown, with what is wrong with each claim that cannot be had."""
        problems = []
        for claim in identity.claims(self.found, identity.ordinal(pod)):
            name = objects.name(claim)
            existing = self.client.find(CLAIMS, *objects.key(claim))
            if existing is None:
                try:
                    self.client.create(CLAIMS, claim)
                except StatusError as error:
                    if namespace_is_terminating(error):
                        raise
                    problems.append(f"failed to create PVC {name}: {error.message}")
                    if not isinstance(error, AlreadyExists):
                        self._record(pod, name, error.message)
                else:
                    self._record(pod, name)
            elif objects.is_terminating(existing):
                problems.append(f"pvc {name} is being deleted")
        if problems:
            raise Unknown(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")

    def _record(self, pod: Obj, name: str, error: str = "") -> None:
        about, owner = objects.name(pod), objects.name(self.found)
        if error:
            text = f"Create Claim {name} for Pod {about} in StatefulSet {owner} failed error: {error}"
            self.client.record(self.found, "Warning", "FailedCreate", text)
        else:
            text = f"Create Claim {name} Pod {about} in StatefulSet {owner} success"
            self.client.record(self.found, "Normal", "SuccessfulCreate", text)

    def are_stale(self, pod: Obj) -> bool:
        """Whether a claim still belongs to an earlier pod of that name: it will go with that one."""
        if _policy(self.found, "whenScaled") == "Retain":
            return False
        return any(_is_stale(claim, pod) for claim in self._existing(pod))

    def are_owned_as_asked(self, pod: Obj) -> bool:
        return all(self._is_owned_as_asked(claim, pod) for claim in self._existing(pod))

    def own_as_asked(self, pod: Obj) -> None:
        """Write the owners of the pod's claims as the retention policy asks."""
        for claim in self._existing(pod):
            if self._has_other_controller(claim, pod):
                text = (
                    f"PersistentVolumeClaim {objects.name(claim)} has a conflicting OwnerReference that acts as a "
                    "manging controller, the retention policy is ignored for this claim"
                )
                self.client.record(self.found, "Warning", "ConflictingController", text)
            if not self._is_owned_as_asked(claim, pod):
                written = objects.copy(claim)
                ownership.set_references(written, self._owners(claim, pod))
                self.client.update(CLAIMS, written)

    def _existing(self, pod: Obj) -> Iterator[Obj]:
        for template in self.found["spec"].get("volumeClaimTemplates") or ():
            name = identity.claim_name(self.found, template, identity.ordinal(pod))
            claim = self.client.find(CLAIMS, objects.namespace(self.found), name)
            if claim is not None:
                yield claim

    # -- who should own a claim

    def _owner(self, pod: Obj) -> Obj | None:
        """A pod that is no longer wanted takes its claim along; the set does as long as the pod is wanted."""
        if _policy(self.found, "whenScaled") == "Delete" and not identity.is_wanted(self.found, pod):
            return pod
        return self.found if _policy(self.found, "whenDeleted") == "Delete" else None

    def _is_owned_as_asked(self, claim: Obj, pod: Obj) -> bool:
        """Also of claims that are better left alone: those of an earlier set or pod, those somebody else manages."""
        if _is_stale(claim, self.found) or _is_stale(claim, pod):
            return True
        ours = [ref for ref in _references(claim) if ref["uid"] in (objects.uid(self.found), objects.uid(pod))]
        if self._has_other_controller(claim, pod):
            return not ours
        if not all(ref.get("controller") for ref in ours):
            return False
        owner = self._owner(pod)
        return [ref["uid"] for ref in ours] == ([objects.uid(owner)] if owner is not None else [])

    def _owners(self, claim: Obj, pod: Obj) -> list[Obj]:
        kept = [ref for ref in _references(claim) if not (_names(ref, self.found) or _names(ref, pod))]
        owner = self._owner(pod)
        if owner is None or self._has_other_controller(claim, pod):
            return kept
        return [*kept, objects.owner_reference(owner)]

    def _has_other_controller(self, claim: Obj, pod: Obj) -> bool:
        """Only asked about where there is a policy: to keep claims is never in the way of their controller."""
        if _policy(self.found, "whenScaled") == _policy(self.found, "whenDeleted") == "Retain":
            return False
        return any(
            ref["uid"] != objects.uid(known) if known is not None else bool(ref.get("controller"))
            for ref in _references(claim)
            for known in [next((owner for owner in (self.found, pod) if _names(ref, owner)), None)]
        )


def _policy(found: Obj, moment: str) -> str:
    return str((found["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get(moment, "Retain"))


def _references(claim: Obj) -> list[Obj]:
    return claim["metadata"].get("ownerReferences") or []


def _names(ref: Obj, owner: Obj) -> bool:
    """Whether a reference means an object of that kind and name, this one or an earlier one."""
    return (ref["apiVersion"], ref["kind"], ref["name"]) == (owner["apiVersion"], owner["kind"], objects.name(owner))


def _is_stale(claim: Obj, owner: Obj) -> bool:
    """Whether a claim's reference means an earlier object of that name."""
    return any(_names(ref, owner) and ref["uid"] != objects.uid(owner) for ref in _references(claim))
