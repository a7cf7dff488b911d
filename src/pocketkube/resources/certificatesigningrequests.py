"""CertificateSigningRequests: somebody asks for a certificate, somebody else approves, a signer issues it.

Models pkg/registry/certificates/certificates, pkg/apis/certificates/validation and the printer. Who asks is written
down by the API server (apiserver/signing.py), which also knows who may approve and sign. Once made, only the
subresources change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from pocketkube import duration, fields, objects
from pocketkube.errors import Cause
from pocketkube.fieldmanager.fieldsets import Set
from pocketkube.objects import Obj
from pocketkube.resources import csr, formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

GROUP: Final = "certificates.k8s.io"
APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
API_CLIENT: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"
LEGACY: Final = "kubernetes.io/legacy-unknown"
SHORTEST: Final = 600
"""Seconds: the shortest life of a certificate that one may ask for."""
USAGES: Final = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)


class RESOURCE(Resource):
    group = GROUP
    kind = "CertificateSigningRequest"
    plural = "certificatesigningrequests"
    short_names = ("csr",)
    namespaced = False
    has_status = True
    subresources: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {"approval": (kind, ("get", "patch", "update"))}
    status_subresources = ("approval",)
    columns = described(
        "certificatesigningrequests",
        NAME,
        AGE,
        Column("SignerName", description="Who is asked to issue the certificate."),
        Column("Requestor", description="The user that asks."),
        Column("RequestedDuration", description="How long the certificate is to be valid."),
        Column("Condition", description="Whether the request is approved or denied, and the certificate issued."),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, seconds = objects.spec(obj), objects.spec(obj).get("expirationSeconds")
        return [
            objects.name(obj),
            age(self.world.clock, obj),
            spec.get("signerName") or "<none>",
            spec.get("username", ""),
            "<none>" if seconds is None else duration.human(seconds),
            _state(objects.status(obj)),
        ]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        return {**super().fields(obj), "spec.signerName": objects.spec(obj).get("signerName", "")}

    def reset_fields(self, subresource: str) -> Set:
        others: dict[str, Set] = {"status": {"f:conditions": {}}, "approval": {"f:certificate": {}}}
        return {"f:spec": {}, "f:status": others.get(subresource, {})}

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["spec"] = old["spec"]

    def prepare_status(self, new: Obj, old: Obj) -> None:
        status = new.setdefault("status", {})
        for type_ in (APPROVED, DENIED):  # to change these is the approval's business
            kept, given = _of_type(old, type_), _of_type(new, type_)
            if len(kept) == len(given):
                replaced = iter(kept)
                status["conditions"] = [
                    objects.copy(next(replaced)) if one.get("type") == type_ else one for one in _conditions(new)
                ]
        self._date(new, old)

    def update_subresource(self, subresource: str, new: Obj, old: Obj) -> Iterator[Cause]:
        self._date(new, old)
        conditions = _conditions(new)
        new["spec"], new["status"] = old["spec"], {**objects.status(old), "conditions": conditions}
        if not conditions:
            del new["status"]["conditions"]
        return self._validate(new, old, approves=True)

    def _date(self, new: Obj, old: Obj) -> None:
        now = self.world.clock.now()
        for condition in _conditions(new):
            if condition.get("lastUpdateTime") is None:
                condition["lastUpdateTime"] = now
            if condition.get("lastTransitionTime") is None:
                alike = (c for c in _of_type(old, condition.get("type", "")) if c["status"] == condition.get("status"))
                since = next((c["lastTransitionTime"] for c in alike if c.get("lastTransitionTime")), now)
                condition["lastTransitionTime"] = since

    # -- validation

    def validate_name(self, name: str, *, prefix: bool = False) -> list[str]:
        return formats.path_segment(name, prefix=prefix)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        return self._validate(obj, None)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return self._validate(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return self._validate(new, old, signs=True)

    def _validate(self, new: Obj, old: Obj | None, *, approves: bool = False, signs: bool = False) -> Iterator[Cause]:
        """What is wrong already in what is stored stays allowed."""
        spec, issued = objects.spec(new), objects.status(new).get("certificate") or ""
        if old is None:
            yield from _spec_problems(spec)
        yield from _condition_problems(new, old)
        before = objects.status(old or {}).get("certificate") or ""
        why = "" if issued == before or (before and _certificate_problem(before)) else _certificate_problem(issued)
        if why:
            yield fields.invalid("status.certificate", "<certificate data>", why)
        if old is None:
            return
        for type_ in (APPROVED, DENIED, FAILED):
            if len(_of_type(new, type_)) < len(_of_type(old, type_)):
                why = f'updates may not remove a condition of type "{type_}"'
                yield fields.forbidden("status.conditions", why)
        for type_ in () if approves else (APPROVED, DENIED):
            if len(_of_type(new, type_)) > len(_of_type(old, type_)):
                yield fields.forbidden("status.conditions", f'updates may not add a condition of type "{type_}"')
        if issued != before:
            if not signs:
                yield fields.forbidden("status.certificate", "updates may not set certificate content")
            elif before:
                yield fields.forbidden("status.certificate", "updates may not modify existing certificate content")


def signer_name(path: str, name: str) -> Iterator[Cause]:
    """Field errors of a signer's name: `example.com/signer`."""
    if not name:
        yield fields.required(path)
        return
    domain, *rest = name.split("/")
    if len(rest) != 1:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield fields.invalid(path, name, why)
        return
    if len(domain) > 253:
        yield fields.too_long(path, 253)
    for part, rule in ((domain, formats.dns1123_label), (rest[0], formats.dns1123_subdomain)):
        for label in part.split("."):
            problems = rule(label)
            for problem in problems:
                yield fields.invalid(path, part, f"validating label {fields.show(label)}: {problem}")
            if problems:
                break
        if part is domain and "." not in domain:
            yield fields.invalid(path, domain, "should be a domain with at least two segments separated by dots")
    if len(name) > 571:
        yield fields.too_long(path, 571)


