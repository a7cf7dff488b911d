"""Pruning: what a structural schema does not know is dropped, and told.

Models apiextensions-apiserver/pkg/apiserver/schema/{pruning/algorithm.go,defaulting/prunenulls.go}.
"""

from __future__ import annotations

from typing import Any

from pocketkube.resources.custom.schemas import (
    EMBEDDED,
    META,
    PRESERVE,
    Schema,
    additional,
    as_root,
    field,
    items,
    properties,
)
from pocketkube.resources.custom.schemas import has_additional as has_values


def prune(value: Any, schema: Schema | None, *, root: bool = True) -> list[str]:
    """Drop unknown fields in place; the paths of what was dropped, sorted (`spec.list[0].x`)."""
    unknown: list[str] = []
    _prune(value, as_root(schema) if root else schema, "", unknown)
    return sorted(unknown)


def _prune(value: Any, schema: Schema | None, path: str, unknown: list[str]) -> None:
    if schema is not None and schema.get(PRESERVE):
        _keep(value, schema, path, unknown)
    elif isinstance(value, dict):
        for name in list(value):
            if schema is not None and schema.get(EMBEDDED) and name in META:
                continue
            inside = f"{path}.{name}" if path else name
            known = properties(schema).get(name)
            if known is not None:
                _prune(value[name], known, inside, unknown)
            elif schema is not None and has_values(schema):
                _prune(value[name], additional(schema), inside, unknown)
            else:
                if path or name not in META:
                    unknown.append(inside)
                del value[name]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _prune(item, items(schema), f"{path}[{index}]", unknown)


def _keep(value: Any, schema: Schema | None, path: str, unknown: list[str]) -> None:
    """Below `x-kubernetes-preserve-unknown-fields`: only what is specified is looked into."""
    if schema is None:
        return
    if isinstance(value, dict):
        for name, item in value.items():
            if schema.get(EMBEDDED) and name in META:
                continue
            inside = f"{path}.{name}" if path else name
            known = properties(schema).get(name)
            if known is not None:
                _prune(item, known, inside, unknown)
            elif has_values(schema):
                _prune(item, additional(schema), inside, unknown)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _keep(item, items(schema), f"{path}[{index}]", unknown)


def prune_nulls(value: Any, schema: Schema | None) -> None:
    """Drop, in place, nulls that may be neither null nor defaulted."""
    if isinstance(value, dict):
        for name in list(value):
            inside = field(schema, name)
            if value[name] is None and inside is not None and not inside.get("nullable") and "default" not in inside:
                del value[name]
            else:
                prune_nulls(value[name], inside)
    elif isinstance(value, list):
        for item in value:
            prune_nulls(item, items(schema))
