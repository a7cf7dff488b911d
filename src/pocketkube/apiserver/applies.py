"""Server-side apply: PATCH with a configuration, which becomes part of the object or makes it.

Models applyPatcher of apiserver/pkg/endpoints/handlers/patch.go, with the checks of
apimachinery/pkg/util/managedfields/internal/{versioncheck,structuredmerge}.go.
"""

from __future__ import annotations

from aiohttp import web

from pocketkube import objects, schema
from pocketkube.apiserver import admitting, authorization, body, escalation, options
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.verbs import match_name, match_namespace, one, storage_namespace
from pocketkube.errors import BadRequest, Unknown
from pocketkube.fieldmanager import configuration
from pocketkube.fieldmanager.shapes import Unfit
from pocketkube.fieldmanager.writers import Applier
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.schema.gojson import word


async def handle(api: Api, request: Request, kind: Resource, target: Target) -> web.Response:
    data = await body.read(request)
    wanted = options.write_options(request.query, "PatchOptions", apply=True)
    config, problems = _read(data)
    _check(kind, config)
    at = kind.resource_id(), storage_namespace(kind, target), target.name
    by = Applier(config, wanted.manager, bool(wanted.force))

    def apply(live: Obj | None) -> Obj:
        try:
            merged = by.apply(kind, live, target.subresource, api.registry.clock.now())
        except Unfit as error:
            raise Unknown(f"failed to create typed live object ({_named(kind, live or config)}): {error}") from None
        if problems and wanted.validation == "Strict":
            raise BadRequest(f"error strict decoding YAML: {body.yaml_text(problems)}")
        if problems and wanted.validation == "Warn":
            request.warn(body.yaml_text(problems))
        obj = _typed(kind, merged)
        meta = objects.meta(obj)
        match_namespace(kind, target, meta)
        match_name(target, meta)
        escalation.check(api, request, kind, target, obj, api.registry.find(*at))
        return kind.internal(obj)

    review = admitting.of_write(api, request, wanted, "PatchOptions")
    if target.subresource or api.registry.find(*at) is not None:
        stored = api.registry.patch(
            *at,
            apply,
            subresource=target.subresource,
            dry_run=wanted.dry_run,
            warn=request.warn,
            kind=kind,
            by=by,
            review=review,
        )
        return one(request, 200, kind, stored)
    authorization.check(api.policy, request.user, authorization.of_target("create", target))
    obj = apply(None)
    made = api.registry.create(kind.resource_id(), obj, dry_run=wanted.dry_run, warn=request.warn, by=by, review=review)
    return one(request, 201, kind, made)


def _read(data: bytes) -> tuple[Obj, list[str]]:
    """The configuration, and what strict decoding has against its YAML. Raises BadRequest."""
    try:
        value, problems = schema.loads_yaml(data)
    except schema.ParseError as error:
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if value is not None and not isinstance(value, dict):
        problem = f"json: cannot unmarshal {word(value)} into Go value of type map[string]interface {{}}"
        raise BadRequest(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {problem}")
    return value or {}, problems


def _check(kind: Resource, config: Obj) -> None:
    """Raises BadRequest for what is no configuration of this kind, Unknown for one that is not of its type."""
    api_version, named = config.get("apiVersion") or "", config.get("kind") or ""
    group, _, version = str(api_version).rpartition("/")
    if (api_version, named) != (kind.api_version, kind.kind):
        raise BadRequest(f"invalid object type: {group}/{version}, Kind={named}")
    meta = config.get("metadata")
    if isinstance(meta, dict) and meta.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    if wrong := configuration.problems(kind.shape, config):
        raise Unknown(f"failed to create typed patch object ({_named(kind, config)}): {wrong}")


def _named(kind: Resource, obj: Obj) -> str:
    """An object as the merging upstream names it: `default/web; apps/v1, Kind=Deployment`."""
    meta = obj.get("metadata")
    where = f"{objects.namespace(obj)}/{objects.name(obj)}" if isinstance(meta, dict) else "/"
    return f"{where}; {kind.group}/{kind.version}, Kind={kind.kind}"


def _typed(kind: Resource, merged: Obj) -> Obj:
    try:
        return kind.decode(merged)[0]
    except schema.DecodeError as error:
        raise Unknown(f"failed to convert new object to proper version: {error}") from None
