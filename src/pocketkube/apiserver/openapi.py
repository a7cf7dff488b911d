"""OpenAPI v3: an index and one document per group version, as kubectl needs it to validate and to explain.

Models k8s.io/kube-openapi's handler3. Schemas are the packaged ones of v1.36.2; paths are made for the kinds served.
/openapi/v2 is in openapi_v2.py, what the schemas say of kinds and fields in descriptions.py.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Any, Final

import orjson
from aiohttp import web

from pocketkube.apiserver import descriptions, discovery, openapi_v2, published
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.info import NOT_ALLOWED
from pocketkube.apiserver.request import Request
from pocketkube.apiserver.respond import JSON, answer, not_found_page, raw
from pocketkube.errors import MethodNotAllowed
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

_META: Final = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1"
_PATCH_TYPES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_COLLECTION: Final = {"get": "list", "post": "post", "delete": "deletecollection"}
_NAMED: Final = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}
_VERB: Final = {
    "list": "list",
    "post": "create",
    "deletecollection": "deletecollection",
    "get": "get",
    "put": "update",
    "patch": "patch",
    "delete": "delete",
}


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
    data, digest = found
    response = raw(200, data, JSON)
    # the hash in the address changes with the content, so clients may keep what they have
    response.headers["Cache-Control"] = "public, immutable" if request.query.text("hash") == digest else "no-cache"
    response.headers["ETag"] = f'"{digest}"'
    return response


def _serve_v2(api: Api, request: Request) -> web.Response:
    protobuf = openapi_v2.wants_protobuf(request.http.headers.get("Accept", ""))
    name = f"v2 {'protobuf' if protobuf else 'json'}"
    if name not in api.documents:
        schemas: Obj = {}
        for group, found in discovery.local_versions(api).items():
            for version in found:
                schemas |= _schemas(api, f"apis/{group}/{version}" if group else f"api/{version}", v2=True) or {}
        swagger = openapi_v2.document(schemas)
        data = openapi_v2.encode(swagger) if protobuf else orjson.dumps(swagger)
        api.documents[name] = data, hashlib.sha256(data).hexdigest().upper()
    data, digest = api.documents[name]
    response = raw(200, data, openapi_v2.PROTOBUF if protobuf else JSON)
    response.headers["ETag"] = f'"{digest}"'
    return response


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
                "paths": paths_of(api, group, version, schemas),
                "components": {"schemas": schemas},
            }
        )
        api.documents[name] = data, hashlib.sha256(data).hexdigest().upper()
    return api.documents[name]


def _schemas(api: Api, name: str, *, v2: bool = False) -> dict[str, Any] | None:
    """The component schemas of a group version: packaged ones and those of custom kinds."""
    group, _, version = name.partition("/")[2].rpartition("/")
    custom = [kind for kind in api.kinds.get((group, version), {}).values() if kind.custom]
    known = packaged(name)
    if not custom:
        return known
    meta = packaged("apis/apiextensions.k8s.io/v1") or {}
    return {**(known or {}), **published.components(custom, meta, v2=v2)}


def packaged(name: str) -> dict[str, Any] | None:
    """The component schemas of a group version, with their descriptions."""
    try:
        data = (resources.files("pocketkube") / "data" / "openapi" / f"{name.replace('/', '_')}.json").read_bytes()
    except FileNotFoundError:
        return None
    schemas: dict[str, Any] = orjson.loads(data)["components"]["schemas"]
    descriptions.attach(schemas)
    return schemas


def paths_of(api: Api, group: str, version: str, schemas: dict[str, Any]) -> Obj:
    components = _components(schemas)
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    paths: Obj = {}
    for kind in api.kinds.get((group, version), {}).values():
        component = components.get((group, version, kind.kind))
        if component is not None:
            paths |= _kind_paths(root, kind, component)
    for plural, _, shown, namespaced in discovery.VIRTUAL.get((group, version), ()):
        component = components.get((group, version, shown))
        if component is not None:
            where = f"{root}/namespaces/{{namespace}}/{plural}" if namespaced else f"{root}/{plural}"
            gvk = {"group": group, "version": version, "kind": shown}
            paths[where] = {"post": _operation("post", gvk, component)}
    return paths


def _components(schemas: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    for name, schema in schemas.items():
        for gvk in schema.get("x-kubernetes-group-version-kind", ()):
            found.setdefault((gvk["group"], gvk["version"], gvk["kind"]), name)
    return found


def _kind_paths(root: str, kind: Resource, component: str) -> Obj:
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    base = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    paths: Obj = {}
    for path, methods in ((base, _COLLECTION), (f"{base}/{{name}}", _NAMED)):
        operations: Obj = {
            method: _operation(action, gvk, component, strategic=not kind.custom)
            for method, action in methods.items()
            if _VERB[action] in kind.verbs
        }
        if operations:
            names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
            operations["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
                for name in names
            ]
            paths[path] = operations
    if kind.namespaced and "list" in kind.verbs:
        paths[f"{root}/{kind.plural}"] = {"get": _operation("list", gvk, component)}
    return paths


def _operation(action: str, gvk: Obj, component: str, *, strategic: bool = True) -> Obj:
    body = {"$ref": f"#/components/schemas/{component}"}
    shown = {"$ref": f"#/components/schemas/{component}List"} if action == "list" else body
    operation: Obj = {
        "operationId": f"{action}{gvk['group'].title().replace('.', '')}{gvk['version'].title()}{gvk['kind']}",
        "parameters": [_parameter(name) for name in _parameters(action)],
        "responses": {"200": {"description": "OK", "content": {JSON: {"schema": shown}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk,
    }
    if action in ("post", "put"):
        operation["requestBody"] = {"required": True, "content": {"*/*": {"schema": body}}}
    elif action == "patch":
        patch = {"schema": {"$ref": f"{_META}.Patch"}}
        operation["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(_PATCH_TYPES[: 4 if strategic else 3], patch),
        }
    elif action in ("delete", "deletecollection"):
        options = {"schema": {"$ref": f"{_META}.DeleteOptions"}}
        operation["requestBody"] = {"content": {"*/*": options}}
    return operation


def _parameters(action: str) -> tuple[str, ...]:
    if action in ("post", "put"):
        return ("dryRun", "fieldManager", "fieldValidation")
    if action == "patch":
        return ("dryRun", "fieldManager", "fieldValidation", "force")
    if action == "delete":
        return ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
    if action == "get":
        return ()
    return (
        "allowWatchBookmarks",
        "continue",
        "fieldSelector",
        "labelSelector",
        "limit",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        *(("watch",) if action == "list" else ()),
    )


@cache
def _parameter(name: str) -> Obj:
    types = {
        "integer": ("gracePeriodSeconds", "limit", "timeoutSeconds"),
        "boolean": ("allowWatchBookmarks", "force", "orphanDependents", "sendInitialEvents", "watch"),
    }
    kind = next((type_ for type_, names in types.items() if name in names), "string")
    return {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}
