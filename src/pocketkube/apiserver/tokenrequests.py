"""`serviceaccounts/token`: a token for whoever may ask for one, for a while, bound to another object's life if wanted.

Models pkg/registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from pocketkube import fields, objects
from pocketkube.apiserver import admitting, body, options
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.respond import answer
from pocketkube.apiserver.tokens import ISSUER
from pocketkube.errors import BadRequest, Conflict, Invalid
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

_VERSION: Final = "authentication.k8s.io/v1"
_NAME: Final = "TokenRequest.authentication.k8s.io"
_HOLDERS: Final = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


async def create(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    wanted = options.write_options(request.query, "CreateOptions")
    asked = await body.read_object(request, _VERSION, "TokenRequest", wanted.validation)
    account = api.registry.get(kind.resource_id(), target.namespace, target.name)
    meta, spec = objects.meta(asked), asked.setdefault("spec", {})
    for field, value in (("name", target.name), ("namespace", target.namespace)):
        if meta.get(field) and meta[field] != value:
            text = f"must match the service account {field} if specified"
            raise Invalid.of(_NAME, target.name, [fields.invalid(f"metadata.{field}", meta[field], text)])
        meta[field] = value
    uid = objects.uid(account)
    if meta.get("uid") and meta["uid"] != uid:
        why = f"the UID in the token request ({meta['uid']}) does not match the UID of the service account ({uid})"
        raise Conflict.of(_NAME, target.name, why)
    meta["uid"], meta["creationTimestamp"] = uid, api.clock.now()
    spec["audiences"] = spec.get("audiences") or [ISSUER]
    if spec.get("expirationSeconds") is None:
        spec["expirationSeconds"] = 3600
    seconds = spec["expirationSeconds"]
    limits = (
        (seconds < 600, "may not specify a duration less than 10 minutes"),
        (seconds > 1 << 32, "may not specify a duration larger than 2^32 seconds"),
    )
    causes = [fields.invalid("spec.expirationSeconds", seconds, text) for broken, text in limits if broken]
    if causes:
        raise Invalid.of(_NAME, "", causes)
    asked = admitting.create(api, request, kind, target, asked, wanted)
    spec = asked["spec"]
    bound = _holder(api, target, spec.get("boundObjectRef"))
    seconds, audiences = spec["expirationSeconds"], tuple(spec["audiences"])
    token, expires = api.tokens.issue(account, seconds=seconds, audiences=audiences, **bound)
    stamp = api.clock.later(expires - api.clock.time())
    asked["status"] = {"token": token, "expirationTimestamp": stamp}
    return answer(request, 201, asked)


def _holder(api: Api, target: Target, reference: Obj | None) -> dict[str, Obj]:
    """{"pod", "secret" or "node": the object that the token is to live as long as}."""
    if reference is None:
        return {}
    version, kind = reference.get("apiVersion", ""), reference.get("kind", "")
    if "/" in version or kind not in _HOLDERS:
        raise BadRequest(f"cannot bind token to object of type {version}, Kind={kind}")
    space = "" if kind == "Node" else target.namespace
    holder = api.registry.get(_HOLDERS[kind], space, reference.get("name", ""))
    if kind == "Pod" and objects.spec(holder).get("serviceAccountName") != target.name:
        raise BadRequest(
            f'cannot bind token for serviceaccount "{target.name}" to pod running with different serviceaccount name.'
        )
    uid = reference.get("uid")
    if uid and uid != objects.uid(holder):
        why = (
            f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise Conflict.of(kind, objects.name(holder), why)
    return {kind.lower(): holder}
