"""Which old value belongs to which new one, so that what did not change is not judged anew (ratcheting).

Models apiserver/pkg/cel/common/{equality,maplist}.go: fields by name, items of `x-kubernetes-list-type: map` by their
keys, other items not at all.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from pocketkube.resources.custom.schemas import LIST_KEYS, LIST_TYPE, Schema, field, items


class Correlated:
    """A new value, the old one in its place, and their schema."""

    def __init__(self, new: Any, old: Any, schema: Schema) -> None:
        self.new = new
        self.old = old
        self.schema = schema

    @cached_property
    def unchanged(self) -> bool:
        return same(self.new, self.old)

    @cached_property
    def _old_items(self) -> ListMap:
        return ListMap(self.schema, self.old)

    def key(self, name: str) -> Correlated | None:
        if not isinstance(self.new, dict) or not isinstance(self.old, dict):
            return None
        inside = field(self.schema, name)
        if inside is None or name not in self.new or name not in self.old:
            return None
        return Correlated(self.new[name], self.old[name], inside)

    def index(self, position: int) -> Correlated | None:
        inside = items(self.schema)
        if inside is None or not isinstance(self.new, list) or not isinstance(self.old, list):
            return None
        old = self._old_items.get(self.new[position])
        return None if old is None else Correlated(self.new[position], old, inside)


class ListMap:
    """The items of a list of type map by their keys; empty for other lists."""

    def __init__(self, schema: Schema, held: Any) -> None:
        self._keys = list(schema.get(LIST_KEYS) or ()) if schema.get(LIST_TYPE) == "map" else []
        self._found: dict[str, Any] = {}
        for item in held if self._keys and isinstance(held, list) else ():
            if isinstance(item, dict):
                self._found.setdefault(self._key(item), item)

    def get(self, item: Any) -> Any:
        return self._found.get(self._key(item)) if isinstance(item, dict) else None

    def _key(self, item: dict[str, Any]) -> str:
        return json.dumps([item.get(key) for key in self._keys])


def aligned(old: Any, new: Any, schema: Schema | None) -> Any:
    """The old value with its sets and maps in the order of the new one's, for the order of such lists means nothing."""
    if schema is None:
        return old
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: aligned(item, new.get(name), field(schema, name)) for name, item in old.items()}
    kind = schema.get(LIST_TYPE)
    if not isinstance(old, list) or not isinstance(new, list) or kind not in ("set", "map"):
        return old
    if kind == "set":
        return sorted(old, key=lambda item: new.index(item) if item in new else len(new))
    places = ListMap(schema, new)
    order = {id(item): index for index, item in enumerate(new)}
    met = [(item, places.get(item)) for item in old]
    met.sort(key=lambda pair: order.get(id(pair[1]), len(new)))
    return [aligned(item, there, items(schema)) for item, there in met]


def same(new: Any, old: Any) -> bool:
    """Deep equality of JSON; unlike Python's, true is not 1."""
    if isinstance(new, dict):
        return isinstance(old, dict) and new.keys() == old.keys() and all(same(new[k], old[k]) for k in new)
    if isinstance(new, list):
        return isinstance(old, list) and len(new) == len(old) and all(map(same, new, old))
    return type(new) is type(old) and bool(new == old)
