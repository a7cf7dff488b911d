"""Uniqueness in lists: `x-kubernetes-list-type` set and map.

Models apiextensions-apiserver/pkg/apiserver/schema/listtype/validation.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.resources.custom.schemas import LIST_KEYS, LIST_TYPE, Schema, additional, items, properties


def duplicates(value: Any, schema: Schema | None, path: str = "") -> Iterator[Cause]:
    """Field errors of items that occur twice, here and further inside."""
    if schema is None:
        return
    if isinstance(value, dict):
        known, values = properties(schema), additional(schema)
        for name, item in value.items():
            if values is not None:
                yield from duplicates(item, values, f"{path}[{name}]")
            if name in known:
                yield from duplicates(item, known[name], f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        if schema.get(LIST_TYPE) == "set":
            yield from (fields.duplicate(f"{path}[{i}]", value[i]) for i in _repeated(value))
        elif schema.get(LIST_TYPE) == "map":
            yield from _map_duplicates(value, schema.get(LIST_KEYS) or [], path)
        for index, item in enumerate(value):
            yield from duplicates(item, items(schema), f"{path}[{index}]")


def _map_duplicates(value: list[Any], keys: list[str], path: str) -> Iterator[Cause]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            yield fields.invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")
            return
    found = [{key: item[key] for key in keys if key in item} if item else {} for item in value]
    yield from (fields.duplicate(f"{path}[{i}]", found[i]) for i in _repeated(found))


def _repeated(value: list[Any]) -> list[int]:
    """Where each repeated item is met for the second time."""
    seen: dict[str, int] = {}
    found = []
    for index, item in enumerate(value):
        text = json.dumps(item, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            found.append(index)
    return found
