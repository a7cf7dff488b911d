"""AdmissionReviews: what a webhook is told of a request, and what its answer may be.

Models apiserver/pkg/admission/plugin/webhook/{request,errors}.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

from pocketkube import objects
from pocketkube.admission.matching import Attributes, Match
from pocketkube.errors import StatusError, from_status
from pocketkube.fields import show
from pocketkube.objects import Obj
from pocketkube.resources.webhooks.configuration import REVIEW_VERSIONS

GROUP: Final = "admission.k8s.io"


class Invalid(Exception):
    """An answer that is none; the text is upstream's."""


@dataclass(frozen=True)
class Answer:
    allowed: bool
    status: Obj | None
    warnings: tuple[str, ...]
    patch: bytes = b""
    patch_type: str = ""


def build(hook: Obj, request: Attributes, match: Match, shown: Obj | None, old: Obj | None) -> Obj:
    """`shown` and `old`: the objects in the version of `match`."""
    version = next(one for one in hook["admissionReviewVersions"] if one in REVIEW_VERSIONS)
    asked: Obj = {
        "uid": objects.new_uid(),
        "kind": match.kind._asdict(),
        "resource": match.resource._asdict(),
        "requestKind": request.kind._asdict(),
        "requestResource": request.resource._asdict(),
        "operation": request.operation,
        "userInfo": dict(request.user),
        "object": shown,
        "oldObject": old,
        "dryRun": request.dry_run,
        "options": request.options,
    }
    named = {
        "subResource": request.subresource,
        "requestSubResource": request.subresource,
        "name": request.name,
        "namespace": request.namespace,
    }
    asked |= {field: value for field, value in named.items() if value}
    return {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": asked}


def read(sent: Obj, said: Obj, *, mutating: bool) -> Answer:
    """Raises Invalid."""
    response = said.get("response")
    if not isinstance(response, dict):
        raise Invalid("webhook response was absent")
    patch, kind = _patch(response), response.get("patchType")
    if sent["apiVersion"] == f"{GROUP}/v1":
        _verify(sent, said, response, patch, kind, mutating=mutating)
    elif patch:
        kind = "JSONPatch"  # of v1beta1 nothing else was ever looked at
    status, warnings = response.get("status"), response.get("warnings") or ()
    return Answer(
        allowed=response.get("allowed") is True,
        status=status if isinstance(status, dict) else None,
        warnings=tuple(str(text) for text in warnings),
        patch=patch if mutating else b"",
        patch_type=str(kind or ""),
    )


def _verify(sent: Obj, said: Obj, response: Obj, patch: bytes, kind: Any, *, mutating: bool) -> None:
    uid = sent["request"]["uid"]
    if response.get("uid", "") != uid:
        raise Invalid(f"expected response.uid={show(uid)}, got {show(str(response.get('uid', '')))}")
    wanted, given = _named(sent), _named(said)
    if given != wanted:
        raise Invalid(f"expected webhook response of {wanted}, got {given}")
    if not mutating:
        if patch:
            raise Invalid("validating webhook may not return response.patch")
        if kind is not None:
            raise Invalid("validating webhook may not return response.patchType")
        return
    if patch and kind is None:
        raise Invalid("webhook returned response.patch but not response.patchType")
    if not patch and kind is not None:
        raise Invalid("webhook returned response.patchType but not response.patch")
    if kind == "":
        raise Invalid('webhook returned invalid response.patchType of ""')


def _patch(response: Obj) -> bytes:
    try:
        return base64.b64decode(response.get("patch") or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Invalid("response.patch is not base64") from None


def _named(review: Obj) -> str:
    group, _, version = str(review.get("apiVersion") or "").rpartition("/")
    return f"{group}/{version}, Kind={review.get('kind') or ''}"


def rejection(name: str, status: Obj | None) -> StatusError:
    """What the client is told that a webhook has refused."""
    status = dict(status or {})
    denied = f'admission webhook "{name}" denied the request'
    code = status.get("code")
    status["code"] = code if isinstance(code, int) and code >= 400 else 400
    if message := status.get("message") or status.get("reason"):
        status["message"] = f"{denied}: {message}"
    else:
        status["message"] = f"{denied} without explanation"
    return from_status(status)
