"""The verbs on stored kinds: get, list, create, update, delete, deletecollection.

Models apiserver/pkg/endpoints/handlers/{get,create,update,delete}.go on top of the registry.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from pocketkube import objects
from pocketkube.admission.asking import Review
from pocketkube.apiserver import admitting, authorization, body, escalation, lists, options, table
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.respond import answer
from pocketkube.errors import BadRequest, NotFound, StatusError, Unknown
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import DeleteOptions, Resource
from pocketkube.store import Event
from pocketkube.unanswered import answered

UNDETERMINABLE = "the name of the object ({name} based on URL) was undeterminable: name must be provided"

LONGEST_WAIT = 1.0
"""Seconds for what controllers are about to make: Kubernetes looks ten times, 0.1 to 0.2 s apart."""
_BATCH = 50
"""Objects that one request deletes before other requests get their turn."""


def scope_of(kind: Resource, target: Target) -> str | None:
    """The namespace to list: None for all of them and for cluster-scoped kinds."""
    return target.namespace if kind.namespaced and target.namespace else None


def storage_namespace(kind: Resource, target: Target) -> str:
    return target.namespace if kind.namespaced else ""


async def get(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    revision = options.parse_revision(request.query.text("resourceVersion"))
    if revision:
        lists.check_not_future(api, revision)
    if not kind.stored:
        return one(request, 200, kind, _answer(kind, target.name))
    obj = api.registry.get(kind.resource_id(), storage_namespace(kind, target), target.name)
    return one(request, 200, kind, obj)


def _answer(kind: Resource, name: str) -> Obj:
    found = next((obj for obj in kind.answers() if objects.name(obj) == name), None)
    if found is None:
        raise NotFound.of(kind.singular, name)
    return found


async def list_(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    wanted = options.list_options(request.query, kind, watch=False)
    items, meta = lists.collect(api, kind, scope_of(kind, target), wanted)
    return many(request, kind, items, meta)


def one(request: Request, code: int, kind: Resource, obj: Obj) -> web.Response:
    """A stored object in the version and form asked for."""
    obj = kind.present(obj)
    form, version = request.wanted.form, request.wanted.version
    if form == "Table":
        include = options.include_object(request.query)
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return answer(request, code, table.table(kind, (obj,), meta, version=version, include=include))
    if form == "PartialObjectMetadata":
        return answer(request, code, table.partial(obj, version))
    return answer(request, code, obj)


def many(request: Request, kind: Resource, items: list[Obj], meta: Obj) -> web.Response:
    form, version = request.wanted.form, request.wanted.version
    result: dict[str, Any]
    if form == "Table":
        include = options.include_object(request.query)
        result = table.table(kind, items, meta, version=version, include=include)
    elif form == "PartialObjectMetadata":
        result = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{version}", "metadata": meta}
        result["items"] = [table.partial(obj, version) for obj in items]
    else:
        result = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": meta}
        result["items"] = items if kind.custom else [lists.bare(obj) for obj in items]
    return answer(request, 200, result)


async def create(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    wanted = options.write_options(request.query, "CreateOptions")
    obj = await body.read_kind(request, kind, wanted.validation)
    meta = objects.meta(obj)
    match_namespace(kind, target, meta)
    if meta.get("resourceVersion") not in (None, "", "0"):
        raise Unknown("resourceVersion should not be set on objects to be created")
    escalation.check(api, request, kind, target, obj, None)
    if (awaited := kind.awaits(obj)) is not None:
        await _appears(api, *awaited)
    created = api.registry.create(
        kind.resource_id(),
        kind.internal(obj),
        dry_run=wanted.dry_run,
        warn=request.warn,
        by=wanted.writer(request),
        review=admitting.of_write(api, request, wanted, "CreateOptions"),
    )
    return one(request, 201, kind, created)


async def _appears(api: Api, resource: str, at: Key) -> None:
    """Wait until it is there, but not for long: what needs it is refused then."""
    there = asyncio.Event()

    def look(event: Event) -> None:
        if objects.key(event.object) == at:
            there.set()

    stop = api.registry.subscribe(resource, look)
    try:
        async with api.clock.timeout(LONGEST_WAIT):
            await there.wait()
    except TimeoutError:
        return
    finally:
        stop()


def match_namespace(kind: Resource, target: Target, meta: Obj) -> None:
    """Fill in the namespace of the path. Raises BadRequest when the object names another."""
    if not kind.namespaced:
        meta.pop("namespace", None)
        return
    given = meta.get("namespace")
    if given and given != target.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    meta["namespace"] = target.namespace


def match_name(target: Target, meta: Obj) -> None:
    given = meta.get("name")
    if not given:
        raise BadRequest(UNDETERMINABLE.format(name=target.name))
    if given != target.name:
        raise BadRequest(f"the name of the object ({given}) does not match the name on the URL ({target.name})")


async def update(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    wanted = options.write_options(request.query, "UpdateOptions")
    obj = await body.read_kind(request, kind, wanted.validation)
    meta = objects.meta(obj)
    match_namespace(kind, target, meta)
    match_name(target, meta)
    old = api.registry.find(kind.resource_id(), storage_namespace(kind, target), target.name)
    existed = old is not None
    if existed or kind.create_on_update:
        escalation.check(api, request, kind, target, obj, old)
        if not existed:
            authorization.check(api.policy, request.user, authorization.of_target("create", target))
    stored = api.registry.update(
        kind.resource_id(),
        kind.internal(obj),
        subresource=target.subresource,
        dry_run=wanted.dry_run,
        warn=request.warn,
        by=wanted.writer(request),
        review=admitting.of_write(api, request, wanted, "UpdateOptions"),
    )
    return one(request, 200 if existed else 201, kind, stored)


async def read_delete_options(request: Request) -> tuple[DeleteOptions, bool]:
    data = await body.read(request)
    if not data:
        return options.delete_options(request.query, None)
    content = body.media_type(request)
    given = body.decode(request, data, content, "v1", "DeleteOptions", "Ignore", any_version=True)
    return options.delete_options(request.query, given)


async def delete(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    wanted, dry_run = await read_delete_options(request)
    namespace = storage_namespace(kind, target)
    for text in kind.delete_warnings(wanted):
        request.warn(text)
    review = admitting.of_deletion(api, request, wanted, dry_run)
    obj, gone = api.registry.delete(kind.resource_id(), namespace, target.name, wanted, dry_run=dry_run, review=review)
    code = 202 if not gone and wanted.orphan_dependents is False else 200
    if gone and not kind.returns_deleted:
        return answer(request, code, deleted_status(kind, obj))
    return one(request, code, kind, obj)


def deleted_status(kind: Resource, obj: Obj) -> dict[str, Any]:
    details: dict[str, Any] = {"name": objects.name(obj)}
    if kind.group:
        details["group"] = kind.group
    details |= {"kind": kind.plural, "uid": objects.uid(obj)}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _delete(
    api: Api, kind: Resource, at: Key, wanted: DeleteOptions, dry_run: bool, review: Review | None
) -> tuple[Obj, bool]:
    return api.registry.delete(kind.resource_id(), *at, replace(wanted), dry_run=dry_run, review=review)


async def delete_collection(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    selected = options.list_options(request.query, kind, watch=False)
    wanted, dry_run = await read_delete_options(request)
    for text in kind.delete_warnings(wanted):
        request.warn(text)
    items, meta = lists.collect(api, kind, scope_of(kind, target), selected)
    refused: StatusError | None = None
    for number, obj in enumerate(items, 1):
        if not number % _BATCH:
            await asyncio.sleep(0)
        try:
            review = admitting.of_deletion(api, request, wanted, dry_run)
            at = objects.key(obj)
            await answered(partial(_delete, api, kind, at, wanted, dry_run, review))
        except NotFound:
            continue  # gone by another one's deletion
        except StatusError as error:
            refused = refused or error
    if refused is not None:
        raise refused
    return many(request, kind, items, meta)
