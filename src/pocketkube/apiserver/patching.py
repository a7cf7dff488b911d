"""PATCH: a patch applied to what is stored, decoded, and written as an update.

Models apiserver/pkg/endpoints/handlers/patch.go. The registry is synchronous: there is no retry on conflict to
model. Server-side apply is in applies.py.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson
from aiohttp import web

from pocketkube import fields, objects, patch, schema, strategic
from pocketkube.apiserver import admitting, applies, body, escalation, options
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.verbs import match_name, match_namespace, one, storage_namespace
from pocketkube.errors import Invalid, UnsupportedMediaType
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
Change = Callable[[Obj], Obj]
_NOT_FOR_CUSTOM = (
    "the body of the request was in an unknown format - accepted media types include: "
    f"{JSON_PATCH}, {MERGE_PATCH}, {APPLY}"
)


async def handle(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    if content_type(request) == APPLY:
        return await applies.handle(api, request, kind, target)
    change, wanted = await read_change(request, kind.api_version, kind.kind, kind if kind.custom else None)

    where = storage_namespace(kind, target), target.name

    def apply(current: Obj) -> Obj:
        patched = change(current)
        meta = objects.meta(patched)
        match_namespace(kind, target, meta)
        match_name(target, meta)
        escalation.check(api, request, kind, target, patched, api.registry.find(kind.resource_id(), *where))
        return kind.internal(patched)

    stored = api.registry.patch(
        kind.resource_id(),
        *where,
        apply,
        subresource=target.subresource,
        dry_run=wanted.dry_run,
        warn=request.warn,
        kind=kind,
        by=wanted.writer(request),
        review=admitting.of_write(api, request, wanted, "PatchOptions"),
    )
    return one(request, 200, kind, stored)


def content_type(request: Request) -> str:
    return request.http.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def read_change(
    request: Request, api_version: str, kind: str, custom: Resource | None = None
) -> tuple[Change, options.WriteOptions]:
    """The patch in a request's body as a function from the current object to the patched one, and the options."""
    content = content_type(request)
    if content == APPLY:
        raise UnsupportedMediaType(
            f"server-side apply ({APPLY}) to this subresource is not supported by this cluster; apply to the object "
            f"itself, or use one of: {JSON_PATCH}, {MERGE_PATCH}, {STRATEGIC}"
        )
    if content not in (JSON_PATCH, MERGE_PATCH, STRATEGIC):
        raise UnsupportedMediaType("415: Unsupported Media Type", details={})
    if content == STRATEGIC and custom is not None:
        raise UnsupportedMediaType(_NOT_FOR_CUSTOM)
    data = await body.read(request)
    wanted = options.write_options(request.query, "PatchOptions")
    if custom is not None:
        change = _custom_change(request, content, data, custom, wanted.validation)
    else:
        change = _change(request, content, data, body.type_of(api_version, kind), wanted.validation)
    return _guarded(change, api_version, kind), wanted


def _change(request: Request, content: str, data: bytes, type_: schema.Type, validation: str) -> Change:
    if content == STRATEGIC:
        given = patch.parse_map_patch(data, strategic=True)

        def merge_strategically(current: Obj) -> Obj:
            return _settle(request, validation, type_, patch.strategic_merge(current, given, type_), given)

        return merge_strategically
    if content == MERGE_PATCH:
        merged = patch.parse_map_patch(data)
        return lambda current: _settle(request, validation, type_, patch.merge_patch(current, merged))
    operations = patch.parse_json_patch(data)
    return lambda current: _settle(request, validation, type_, patch.json_patch(current, operations))


def _custom_change(request: Request, content: str, data: bytes, kind: Resource, validation: str) -> Change:
    merged = patch.parse_map_patch(data) if content == MERGE_PATCH else {}
    operations = patch.parse_json_patch(data) if content == JSON_PATCH else []

    def change(current: Obj) -> Obj:
        patched = (
            patch.merge_patch(current, merged) if content == MERGE_PATCH else patch.json_patch(current, operations)
        )
        try:
            result, problems = kind.decode(patched)
        except schema.DecodeError as error:
            raise _unpatchable(patched, None, str(error)) from None
        _report(request, validation, patched, None, problems)
        return result

    return change


def _settle(
    request: Request, validation: str, type_: schema.Type, patched: Obj, strategic_patch: Obj | None = None
) -> Obj:
    """Decode what a patch made. Errors show the object, or (strategic merge) the patch as Go prints maps."""
    try:
        if strategic_patch is not None:
            result, problems = schema.decode_patched(patched, type_)
        else:
            result, problems = schema.decode(patched, type_)
    except schema.DecodeError as error:
        raise _unpatchable(patched, strategic_patch, str(error)) from None
    _report(request, validation, patched, strategic_patch, problems)
    return result


def _report(request: Request, validation: str, patched: Obj, strategic_patch: Obj | None, problems: list[str]) -> None:
    if problems and validation == "Strict":
        raise _unpatchable(patched, strategic_patch, schema.strict_text(problems))
    for text in problems if validation == "Warn" else ():
        request.warn(text)


def _unpatchable(patched: Obj, strategic_patch: Obj | None, why: str) -> Invalid:
    shown = orjson.dumps(patched).decode() if strategic_patch is None else strategic.go_text(strategic_patch)
    return Invalid.of("", "", [fields.invalid("patch", shown, why)])


def _guarded(change: Change, api_version: str, kind: str) -> Change:
    """Refuse a patch that turns the object into another kind."""

    def apply(current: Obj) -> Obj:
        result = change(current)
        given_version, given_kind = result.get("apiVersion") or api_version, result.get("kind") or kind
        if (given_version, given_kind) != (api_version, kind):
            name = f"{given_version.rpartition('/')[2]}.{given_kind}"
            why = f"converting ({name}) to ({body.internal_name(api_version, kind)}): unknown conversion"
            raise _unpatchable(result, None, why)
        return result

    return apply
