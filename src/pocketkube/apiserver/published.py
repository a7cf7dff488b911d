"""The OpenAPI schemas of custom kinds, made from their definitions: for `kubectl explain` and client-side validation.

Models apiextensions-apiserver/pkg/controller/openapi{,v3,/builder,/v2}. Left out: descriptions of generated operations.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_REFERENCE: Final = "#/components/schemas/"
_CONVENTIONS: Final = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_API_VERSION: Final = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
    "schemas to the latest internal value, and may reject unrecognized values. More info: "
    f"{_CONVENTIONS}#resources"
)
_KIND: Final = (
    "Kind is a string value representing the REST resource this object represents. Servers may infer this from the "
    f"endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: {_CONVENTIONS}#types-kinds"
)
_METADATA: Final = f"Standard object's metadata. More info: {_CONVENTIONS}#metadata"
_LIST_METADATA: Final = f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds"
_PRESERVE, _EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"


def components(kinds: Iterable[Resource], meta: Obj, *, v2: bool = False) -> Obj:
    """Component schemas of custom kinds, with those of the metadata they refer to (taken from `meta`)."""
    found: Obj = {}
    for kind in kinds:
        name = model_name(kind)
        found[name] = _model(kind, v2)
        found[f"{name}List"] = _list(kind, name)
    if found:
        found |= {name: schema for name, schema in meta.items() if name.startswith("io.k8s.apimachinery.")}
    return found


def model_name(kind: Resource) -> str:
    """`com.example.v1.Widget`."""
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _gvk(kind: Resource, shown: str) -> list[Obj]:
    return [{"group": kind.group, "version": kind.version, "kind": shown}]


def _reference(name: str, description: str) -> Obj:
    return {"description": description, "allOf": [{"$ref": f"{_REFERENCE}{name}"}]}


def _model(kind: Resource, v2: bool) -> Obj:
    declared: Obj = getattr(kind, "schema", {})
    gvk = {"x-kubernetes-group-version-kind": _gvk(kind, kind.kind)}
    if not declared or (v2 and declared.get(_PRESERVE)):
        return {"type": "object", **gvk}  # kubectl would take fields that are named for all there are
    schema = _flat(declared) if v2 else _unfolded(declared)
    schema["properties"] = {**(schema.get("properties") or {}), **_identity()}
    if selectable := getattr(kind, "selectable", ()):
        gvk["x-kubernetes-selectable-fields"] = [{"fieldPath": path.removeprefix(".")} for path in selectable]
    return {**schema, **gvk}


def _identity() -> Obj:
    return {
        "apiVersion": {"description": _API_VERSION, "type": "string"},
        "kind": {"description": _KIND, "type": "string"},
        "metadata": _reference(f"{_META}.ObjectMeta", _METADATA),
    }


def _list(kind: Resource, name: str) -> Obj:
    return {
        "description": f"{kind.list_kind} is a list of {kind.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"description": _API_VERSION, "type": "string"},
            "items": {
                "description": f"List of {kind.plural}. More info: "
                "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
                "type": "array",
                "items": {"$ref": f"{_REFERENCE}{name}"},
            },
            "kind": {"description": _KIND, "type": "string"},
            "metadata": _reference(f"{_META}.ListMeta", _LIST_METADATA),
        },
        "x-kubernetes-group-version-kind": _gvk(kind, kind.list_kind),
    }


def _inside(schema: Obj, each: Any) -> Obj:
    """A copy with every schema inside it replaced."""
    result = objects.copy(schema)
    for name in ("properties",):
        if result.get(name):
            result[name] = {key: each(value) for key, value in schema[name].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            result[name] = each(schema[name])
    return result  # type: ignore[no-any-return]


def _unfolded(schema: Obj) -> Obj:
    """For v3: what the extensions mean is said in schemas, too."""
    result = _inside(schema, _unfolded)
    if result.get("x-kubernetes-int-or-string"):
        choice = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
        if result.get("anyOf"):
            result["allOf"] = [choice, *(result.get("allOf") or ())] if result["anyOf"] != choice["anyOf"] else []
            result = {name: value for name, value in result.items() if name != "allOf" or value}
        else:
            result |= choice
    return _with_embedded(result)


def _with_embedded(schema: Obj) -> Obj:
    if schema.get(_EMBEDDED):
        schema["properties"] = {**(schema.get("properties") or {}), **_identity()}
        schema["required"] = [*(schema.get("required") or ()), *("kind", "apiVersion")]
        schema["required"] = list(dict.fromkeys(schema["required"]))
    return schema


def _flat(schema: Obj) -> Obj:
    """For v2: without what it has no words for, so that kubectl's checks are not stricter than the server's."""
    result = _inside(schema, _flat)
    for name in ("allOf", "oneOf", "anyOf", "not"):
        result.pop(name, None)
    nullable = result.pop("nullable", None)
    if nullable or result.get(_PRESERVE):
        for name in ("items", "properties"):
            result.pop(name, None)
        result.pop("type", None)
    if result.get("type") == "array" and "items" not in result:
        del result["type"]
    if result.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
    given = schema.get("properties") or {}
    if result.get("required"):
        result["required"] = [name for name in result["required"] if not given.get(name, {}).get("nullable")]
        if not result["required"]:
            del result["required"]
    return result if result.get(_PRESERVE) else _with_embedded(result)
