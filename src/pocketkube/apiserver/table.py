"""Server-side printing: Tables and PartialObjectMetadata.

Models apiserver/pkg/endpoints/handlers/response.go and the shape of pkg/printers/storage.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import CREATED


def columns(kind: Resource) -> list[Obj]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in kind.columns
    ]


def table(
    kind: Resource,
    items: Iterable[Obj],
    list_meta: Obj,
    *,
    version: str = "v1",
    include: str = "Metadata",
    definitions: bool = True,
) -> Obj:
    """A meta.k8s.io Table of `items`; `include` is None, Metadata or Object (what each row carries)."""
    rows = [row(kind, obj, version, include) for obj in kind.ordered(items)]
    has_printer = all(column.name != CREATED.name for column in kind.columns)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_meta,
        "columnDefinitions": columns(kind) if definitions else None,
        "rows": rows if rows or has_printer else None,  # as upstream's table of kinds that have none
    }


def row(kind: Resource, obj: Obj, version: str, include: str) -> Obj:
    carried: Obj | None = None
    if include == "Metadata":
        carried = partial(obj, version)
    elif include == "Object":
        carried = {"kind": kind.kind, "apiVersion": kind.api_version, **obj}
    found: Obj = {"cells": kind.row(obj)}
    if conditions := kind.row_conditions(obj):
        found["conditions"] = conditions
    return {**found, "object": carried}


def partial(obj: Obj, version: str = "v1") -> Obj:
    """PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}
