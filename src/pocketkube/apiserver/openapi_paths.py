"""The paths of OpenAPI v3 documents: what can be done with each kind, under upstream's names of operations.

Models apiserver/pkg/endpoints/{installer,openapi}; what streams is in openapi_streams.py. Left out: texts about
parameters, the deprecated paths of watches, encodings that are not served.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pocketkube.apiserver import discovery, openapi_streams
from pocketkube.apiserver.openapi_parameters import OF_VERBS, parameter
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

_REFERENCE: Final = "#/components/schemas/"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_FORMS: Final = ("application/json", "application/yaml")
_PATCHES: Final = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_STRATEGIC: Final = "application/strategic-merge-patch+json"
_COLLECTION: Final = {"delete": "deletecollection", "get": "list", "post": "create"}
_NAMED: Final = {"delete": "delete", "get": "get", "patch": "patch", "put": "update"}
_METHODS: Final = {verb: method for method, verb in (*_COLLECTION.items(), *_NAMED.items())}
_OPERATION: Final = {"get": "read", "update": "replace", "deletecollection": "delete"}
_ACTION: Final = {"create": "post", "update": "put"}
_CODES: Final = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201")}
_CODES_OF_DELETE: Final = ("200", "202")
_CODE_NAMES: Final = {"200": "OK", "201": "Created", "202": "Accepted"}
_TEXTS: Final = {
    "list": ("list or watch", "objects of kind {}"),
    "deletecollection": ("delete", "collection of {}"),
    "create": ("create", "{article}{}"),
    "get": ("read", "the specified {}"),
    "update": ("replace", "the specified {}"),
    "patch": ("partially update", "the specified {}"),
    "delete": ("delete", "{article}{}"),
}


_Kind = tuple[str, str, str]
"""(group, version, kind)"""


@dataclass(frozen=True)
class _Version:
    """A group version, as the names of its operations and tags say it."""

    group: str
    version: str

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def _named(self) -> str:
        return self.group.removesuffix(".k8s.io") or "core"

    @property
    def tag(self) -> str:
        return f"{_camel(self._named, first=False)}_{self.version}"

    def operation(self, verb: str, rest: str) -> str:
        return f"{verb}{_camel(self._named)}{_camel(self.version)}{_camel(rest)}"


def of_version(group: str, version: str, kinds: Iterable[Resource], schemas: dict[str, Any]) -> Obj:
    """The paths of a group version; only those of kinds that have a schema."""
    at = _Version(group, version)
    components = _components(schemas)
    paths: Obj = {}
    for kind in kinds:
        if component := components.get((group, version, kind.kind)):
            paths |= _kind(at, kind, component, components)
    for plural, _, shown, namespaced in discovery.VIRTUAL.get((group, version), ()):
        if component := components.get((group, version, shown)):
            path = f"{at.root}/namespaces/{{namespace}}/{plural}" if namespaced else f"{at.root}/{plural}"
            name = f"{'namespaced' if namespaced else ''}{_camel(shown)}"
            made = _operation(at, "create", name, _text("create", shown), (group, version, shown), component)
            paths[path] = _item(path, {"post": made})
    return paths


def _components(schemas: dict[str, Any]) -> dict[_Kind, str]:
    found: dict[_Kind, str] = {}
    for name, schema in schemas.items():
        for gvk in schema.get("x-kubernetes-group-version-kind", ()):
            found.setdefault((gvk["group"], gvk["version"], gvk["kind"]), name)
    return found


def _kind(at: _Version, kind: Resource, component: str, components: dict[_Kind, str]) -> Obj:
    space = "/namespaces/{namespace}" if kind.namespaced else ""
    collection = f"{at.root}{space}/{kind.plural}"
    named = f"{collection}/{{name}}"
    scope = "Namespaced" if kind.namespaced else ""
    gvk = (kind.group, kind.version, kind.kind)
    status = f"{_META}.Status"

    def operation(verb: str, name: str, text: str, gvk: _Kind = gvk, body: str = component) -> Obj:
        answered = {"list": f"{component}List", "deletecollection": status}.get(verb, body)
        if verb == "delete" and not kind.returns_deleted:
            answered = status
        return _operation(at, verb, name, text, gvk, body, answered, strategic=not kind.custom)

    paths: Obj = {}
    for path, methods in ((collection, _COLLECTION), (named, _NAMED)):
        found = {
            method: operation(
                verb, f"{'Collection' if verb == 'deletecollection' else ''}{scope}{kind.kind}", _text(verb, kind.kind)
            )
            for method, verb in methods.items()
            if verb in kind.verbs
        }
        if found:
            paths[path] = _item(path, found)
    if kind.namespaced and "list" in kind.verbs:
        path = f"{at.root}/{kind.plural}"
        paths[path] = _item(path, {"get": operation("list", f"{kind.kind}ForAllNamespaces", _text("list", kind.kind))})
    for below, shown, verbs in discovery.subresources(kind):
        if below in openapi_streams.PARAMETERS:
            paths |= openapi_streams.paths(named, kind, below, shown, verbs, at.operation, at.tag)
            continue
        theirs = (*discovery.FOREIGN.get(shown, (kind.group, kind.version)), shown)
        body = components.get(theirs)
        if body is None:
            continue
        path = f"{named}/{below}"
        paths[path] = _item(
            path,
            {
                _METHODS[verb]: operation(
                    verb, f"{scope}{kind.kind}{_camel(below)}", _text(verb, kind.kind, below), theirs, body
                )
                for verb in sorted(verbs)
            },
        )
    return paths


def _text(verb: str, kind: str, below: str = "") -> str:
    does, what = _TEXTS[verb]
    several = kind.endswith("s") and not kind.endswith("ss")
    shown = what.format(kind, article="" if several else "an " if kind[0] in "AEIOU" else "a ")
    return f"{does} {below} of {shown}" if below else f"{does} {shown}"


def _operation(
    at: _Version,
    verb: str,
    name: str,
    text: str,
    gvk: _Kind,
    body: str,
    answered: str = "",
    *,
    strategic: bool = True,
) -> Obj:
    content = {form: _shown(answered or body) for form in _FORMS}
    if verb == "list":
        content["application/json;stream=watch"] = _shown(answered)
    codes = _CODES_OF_DELETE if verb == "delete" else _CODES.get(verb, ("200",))
    operation: Obj = {
        "tags": [at.tag],
        "description": text,
        "operationId": at.operation(_OPERATION.get(verb, verb), name),
        "parameters": sorted(OF_VERBS.get(verb, ())),
        "responses": {
            **{code: {"description": _CODE_NAMES[code], "content": content} for code in codes},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": _ACTION.get(verb, verb),
        "x-kubernetes-group-version-kind": dict(zip(("group", "version", "kind"), gvk, strict=True)),
    }
    if verb in ("create", "update"):
        operation["requestBody"] = {"content": {"*/*": _shown(body)}, "required": True}
    elif verb == "patch":
        forms = (*_PATCHES, _STRATEGIC) if strategic else _PATCHES
        operation["requestBody"] = {"content": dict.fromkeys(forms, _shown(f"{_META}.Patch")), "required": True}
    elif verb in ("delete", "deletecollection"):
        operation["requestBody"] = {"content": {"*/*": _shown(f"{_META}.DeleteOptions")}}
    return operation


@cache
def _shown(component: str) -> Obj:
    return {"schema": {"$ref": f"{_REFERENCE}{component}"}}


def _item(path: str, operations: Obj) -> Obj:
    """A path with its operations; parameters that all of them take are the path's."""
    common = set.intersection(*({*operation["parameters"]} for operation in operations.values()))
    placed = re.findall(r"\{(\w+)\}", path)
    for operation in operations.values():
        names = [name for name in operation["parameters"] if name not in common]
        del operation["parameters"]
        if names:
            operation["parameters"] = [parameter(name) for name in names]
    shared = [parameter(name, placed=name in placed) for name in sorted({*common, *placed, "pretty"})]
    return {**operations, "parameters": shared}


def _camel(text: str, *, first: bool = True) -> str:
    """What is no letter or digit goes, what follows it is large."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", text) if part]
    return "".join(
        part if number == 0 and not first else f"{part[:1].upper()}{part[1:]}" for number, part in enumerate(parts)
    )
