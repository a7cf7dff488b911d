"""CertificateSubjectRestriction: nobody gets a client's certificate of the group that may do everything.

Models plugin/pkg/admission/certificates/subjectrestriction.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.admission.base import Plugin
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.resources import csr
from pocketkube.resources.base import Resource
from pocketkube.resources.certificatesigningrequests import API_CLIENT

MASTERS = "system:masters"


class PLUGIN(Plugin):
    order = 27

    def validate(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "", *, dry_run: bool) -> None:
        if old is not None or kind.resource_id() != "certificatesigningrequests":
            return
        if objects.spec(new).get("signerName") == API_CLIENT and MASTERS in csr.organizations(
            csr.parse(new["spec"]["request"])
        ):
            why = f"use of {API_CLIENT} signer with {MASTERS} group is not allowed"
            raise Forbidden.of(kind.qualified, objects.name(new), why)
