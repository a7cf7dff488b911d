"""The ValidatingAdmissionPolicy status controller: tells what of a policy's expressions is never right of its kinds.

Models pkg/controller/validatingadmissionpolicystatus. A policy is looked at once for each generation, as upstream: a
kind that comes later changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import Resource

_POLICIES = "validatingadmissionpolicies"


class ValidatingAdmissionPolicyStatusController(Controller):
    name = "validatingadmissionpolicy-status-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield _POLICIES, own_key

    async def reconcile(self, at: Key) -> float | None:
        policy = self.client.find(_POLICIES, *at)
        if policy is None:
            return None
        generation = policy["metadata"].get("generation", 0)
        if generation <= objects.status(policy).get("observedGeneration", 0):
            return None
        from pocketkube.resources.admission_spec import typechecking  # with the CEL library, which few clusters need

        found = typechecking.warnings(policy, self._kinds())

        def tell(copy: Obj) -> None:
            checked = {"expressionWarnings": found} if found else {}
            copy["status"] = {**objects.status(copy), "observedGeneration": generation, "typeChecking": checked}

        self.client.patch(_POLICIES, at, tell, subresource="status")
        return None

    def _kinds(self) -> Iterator[Resource]:
        for _, kind in self.client.kinds():
            if kind.custom:
                yield from getattr(kind, "versions", {}).values()
            else:
                yield kind
                yield from (version(kind.world) for version in kind.other_versions)


CONTROLLER = ValidatingAdmissionPolicyStatusController
