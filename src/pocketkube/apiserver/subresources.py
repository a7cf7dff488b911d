"""Subresources: status, scale, binding, eviction, tokens, and the doors to logs, exec, port-forward and proxy.

Models pkg/registry/{core/pod,core/serviceaccount,apps/*}/storage.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from pocketkube import fields, objects
from pocketkube.apiserver import admitting, body, discovery, options, patching, tokenrequests
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.eviction import evict
from pocketkube.apiserver.info import NOT_ALLOWED
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.respond import answer
from pocketkube.apiserver.streams import commands, logs, portforward, proxy
from pocketkube.apiserver.verbs import get, storage_namespace, update
from pocketkube.errors import (
    BadRequest,
    Conflict,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    StatusError,
)
from pocketkube.objects import Obj
from pocketkube.resources import scaling
from pocketkube.resources.base import Resource

Handler = Callable[[Api, Request, Resource, Target], Awaitable[web.StreamResponse]]


class NotImplementedHere(StatusError):
    """Something Kubernetes serves and this cluster does not yet."""

    code, reason = 501, "NotImplemented"


async def handle(api: Api, request: Request, kind: Resource, target: Target) -> web.StreamResponse:
    declared = {name: (shown, verbs) for name, shown, verbs in discovery.subresources(kind)}
    found = declared.get(target.subresource)
    if found is None and kind.custom:
        raise NotFound.of(kind.qualified, target.name)
    if found is None:
        raise NotFound("the server could not find the requested resource", details={})
    shown, verbs = found
    if request.verb not in verbs and (request.method, target.subresource) != ("OPTIONS", "proxy"):  # it has no verb
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    special = _HANDLERS.get((kind.plural, target.subresource)) or _HANDLERS.get(("", target.subresource))
    if special is not None:
        return await special(api, request, kind, target)
    if shown != kind.kind:
        raise NotImplementedHere(f"{kind.plural}/{target.subresource} is not supported by this cluster yet")
    if request.verb == "get":
        return await get(api, request, kind, target)
    return await (patching.handle if request.verb == "patch" else update)(api, request, kind, target)


# -- scale


async def _scale(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    at = (kind.resource_id(), storage_namespace(kind, target), target.name)
    if request.verb == "get":
        found = kind.present(api.registry.get(*at))
        if why := scaling.problem(kind, found):
            raise InternalError(why)
        return answer(request, 200, scaling.of(kind, found))
    if request.verb == "patch":
        change, wanted = await patching.read_change(request, scaling.VERSION, "Scale")
    else:
        wanted = options.write_options(request.query, "UpdateOptions")
        given = await body.read_object(request, scaling.VERSION, "Scale", wanted.validation)

        def change(current: Obj) -> Obj:
            return given

    def rescale(obj: Obj) -> None:
        scale = change(scaling.of(kind, obj))
        meta = objects.meta(scale)
        if meta.get("name") != target.name:
            raise BadRequest(
                f"the name of the object ({meta.get('name', '')}) does not match the name on the URL ({target.name})"
            )
        replicas = (scale.get("spec") or {}).get("replicas") or 0
        if replicas < 0:
            cause = fields.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            raise Invalid.of("Scale.autoscaling", target.name, [cause])
        uid = meta.get("uid")
        if uid and uid != objects.uid(obj):
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {objects.uid(obj)}"
            raise Conflict.of(kind.qualified, target.name, why)
        asked, before = admitting.write_options(wanted, "UpdateOptions"), scaling.of(kind, obj)
        scale = admitting.judge(api, request, kind, target, scale, before, options=asked, dry_run=wanted.dry_run)
        replicas = (scale.get("spec") or {}).get("replicas") or 0
        scaling.set_replicas(kind, obj, replicas)
        if meta.get("resourceVersion"):
            obj["metadata"]["resourceVersion"] = meta["resourceVersion"]

    by = wanted.writer(request, "scale")
    stored = api.registry.patch(*at, rescale, dry_run=wanted.dry_run, warn=request.warn, kind=kind, by=by)
    return answer(request, 200, scaling.of(kind, stored))


# -- pods


async def _binding(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    wanted = options.write_options(request.query, "CreateOptions")
    binding = await body.read_object(request, "v1", "Binding", wanted.validation)
    if objects.meta(binding).get("name") != target.name:
        raise BadRequest("name in URL does not match name in Binding object")
    binding = admitting.create(api, request, kind, target, binding, wanted)
    return bind(api, request, target, binding, dry_run=wanted.dry_run)


def bind(api: Api, request: Request, target: Target, binding: Obj, *, dry_run: bool) -> web.Response:
    """Put a pod on a node, as a scheduler does."""
    node = (binding.get("target") or {}).get("name", "")
    if (binding.get("target") or {}).get("kind", "") not in ("", "Node"):
        raise BadRequest('target.kind: Unsupported value: supported values: "Node", "<empty>"')
    if not node:
        raise BadRequest("target.name: Required value")
    meta = objects.meta(binding)
    name = meta.get("name", "")

    def assign(pod: Obj) -> None:
        if meta.get("uid") and meta["uid"] != objects.uid(pod):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {objects.uid(pod)}"
            raise Conflict.of("pods/binding", name, why)
        if objects.spec(pod).get("schedulingGates"):
            raise Conflict.of("pods/binding", name, f"pod {name} has non-empty .spec.schedulingGates")
        pod["spec"]["nodeName"] = node
        for holder in ("annotations", "labels"):
            if meta.get(holder):
                pod["metadata"].setdefault(holder, {}).update(meta[holder])

    api.registry.patch("pods", target.namespace, name, assign, subresource="binding", dry_run=dry_run)
    return answer(request, 201, _success(201))


async def _eviction(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    wanted = options.write_options(request.query, "CreateOptions")
    eviction = await body.read_object(request, "policy/v1", "Eviction", wanted.validation)
    if objects.meta(eviction).get("name") != target.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    eviction = admitting.create(api, request, kind, target, eviction, wanted)
    chosen, dry_run = options.delete_options(request.query, eviction.get("deleteOptions") or {})
    dry_run = dry_run or wanted.dry_run
    evict(api, target.namespace, target.name, chosen, dry_run=dry_run)
    return answer(request, 201, _success(201))


def _success(code: int) -> Obj:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}


# -- service accounts


_HANDLERS: Final[dict[tuple[str, str], Handler]] = {
    ("", "scale"): _scale,
    ("pods", "binding"): _binding,
    ("pods", "eviction"): _eviction,
    ("pods", "log"): logs.handle,
    ("pods", "exec"): commands.exec_,
    ("pods", "attach"): commands.attach,
    ("pods", "portforward"): portforward.handle,
    ("", "proxy"): proxy.handle,
    ("serviceaccounts", "token"): tokenrequests.create,
}
