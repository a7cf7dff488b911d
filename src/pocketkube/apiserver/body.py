"""Request bodies: JSON, YAML or protobuf to the object the registry takes, with fieldValidation applied.

Models the decoding half of apiserver/pkg/endpoints/handlers/{create,update}.go.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from pocketkube import fields, objects, schema
from pocketkube.apiserver.connections import tell_to_continue
from pocketkube.apiserver.request import Request
from pocketkube.errors import BadRequest, Invalid, RequestEntityTooLarge, UnsupportedMediaType
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

LIMIT = 3 * 1024 * 1024
_JSON, _YAML, _PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_UNKNOWN_FORMAT = (
    "the body of the request was in an unknown format - accepted media types include: "
    "application/json, application/yaml, application/vnd.kubernetes.protobuf"
)
SCHEME = 'scheme "pkg/api/legacyscheme/scheme.go:30"'


async def read(request: Request) -> bytes:
    """The whole body. Raises RequestEntityTooLarge beyond 3 MiB, the limit of kube-apiserver."""
    http = request.http
    try:
        if (http.content_length or 0) > LIMIT:
            raise web.HTTPRequestEntityTooLarge(LIMIT)
        await tell_to_continue(http)
        return await http.read()
    except web.HTTPRequestEntityTooLarge:
        raise RequestEntityTooLarge(f"Request entity too large: limit is {LIMIT}") from None
    except web.RequestPayloadError as error:
        raise BadRequest(f"the body of the request cannot be read: {error}") from None


def media_type(request: Request) -> str:
    """The Content-Type without parameters; JSON when there is none. Raises UnsupportedMediaType."""
    given = request.http.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given in ("", "*/*"):
        return _JSON
    if given not in (_JSON, _YAML, _PROTOBUF):
        raise UnsupportedMediaType(_UNKNOWN_FORMAT)
    return given


async def read_object(request: Request, api_version: str, kind: str, validation: str) -> Obj:
    """The body as an object of that kind. `validation` is Strict, Warn (adds warnings to the request) or Ignore."""
    content = media_type(request)
    body = await read(request)
    return decode(request, body, content, api_version, kind, validation)


async def read_kind(request: Request, kind: Resource, validation: str) -> Obj:
    """The body as an object of a kind served; of a custom one, pruned by its schema."""
    if not kind.custom:
        return await read_object(request, kind.api_version, kind.kind, validation)
    content = media_type(request)
    if content == _PROTOBUF:
        raise UnsupportedMediaType(_UNKNOWN_FORMAT.removesuffix(f", {_PROTOBUF}"))
    data = await read(request)
    value, problems = _parse(data, content, kind.kind, strict=validation != "Ignore")
    try:
        given_version, given_kind = schema.group_version_kind(value)
    except schema.ParseError as error:
        raise BadRequest(schema.unrecognized(data, kind.kind, str(error))) from None
    given_version, given_kind = given_version or kind.api_version, given_kind or kind.kind
    version = given_version.rpartition("/")[2]
    prefix = f'{given_kind} in version "{version}" cannot be handled as a {kind.kind}'
    try:
        obj, unknown = kind.decode({} if value is None else value)
    except schema.DecodeError as error:
        raise BadRequest(f"{prefix}: {error}") from None
    if problems and validation == "Strict":
        problems = [yaml_text(problems)]
    _complain(request, validation, prefix, [*problems, *unknown])
    if given_version != kind.api_version:
        text = f"the API version in the data ({given_version}) does not match"
        raise BadRequest(f"{text} the expected API version ({kind.api_version})")
    if given_kind != kind.kind:
        cause = fields.invalid("kind", given_kind, f"must be {kind.kind}")
        raise Invalid.of(f"{given_kind}.{kind.group}", objects.meta(obj).get("name", ""), [cause])
    obj["apiVersion"], obj["kind"] = given_version, given_kind
    return obj


def yaml_text(problems: list[str]) -> str:
    """What strict decoding has against YAML, as one complaint."""
    return "\n".join(["yaml: unmarshal errors:", *(f"  {text}" for text in problems)])


def _complain(request: Request, validation: str, prefix: str, problems: list[str]) -> None:
    if problems and validation == "Strict":
        raise BadRequest(f"{prefix}: {schema.strict_text(problems)}")
    for text in problems if validation == "Warn" else ():
        request.warn(text)


def decode(
    request: Request,
    body: bytes,
    content: str,
    api_version: str,
    kind: str,
    validation: str,
    *,
    any_version: bool = False,
) -> Obj:
    """`any_version`: clients may name a group's version of an options kind, as apps/v1 of DeleteOptions."""
    problems: list[str] = []
    yaml_problems: list[str] = []
    if content == _PROTOBUF:
        value = _protobuf(body, kind)
    else:
        value, yaml_problems = _parse(body, content, kind, strict=validation != "Ignore")
    try:
        given_version, given_kind = schema.group_version_kind(value)
    except schema.ParseError as error:
        raise BadRequest(schema.unrecognized(body, kind, str(error))) from None
    given_version, given_kind = given_version or api_version, given_kind or kind
    if any_version:
        api_version = given_version
    _check_kind(given_version, given_kind, api_version, kind)
    prefix = f'{kind} in version "{api_version.rpartition("/")[2]}" cannot be handled as a {kind}'
    try:  # by the version in the data: what it does not know is told even when that version is refused
        obj, problems = schema.decode({} if value is None else value, type_of(given_version, kind))
    except schema.DecodeError as error:
        raise BadRequest(f"{prefix}: {error}") from None
    if validation == "Strict":
        if yaml_problems:
            problems = [yaml_text(yaml_problems), *problems]
        if problems:
            raise BadRequest(f"{prefix}: {schema.strict_text(problems)}")
    elif validation == "Warn":
        for text in (*yaml_problems, *problems):
            request.warn(text)
    if given_version != api_version:  # one internal type behind both, so the conversion succeeds upstream
        raise BadRequest(
            f"the API version in the data ({given_version}) does not match the expected API version ({api_version})"
        )
    obj["apiVersion"], obj["kind"] = api_version, kind
    return obj


