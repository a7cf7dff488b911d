"""What a write has changed, as sets of fields, and the fields of a configuration.

Models Compare and ToFieldSet of structured-merge-diff (typed/compare.go, typed/tofieldset.go): a field that holds
fields is a member itself only where it comes or goes as a whole; of an applied configuration only where it is empty or
its name is not the type's.
"""

from __future__ import annotations

from typing import Any, Final

from pocketkube.fieldmanager import fieldsets
from pocketkube.fieldmanager.fieldsets import LEAF, SELF, Set
from pocketkube.fieldmanager.shapes import Shape, Unfit

_ABSENT: Final = object()
Change = tuple[Set, Set]
"""(added or changed, removed), both roots."""


def compare(shape: Shape, old: Any, new: Any, ignored: Set = LEAF) -> Change:
    """Both are objects of the shape, as JSON; without what is `ignored`. Raises Unfit where one is not."""
    changed, removed = _maps(shape, old, new)
    return (fieldsets.without(changed, ignored), fieldsets.without(removed, ignored)) if ignored else (changed, removed)


def _maps(shape: Shape, old: Any, new: Any) -> Change:
    if not isinstance(old, dict) or not isinstance(new, dict):
        raise Unfit("no map")
    changed: Set = {}
    removed: Set = {}
    for name, item in new.items():
        before = old.get(name, _ABSENT)
        if before is item or before == item:
            continue
        label, below = shape.below(name)
        if before is _ABSENT:
            changed[label] = whole(below, item)
        else:
            _put(label, _values(below, before, item), changed, removed)
    for name, item in old.items():
        if name not in new:
            label, below = shape.below(name)
            removed[label] = whole(below, item)
    return changed, removed


def _lists(shape: Shape, old: list[Any], new: list[Any]) -> Change:
    before, after = items(shape, old), items(shape, new)
    below = shape.element or shape
    changed = {label: whole(below, item) for label, item in after.items() if label not in before}
    removed = {label: whole(below, item) for label, item in before.items() if label not in after}
    for label, item in after.items():
        if label in before and before[label] != item:
            _put(label, _values(below, before[label], item), changed, removed)
    return changed, removed


def _put(label: str, change: Change | None, changed: Set, removed: Set) -> None:
    if change is None:
        changed[label] = LEAF
        return
    came, went = change
    if came:
        changed[label] = came
    if went:
        removed[label] = went


def _values(shape: Shape, old: Any, new: Any) -> Change | None:
    """Of two that differ: what has changed below, None for the whole value."""
    if shape.is_value(old) or shape.is_value(new) or not (old or new):
        return None
    if isinstance(old, _Several) or isinstance(new, _Several):
        return None
    return _lists(shape, old or [], new or []) if shape.kind == "list" else _maps(shape, old or {}, new or {})


def whole(shape: Shape, value: Any) -> Set:
    """The node of a value that comes or goes as a whole."""
    if not value or not isinstance(value, dict | list) or shape.is_value(value) or isinstance(value, _Several):
        return LEAF
    node = {SELF: LEAF}
    if shape.kind == "list":
        below = shape.element or shape
        for label, item in items(shape, value).items():
            node[label] = whole(below, item)
        return node
    if not isinstance(value, dict):
        raise Unfit("no map")
    for name, item in value.items():
        label, below = shape.below(name)
        node[label] = whole(below, item) if isinstance(item, dict | list) else LEAF
    return node


def items(shape: Shape, held: Any) -> dict[str, Any]:
    """The items of a list by their path elements. Of several with one key the list of them, which is compared as one
    value."""
    if not isinstance(held, list | None):
        raise Unfit("no list")
    found: dict[str, Any] = {}
    for item in held or ():
        name = element_of(shape, item)
        if name in found:
            earlier = found[name]
            found[name] = _Several([*earlier, item] if isinstance(earlier, _Several) else [earlier, item])
        else:
            found[name] = item
    return found


class _Several(list[Any]):
    """Items with one key."""


class Unkeyed(Unfit):
    """An item that has no key; the message is structured-merge-diff's."""


def element_of(shape: Shape, item: Any) -> str:
    """The path element of a list's item. Raises Unkeyed."""
    if not shape.keys:
        if item is None:
            raise Unkeyed("associative list without keys has an element that's an explicit null")
        if isinstance(item, dict):
            raise Unkeyed("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise Unkeyed("not supported: associative list with lists as elements")
        return fieldsets.valued(item)
    if item is None:
        raise Unkeyed("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise Unkeyed("associative list with keys may not have non-map elements")
    values = {}
    for key in shape.keys:
        if key in item:
            values[key] = item[key]
        elif key in shape.defaults:
            values[key] = shape.defaults[key]
    if not values:
        named = " ".join(f'"{key}"' for key in shape.given_keys)
        raise Unkeyed(
            f"associative list with keys has an element that omits all key fields [{named}] "
            "(and doesn't have default values for any key fields)"
        )
    return fieldsets.keyed(values)


def fields_of(shape: Shape, config: Any) -> Set:
    """The fields that a configuration sets: a root. Raises Unfit."""
    return _owned(shape, config)


def _owned(shape: Shape, held: Any) -> Set:
    found = {}
    if shape.kind == "list":
        below = shape.element or shape
        for label, item in items(shape, held).items():
            found[label] = LEAF if isinstance(item, _Several) else fieldsets.made(True, _owned_below(below, item))
    else:
        if not isinstance(held, dict):
            raise Unfit("no map")
        for name, item in held.items():
            label, below = shape.below(name)
            leaf = below.is_value(item) or item is None or item == {} or name not in shape.fields
            found[label] = fieldsets.made(leaf, _owned_below(below, item))
    return {label: node for label, node in found.items() if node is not None}


def _owned_below(shape: Shape, value: Any) -> Set:
    return {} if not value or shape.is_value(value) else _owned(shape, value)
