"""A definition of widgets, as it is stored when its kind is served."""

from __future__ import annotations

from typing import Any

from pocketkube import schema
from pocketkube.objects import Obj
from pocketkube.registry import Registry

WIDGETS = "widgets.example.com"


def definition(spec: Obj, *more: Obj, **version: Any) -> Obj:
    """Of version v1 with that schema of `spec`; `more` are further versions."""
    root = {"type": "object", "properties": {"spec": spec, "status": {"type": "object", "additionalProperties": True}}}
    first = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": root}, **version}
    return {
        "metadata": {"name": WIDGETS},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [first, *more],
        },
    }


def install(held: Registry, wanted: Obj) -> None:
    """Create a definition and establish it, as its controller does."""
    type_ = schema.for_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    held.create("customresourcedefinitions", schema.decode(wanted, type_)[0])

    def establish(obj: Obj) -> None:
        obj["status"]["acceptedNames"] = obj["spec"]["names"]
        obj["status"]["conditions"] = [{"type": "Established", "status": "True", "reason": "", "message": ""}]

    held.patch("customresourcedefinitions", "", wanted["metadata"]["name"], establish, subresource="status")


def widget(name: str, spec: Any, version: str = "v1") -> Obj:
    meta = {"name": name, "namespace": "ns"}
    return {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": meta, "spec": spec}
