"""From a path and a method to a handler.

A handler is called again when webhooks had to be asked first (pocketkube.unanswered): until then it changes nothing.

Models the routes kube-apiserver installs, with go-restful's answers for what there is not: 404 as text for unknown
paths and groups, 404 and 405 as Status below known ones. What another server answers for goes there.
"""

from __future__ import annotations

import hashlib
from typing import Final

from aiohttp import web

from pocketkube.apiserver import (
    authorization,
    discovery,
    impersonation,
    info,
    openapi,
    patching,
    reviews,
    subresources,
    verbs,
    watch,
)
from pocketkube.apiserver.aggregation import serving
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.negotiation import DISCOVERY
from pocketkube.apiserver.request import Request, Target, parse_target
from pocketkube.apiserver.respond import JSON, answer, encode, not_found_page, raw
from pocketkube.errors import MethodNotAllowed, NotFound
from pocketkube.resources.base import Resource
from pocketkube.resources.custom import conversion
from pocketkube.unanswered import awaited

NO_RESOURCE: Final = "the server could not find the requested resource"

_STREAMS: Final = ("log", "exec", "attach", "portforward", "proxy")


async def dispatch(api: Api, request: Request) -> web.StreamResponse:
    path = request.path
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        group, version, rest = "", "".join(parts[1:2]), parts[2:]
    elif parts[0] == "apis":
        group, version, rest = "".join(parts[1:2]), "".join(parts[2:3]), parts[3:]
    else:
        _authorize(api, request)
        if parts[0] == "openapi":
            return openapi.serve(api, request, parts[1:])
        return info.serve(api, request, path.rstrip("/"))
    if rest:
        request.target = target = parse_target(group, version, rest)
        _authorize(api, request)
        other = api.servers.find(group, version)
        return await (_resource(api, request, target) if other is None else serving.serve(api, request, other))
    _authorize(api, request)
    if len(parts) == 1:
        return _discover(api, request, core=parts[0] == "api")
    if not version:
        return _group(api, request, group)
    other = api.servers.find(group, version)
    if other is not None:
        return await serving.serve(api, request, other)
    return _resource_list(api, request, group, version)


def _authorize(api: Api, request: Request) -> None:
    """Find out whom the request acts as and whether that user may do it. Raises Forbidden."""
    wanted = authorization.attributes(request)
    request.user = impersonation.impersonated(api.policy, request.user, request.http.headers, wanted)
    request.flow = api.flows.headers(request.user, wanted)
    authorization.check(api.policy, request.user, wanted)


# -- discovery


def _discover(api: Api, request: Request, *, core: bool) -> web.Response:
    _get_only(request)
    wanted = request.wanted
    if wanted.form not in DISCOVERY:
        return answer(request, 200, discovery.api_versions(api) if core else discovery.group_list(api))
    data = encode(discovery.aggregated(api, core=core, version=wanted.version))
    etag = f'"{hashlib.sha256(data).hexdigest().upper()}"'
    if request.http.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers={"ETag": etag, "Vary": "Accept"})
    content = f"{JSON};g=apidiscovery.k8s.io;v={wanted.version};as=APIGroupDiscoveryList"
    response = raw(200, data, content)
    response.headers["ETag"], response.headers["Vary"] = etag, "Accept"
    response.headers["Cache-Control"] = "public"
    return response


def _group(api: Api, request: Request, group: str) -> web.Response:
    found = discovery.group(api, group)
    if found is None:
        return not_found_page()
    _get_only(request)
    return answer(request, 200, found)


def _resource_list(api: Api, request: Request, group: str, version: str) -> web.Response:
    found = discovery.resource_list(api, group, version)
    if found is None:
        if group and discovery.group(api, group) is None:
            return not_found_page()
        raise NotFound(NO_RESOURCE, details={})
    _get_only(request)
    return answer(request, 200, found)


def _get_only(request: Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(info.NOT_ALLOWED, details={})


# -- resources


async def _resource(api: Api, request: Request, target: Target) -> web.StreamResponse:
    kind = api.find_kind(target)
    if kind is None:
        if reviews.serves(target):
            return await reviews.handle(api, request, target)
        if target.group and discovery.group(api, target.group) is None:
            return not_found_page()
        raise NotFound(NO_RESOURCE, details={})
    if not _in_scope(kind, target):
        raise NotFound(NO_RESOURCE, details={})
    request.kind = kind
    deprecated = getattr(kind, "deprecated", "")
    if deprecated:
        request.warn(deprecated)
    if target.subresource not in _STREAMS:
        _ = request.wanted  # a client that accepts no answer of ours is refused before anything happens
    handle = subresources.handle if target.subresource else _verb
    if kind.resource_id() not in api.registry.definitions.by_webhook:
        return await awaited(lambda: handle(api, request, kind, target))
    with conversion.by(api.webhooks.converter.convert):
        return await awaited(lambda: handle(api, request, kind, target))


async def _verb(api: Api, request: Request, kind: Resource, target: Target) -> web.StreamResponse:
    verb, handler = request.verb, None
    if verb == "watch":
        if request.method == "GET" and verb in kind.verbs:
            return await watch.serve(api, request, kind, verbs.scope_of(kind, target))
    elif verb in kind.verbs and (target.name or verb == "list" or _has_collection(kind, target)):
        handler = _NAMED.get(verb) if target.name else _COLLECTION.get(verb)
    if handler is None:
        raise MethodNotAllowed(info.NOT_ALLOWED, details={})
    return await handler(api, request, kind, target)


_COLLECTION: Final = {"list": verbs.list_, "create": verbs.create, "deletecollection": verbs.delete_collection}
_NAMED: Final = {"get": verbs.get, "update": verbs.update, "patch": patching.handle, "delete": verbs.delete}


def _has_collection(kind: Resource, target: Target) -> bool:
    """Writing to a collection needs its namespace."""
    return bool(target.namespace) or not kind.namespaced


def _in_scope(kind: Resource, target: Target) -> bool:
    if target.rest and target.subresource != "proxy":
        return False
    if kind.namespaced:
        return bool(target.namespace) or not target.name
    # the namespace in /api/v1/namespaces/x is the object itself
    return not target.namespace or kind.plural == "namespaces"