def type_of(api_version: str, kind: str) -> schema.Type:
    try:
        return schema.for_kind(api_version, kind)
    except schema.UnknownKind:
        return schema.UNSTRUCTURED


def _parse(body: bytes, content: str, kind: str, *, strict: bool) -> tuple[Any, list[str]]:
    try:
        if content == _YAML:
            return schema.loads_yaml(body)
        return schema.loads_json(body, strict=strict), []
    except schema.ParseError as error:
        raise BadRequest(schema.unrecognized(body, kind, str(error), json_syntax=content == _JSON)) from None


def _protobuf(body: bytes, kind: str) -> Any:
    from pocketkube import protobuf

    try:
        return protobuf.decode_object(body)
    except protobuf.MalformedProtobuf as error:
        raise BadRequest(schema.unrecognized(body, kind, str(error))) from None
    except schema.UnknownKind as error:
        raise BadRequest(f"{error} in {SCHEME}") from None


def _check_kind(given_version: str, given_kind: str, api_version: str, kind: str) -> None:
    """Raises BadRequest for what no version of the kind is."""
    if (given_version, given_kind) == (api_version, kind):
        return
    version = given_version.rpartition("/")[2]
    prefix = f'{given_kind} in version "{version}" cannot be handled as a {kind}'
    try:
        known = schema.for_kind(given_version, given_kind)
    except schema.UnknownKind:
        raise BadRequest(
            f'{prefix}: no kind "{given_kind}" is registered for version "{given_version}" in {SCHEME}'
        ) from None
    if given_kind != kind:
        target = internal_name(api_version, kind)
        raise BadRequest(f"{prefix}: converting ({known.name}) to ({target}): unknown conversion")


def internal_name(api_version: str, kind: str) -> str:
    """What upstream calls the internal type: core.Service, apps.Deployment."""
    group = api_version.rpartition("/")[0] or "core"
    return f"{group.partition('.')[0]}.{kind}"