def _spec_problems(spec: Obj) -> Iterator[Cause]:
    try:
        csr.check(spec.get("request"))
    except csr.BadRequestFile as error:
        yield fields.invalid("spec.request", spec.get("request"), str(error))
    usages = spec.get("usages") or ()
    if not usages:
        yield fields.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in USAGES:
            yield fields.not_supported(f"spec.usages[{index}]", usage, USAGES)
    for index, usage in enumerate(usages):
        if usage in usages[:index]:
            yield fields.duplicate(f"spec.usages[{index}]", usage)
    signer, seconds = spec.get("signerName", ""), spec.get("expirationSeconds")
    if signer == LEGACY:
        yield fields.invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version")
    else:
        yield from signer_name("spec.signerName", signer)
    if seconds is not None and seconds < SHORTEST:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        yield fields.invalid("spec.expirationSeconds", seconds, why)


def _condition_problems(new: Obj, old: Obj | None) -> Iterator[Cause]:
    types = [one.get("type", "") for one in _conditions(old or {})]
    both = {APPROVED, DENIED} <= set(types)
    seen: list[str] = []
    for index, one in enumerate(_conditions(new)):
        path = f"status.conditions[{index}]"
        type_, status = one.get("type", ""), one.get("status", "")
        if not type_ and "" not in types:
            yield fields.required(f"{path}.type")
        allowed = ("True",) if type_ in (APPROVED, DENIED, FAILED) else ("False", "True", "Unknown")
        if not status:
            yield fields.required(f"{path}.status")
        elif status not in allowed:
            yield fields.not_supported(f"{path}.status", status, allowed)
        other = {APPROVED: DENIED, DENIED: APPROVED}.get(type_)
        if other in seen and not both:
            why = "Approved and Denied conditions are mutually exclusive"
            yield fields.invalid("status.conditions", type_, why)
        if type_ in seen and len(types) == len(set(types)):
            yield fields.duplicate(f"{path}.type", type_)
        seen.append(type_)


def _certificate_problem(encoded: str) -> str:
    try:
        if encoded:
            csr.certificates(encoded)
    except csr.BadRequestFile as error:
        return str(error)
    return ""


def _conditions(obj: Obj) -> list[Obj]:
    return objects.status(obj).get("conditions") or []


def _of_type(obj: Obj, type_: str) -> list[Obj]:
    return [one for one in _conditions(obj) if one.get("type") == type_]


def _state(status: Obj) -> str:
    types = {one.get("type") for one in status.get("conditions") or ()}
    words = [DENIED if DENIED in types else APPROVED if APPROVED in types else "Pending"]
    words += [FAILED] if FAILED in types else []
    words += ["Issued"] if status.get("certificate") else []
    return ",".join(words)
