"""Defaults of a structural schema, on write and on read.

Models apiextensions-apiserver/pkg/apiserver/schema/defaulting/algorithm.go.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.resources.custom.schemas import Schema, additional, items, properties


def default(value: Any, schema: Schema | None) -> None:
    """Fill in, in place, what is missing or null without being nullable."""
    if schema is None:
        return
    if isinstance(value, dict):
        known = properties(schema)
        for name, inside in known.items():
            if inside.get("default") is not None and (name not in value or _is_bad_null(value[name], inside)):
                value[name] = objects.copy(inside["default"])
        values = additional(schema)
        for name in value:
            if name in known:
                default(value[name], known[name])
            elif values is not None:
                if _is_bad_null(value[name], values):
                    value[name] = objects.copy(values.get("default"))
                default(value[name], values)
    elif isinstance(value, list):
        inner = items(schema)
        for index, item in enumerate(value):
            if _is_bad_null(item, inner):
                value[index] = objects.copy((inner or {}).get("default"))
            default(value[index], inner)


def _is_bad_null(value: Any, schema: Schema | None) -> bool:
    return value is None and schema is not None and not schema.get("nullable")
