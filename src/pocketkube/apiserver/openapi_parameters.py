"""Parameters of OpenAPI's operations: which verb takes which, and their types."""

from __future__ import annotations

from functools import cache
from typing import Final

from pocketkube.objects import Obj

_WRITING: Final = ("dryRun", "fieldManager", "fieldValidation")
_DELETING: Final = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_LISTING: Final = (
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
)
OF_VERBS: Final = {
    "list": ("allowWatchBookmarks", *_LISTING, "watch"),
    "deletecollection": (*_LISTING, *_DELETING),
    "delete": _DELETING,
    "create": _WRITING,
    "update": _WRITING,
    "patch": (*_WRITING, "force"),
}
_TYPES: Final = {
    "integer": ("gracePeriodSeconds", "limit", "limitBytes", "ports", "sinceSeconds", "tailLines", "timeoutSeconds"),
    "boolean": (
        "allowWatchBookmarks",
        "follow",
        "force",
        "insecureSkipTLSVerifyBackend",
        "orphanDependents",
        "previous",
        "sendInitialEvents",
        "stderr",
        "stdin",
        "stdout",
        "timestamps",
        "tty",
        "watch",
    ),
}


@cache
def parameter(name: str, *, placed: bool = False) -> Obj:
    """In the query, or `placed` in the path."""
    type_ = next((one for one, names in _TYPES.items() if name in names), "string")
    schema = {"type": type_, "uniqueItems": True}
    if placed:
        return {"name": name, "in": "path", "required": True, "schema": schema}
    return {"name": name, "in": "query", "schema": schema}
