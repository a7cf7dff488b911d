"""OpenAPI v3: an index and one document per group version, as kubectl needs it to validate and to explain.

Models k8s.io/kube-openapi's handler3. Schemas are the packaged ones of v1.36.2; paths are made for the kinds served.
/openapi/v2 is in openapi_v2.py, what the schemas say of kinds and fields in descriptions.py.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

import orjson
from aiohttp import web

from pocketkube.apiserver import descriptions, discovery, openapi_paths, openapi_v2, openapi_wire, published
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.info import NOT_ALLOWED
from pocketkube.apiserver.request import Request
from pocketkube.apiserver.respond import JSON, answer, not_found_page, raw
from pocketkube.errors import MethodNotAllowed
from pocketkube.objects import Obj


def serve(api: Api, request: Request, parts: list[str]) -> web.Response:
    """`parts` is the path after /openapi."""
    if parts[:1] != ["v3"] and parts != ["v2"]:
        return not_found_page()
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    if parts == ["v2"]:
        return _serve_v2(api, request)
    if len(parts) == 1:
        return answer(request, 200, index(api))
    found = document(api, "/".join(parts[1:]))
    if found is None:
        return not_found_page()
    # the hash in the address changes with the content, so clients may keep what they have
    return _answer(request, *found, JSON, "public, immutable" if request.query.text("hash") == found[1] else "no-cache")


def _answer(request: Request, data: bytes, digest: str, content: str, kept: str) -> web.Response:
    tag = f'"{digest}"'
    known = request.http.headers.get("If-None-Match", "").replace("W/", "").split(",")
    response = web.Response(status=304) if tag in (one.strip() for one in known) else raw(200, data, content)
    response.headers["Cache-Control"], response.headers["ETag"] = kept, tag
    return response


def _serve_v2(api: Api, request: Request) -> web.Response:
    protobuf = openapi_v2.wants_protobuf(request.http.headers.get("Accept", ""))
    name = f"v2 {'protobuf' if protobuf else 'json'}"
    if name not in api.documents:
        schemas: Obj = {}
        paths: Obj = {}
        for group, found in discovery.local_versions(api).items():
            for version in found:
                own = _schemas(api, f"apis/{group}/{version}" if group else f"api/{version}", v2=True) or {}
                schemas |= own
                paths |= _paths(api, group, version, own)
        swagger = openapi_v2.document(schemas, paths)
        data = openapi_wire.encode(swagger) if protobuf else orjson.dumps(swagger)
        api.documents[name] = data, hashlib.sha256(data).hexdigest().upper()
    content = openapi_v2.PROTOBUF if protobuf else JSON
    return _answer(request, *api.documents[name], content, "no-cache, private")


def index(api: Api) -> Obj:
    paths: Obj = {}
    for group, found in discovery.local_versions(api).items():
        for version in found:
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            built = document(api, name)
            if built is not None:
                paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={built[1]}"}
    return {"paths": paths}


def document(api: Api, name: str) -> tuple[bytes, str] | None:
    """(document, its hash) for `api/v1` or `apis/<group>/<version>`; None for what is not served."""
    prefix, _, rest = name.partition("/")
    group, _, version = rest.rpartition("/") if prefix == "apis" else ("", "", rest)
    if prefix not in ("api", "apis") or version not in discovery.local_versions(api).get(group, ()):
        return None
    if name not in api.documents:
        schemas = _schemas(api, name)
        if schemas is None:
            return None
        data = orjson.dumps(
            {
                "openapi": "3.0.0",
                "info": {"title": "Kubernetes", "version": "v1.36.2"},
                "paths": _paths(api, group, version, schemas),
                "components": {"schemas": schemas},
            }
        )
        api.documents[name] = data, hashlib.sha256(data).hexdigest().upper()
    return api.documents[name]


def _paths(api: Api, group: str, version: str, schemas: dict[str, Any]) -> Obj:
    return openapi_paths.of_version(group, version, api.kinds.get((group, version), {}).values(), schemas)


def _schemas(api: Api, name: str, *, v2: bool = False) -> dict[str, Any] | None:
    """The component schemas of a group version: packaged ones and those of custom kinds."""
    group, _, version = name.partition("/")[2].rpartition("/")
    custom = [kind for kind in api.kinds.get((group, version), {}).values() if kind.custom]
    known = packaged(name)
    if not custom:
        return known
    meta = packaged("apis/apiextensions.k8s.io/v1") or {}
    found = {**(known or {}), **published.components(custom, meta, v2=v2)}
    if any(kind.scale for kind in custom):
        apps = packaged("apis/apps/v1") or {}
        found |= {name: schema for name, schema in apps.items() if ".autoscaling.v1.Scale" in name}
    return found


def packaged(name: str) -> dict[str, Any] | None:
    """The component schemas of a group version, with their descriptions."""
    try:
        data = (resources.files("pocketkube") / "data" / "openapi" / f"{name.replace('/', '_')}.json").read_bytes()
    except FileNotFoundError:
        return None
    schemas: dict[str, Any] = orjson.loads(data)["components"]["schemas"]
    descriptions.attach(schemas)
    return schemas
