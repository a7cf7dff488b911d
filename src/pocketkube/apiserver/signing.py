"""Certificates: who asks for one is written down, and who approves or issues them must be allowed to for that signer.

Models PrepareForCreate of pkg/registry/certificates/certificates, and the admission plugins CertificateApproval and
CertificateSigning with pkg/certauthorization.
"""

from __future__ import annotations

from typing import Final

from pocketkube import objects
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.rbac import Attributes
from pocketkube.resources.base import Resource
from pocketkube.resources.certificatesigningrequests import GROUP

_ASKS: Final = ("username", "uid", "groups", "extra")


def check(api: Api, request: Request, kind: Resource, subresource: str, new: Obj, old: Obj | None) -> None:
    """Before a CertificateSigningRequest is written (over `old`). Raises Forbidden."""
    if old is None:
        _note_who(request, new)
    elif subresource == "approval":
        _confirm(api, request, kind, old, "approve")
    elif subresource == "status" and _issues(new, old):
        _confirm(api, request, kind, old, "sign")


def _note_who(request: Request, new: Obj) -> None:
    spec = new.setdefault("spec", {})
    for field in _ASKS:
        spec.pop(field, None)
    spec.update(request.user.info())


def _issues(new: Obj, old: Obj) -> bool:
    after, before = objects.status(new), objects.status(old)
    return any((after.get(field) or None) != (before.get(field) or None) for field in ("certificate", "conditions"))


def _confirm(api: Api, request: Request, kind: Resource, old: Obj, verb: str) -> None:
    signer = objects.spec(old).get("signerName", "")
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        if api.policy.decide(request.user, Attributes(verb, GROUP, "signers", name=name)).allowed:
            return
    why = f'user not permitted to {verb} requests with signerName "{signer}"'
    raise Forbidden.of(kind.qualified, objects.name(old), why)
