"""The resource claim controller: pods get claims of their own where they name a template, and these go with them.

Models pkg/controller/resourceclaim. A key is a pod's; what is to be done about the claims it uses is looked at with it.
Left out: pod groups (alpha), and reservations, for nothing is allocated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Controller, Mapping, Retry, namespace_is_terminating
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.podphase import is_terminal
from pocketkube.resources.pod_spec.claims import name_of
from pocketkube.store import DELETED, Event

POD_CLAIM: Final = "resource.kubernetes.io/pod-claim-name"
LONGEST_BASE: Final = 57
MANAGER: Final = "ResourceClaimController"


class ResourceClaimController(Controller):
    name = "resource_claim"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._writer = Client(client.registry, self.name, manager=MANAGER)

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "pods", _with_claims
        yield "resourceclaims", _owner
        yield "resourceclaimtemplates", self._users

    def _users(self, event: Event) -> Iterator[Key]:
        namespace, name = objects.key(event.object)
        for pod in self.client.list("pods", namespace) if event.type != DELETED else ():
            if any(claim.get("resourceClaimTemplateName") == name for claim in _claims(pod)):
                yield objects.key(pod)

    async def reconcile(self, at: Key) -> float | None:
        pod = self.client.find("pods", *at)
        if pod is None:
            return None
        if is_terminal(pod) or (objects.is_terminating(pod) and not objects.spec(pod).get("nodeName")):
            self._delete_claims(pod)
        elif not objects.is_terminating(pod):
            self._make_claims(at, pod)
        return None

    def _delete_claims(self, pod: Obj) -> None:
        """Those that were made for a pod that will not run are of no use, though it may stay for long."""
        for claim in self._own_claims(pod):
            if not objects.status(claim).get("reservedFor") and not objects.is_terminating(claim):
                self.client.delete("resourceclaims", objects.key(claim))

    def _make_claims(self, at: Key, pod: Obj) -> None:
        made: dict[str, str] = {}
        for claim in _claims(pod):
            try:
                if (name := self._claim(pod, claim)) is not None:
                    made[claim["name"]] = name
            except StatusError as error:
                if namespace_is_terminating(error):
                    return
                message = f"PodResourceClaim {claim['name']}: {error.message}"
                self.client.record(pod, "Warning", "FailedResourceClaimCreation", message)
                raise Retry(message) from None
        if not made:
            return

        def tell(copy: Obj) -> None:
            status = copy.setdefault("status", {})
            others = [one for one in status.get("resourceClaimStatuses") or () if one["name"] not in made]
            new = [{"name": name, "resourceClaimName": claim} for name, claim in made.items()]
            status["resourceClaimStatuses"] = [*others, *new]

        self._writer.patch("pods", at, tell, subresource="status")

    def _claim(self, pod: Obj, claim: Obj) -> str | None:
        """The name of a claim that is to be told to the pod; None: there is nothing to tell. Raises StatusError."""
        template = claim.get("resourceClaimTemplateName")
        if template is None:
            return None
        namespace = objects.namespace(pod)
        try:
            name, _ = name_of(pod, claim)
        except LookupError:
            name = ""
        if name is None:
            return None
        if name:
            found = self.client.find("resourceclaims", namespace, name)
            if found is not None and _is_of(found, pod):
                return None
        for found in self._own_claims(pod):  # made before, and never told
            if objects.annotations(found).get(POD_CLAIM) == claim["name"] and not objects.is_terminating(found):
                return objects.name(found)
        source = self.client.find("resourceclaimtemplates", namespace, template)
        if source is None:
            missing = f'resourceclaimtemplate.resource.k8s.io "{template}" not found'
            raise StatusError(f'resource claim template "{template}": {missing}')
        try:
            return objects.name(self.client.create("resourceclaims", _new_claim(pod, claim["name"], source["spec"])))
        except StatusError as error:
            error.message = f"create ResourceClaim : {error.message}"  # upstream says its name before it has one
            raise

    def _own_claims(self, pod: Obj) -> list[Obj]:
        found = self.client.list("resourceclaims", objects.namespace(pod))
        return [claim for claim in found if _is_of(claim, pod)]


def _is_of(claim: Obj, pod: Obj) -> bool:
    return (objects.controller_ref(claim) or {}).get("uid") == objects.uid(pod)


def _new_claim(pod: Obj, name: str, template: Obj) -> Obj:
    meta = template.get("metadata") or {}
    base = f"{objects.name(pod)}-{name}-"
    if len(base) > LONGEST_BASE:  # both names are shortened, or the second would be gone
        parts = (part[: len(part) * LONGEST_BASE // len(base)] for part in (objects.name(pod), name))
        base = "-".join(parts)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": objects.name(pod), "uid": objects.uid(pod), "controller": True}
    new: Obj = {
        "generateName": base,
        "namespace": objects.namespace(pod),
        "annotations": {**(meta.get("annotations") or {}), POD_CLAIM: name},
        "ownerReferences": [owner],
    }
    if meta.get("labels"):
        new["labels"] = dict(meta["labels"])
    return {"metadata": new, "spec": objects.copy(template["spec"])}


def _claims(pod: Obj) -> list[Obj]:
    found: list[Obj] = objects.spec(pod).get("resourceClaims") or []
    return found


def _with_claims(event: Event) -> Iterator[Key]:
    if event.type != DELETED and _claims(event.object):
        yield objects.key(event.object)


def _owner(event: Event) -> Iterator[Key]:
    owner = objects.controller_ref(event.object)
    if owner is not None and owner.get("kind") == "Pod":
        yield objects.namespace(event.object), owner["name"]


CONTROLLER = ResourceClaimController
