"""The CSR approving controller: kubelets' requests for clients' certificates are approved where roles say so.

Models pkg/controller/certificates/approver: who asks needs the right to create `certificatesigningrequests/nodeclient`,
or `selfnodeclient` for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, Retry, own_key
from pocketkube.objects import Key, Obj
from pocketkube.rbac import Attributes
from pocketkube.resources import csr
from pocketkube.resources.certificatesigningrequests import APPROVED, DENIED, GROUP, KUBELET_CLIENT

SELF, ANY = "selfnodeclient", "nodeclient"
_MESSAGES = {
    SELF: "Auto approving self kubelet client certificate after SubjectAccessReview.",
    ANY: "Auto approving kubelet client certificate after SubjectAccessReview.",
}


class CSRApprovingController(Controller):
    name = "csrapproving-controller"
    first_delay = 0.2

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "certificatesigningrequests", own_key

    async def reconcile(self, at: Key) -> float | None:
        found = self.client.find("certificatesigningrequests", *at)
        if found is None or found["spec"]["signerName"] != KUBELET_CLIENT or _is_decided(found):
            return None
        tried = list(_recognized(found["spec"]))
        for subresource in tried:
            wanted = Attributes("create", GROUP, "certificatesigningrequests", subresource)
            if self.client.registry.authorize(found["spec"], wanted)[0]:
                self._approve(at, _MESSAGES[subresource])
                return None
        if tried:  # somebody may give that right later
            raise Retry(f"recognized as [{' '.join(tried)}] but subject access review was not approved")
        return None

    def _approve(self, at: Key, message: str) -> None:
        said = {"type": APPROVED, "status": "True", "reason": "AutoApproved", "message": message}

        def put(copy: Obj) -> None:
            copy["status"]["conditions"] = [*(copy["status"].get("conditions") or ()), said]

        self.client.patch("certificatesigningrequests", at, put, subresource="approval")


def _is_decided(found: Obj) -> bool:
    status = objects.status(found)
    types = {one["type"] for one in status.get("conditions") or ()}
    return bool(status.get("certificate")) or not types.isdisjoint({APPROVED, DENIED})


def _recognized(spec: Obj) -> Iterator[str]:
    request = csr.parse(spec["request"])
    if csr.kubelet_client_problem(request, spec["usages"]):
        return
    if spec.get("username", "") == csr.common_name(request):
        yield SELF
    yield ANY


CONTROLLER = CSRApprovingController
