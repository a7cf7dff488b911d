"""The CSR signing controllers: approved requests to the cluster's own signers get their certificates.

Models pkg/controller/certificates/signer, whose four controllers are one here. Clients' certificates are signed by the
authority that the API server knows clients by, kubelets' for serving by the one in `kube-root-ca.crt`. Left out:
kubernetes.io/legacy-unknown, which certificates.k8s.io/v1 takes no requests for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.resources import csr
from pocketkube.resources.certificatesigningrequests import API_CLIENT, FAILED, KUBELET_CLIENT, KUBELET_SERVING

if TYPE_CHECKING:
    from cryptography import x509

AUTHORITIES: Final = {API_CLIENT: "client-ca", KUBELET_CLIENT: "client-ca", KUBELET_SERVING: "ca"}
"""By signer: the file in the registry's `zone["pki"]`, the folder of the cluster's certificates."""
_OPTIONAL: Final = ("digital signature", "key encipherment")


class CSRSigningController(Controller):
    name = "csrsigning-controller"
    first_delay = 0.2

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "certificatesigningrequests", own_key

    async def reconcile(self, at: Key) -> float | None:
        found, folder = self.client.find("certificatesigningrequests", *at), self.client.registry.zone.get("pki")
        if found is None or folder is None or objects.status(found).get("certificate"):
            return None
        authority = AUTHORITIES.get(found["spec"]["signerName"])
        if authority is None or not _is_wanted(found):
            return None
        spec = found["spec"]
        request = csr.parse(spec["request"])
        if problem := _problem(spec["signerName"], request, spec["usages"]):
            self._fail(at, problem)
            return None
        from pocketkube.controllers.certificate_issuing import Authority  # the library takes its time to load

        issuer = Authority.load(Path(folder), authority)
        pem = issuer.issue(request, spec["usages"], spec.get("expirationSeconds"))

        def put(copy: Obj) -> None:
            copy["status"]["certificate"] = base64.b64encode(pem).decode()

        self.client.patch("certificatesigningrequests", at, put, subresource="status")
        return None

    def _fail(self, at: Key, why: str) -> None:
        said = {"type": FAILED, "status": "True", "reason": "SignerValidationFailure", "message": why}

        def put(copy: Obj) -> None:
            copy["status"]["conditions"] = [*copy["status"]["conditions"], said]

        self.client.patch("certificatesigningrequests", at, put, subresource="status")


def _is_wanted(found: Obj) -> bool:
    """Approved, not denied, and not given up."""
    types = {one["type"]: one["status"] for one in objects.status(found).get("conditions") or ()}
    return "Approved" in types and "Denied" not in types and types.get(FAILED) != "True"


def _problem(signer: str, request: x509.CertificateSigningRequest, usages: list[str]) -> str:
    if signer == KUBELET_SERVING:
        return csr.kubelet_serving_problem(request, usages)
    if signer == KUBELET_CLIENT:
        return csr.kubelet_client_problem(request, usages)
    for usage in usages:
        if usage != "client auth" and usage not in _OPTIONAL:
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


CONTROLLER = CSRSigningController
