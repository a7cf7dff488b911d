"""An applied configuration merged into an object, and fields taken out of it.

Models Merge and RemoveItems of structured-merge-diff (typed/merge.go, typed/remove.go).
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from pocketkube.fieldmanager import comparing, fieldsets
from pocketkube.fieldmanager.fieldsets import Set
from pocketkube.fieldmanager.shapes import Shape

_ABSENT: Final = object()


def merge(shape: Shape, live: Any, config: Any) -> Any:
    """What is in the configuration goes first; what is not stays as it is. Raises Unfit."""
    if config is _ABSENT:
        return live
    if live is _ABSENT or shape.is_value(config) or not (live or config):
        return config
    if shape.is_value(live):  # of another kind than the configuration's: only in what has no schema
        return config
    if shape.kind == "list":
        return _merge_lists(shape, live or [], config or [])
    names = [*(live or {}), *(name for name in config or {} if name not in (live or {}))]
    return {
        name: merge(shape.below(name)[1], (live or {}).get(name, _ABSENT), (config or {}).get(name, _ABSENT))
        for name in names
    }


def _merge_lists(shape: Shape, live: list[Any], config: list[Any]) -> list[Any]:
    """In the order of the configuration, with items of the live list only where they stood between those of both."""
    element = shape.element
    assert element is not None
    held = deque((comparing.element_of(shape, item), item) for item in live)
    wanted = deque((comparing.element_of(shape, item), item) for item in config)
    of_both = {name for name, _ in held} & {name for name, _ in wanted}
    shared = deque(name for name, _ in wanted if name in of_both)
    first: dict[str, Any] = {}
    for name, item in held:
        first[name] = _ABSENT if name in first else item  # of several with one key none is merged with
    result: list[Any] = []
    done: set[str] = set()

    def take_wanted() -> None:
        name, item = wanted.popleft()
        result.append(merge(element, first.get(name, _ABSENT), item))
        done.add(name)
        if shared and shared[0] == name:
            shared.popleft()

    while held or wanted:
        if held and wanted:
            if held[0][0] == wanted[0][0]:
                held.popleft()
                take_wanted()
                continue
            if held[0][0] in of_both and shared and shared[0] != held[0][0]:
                held.popleft()  # it comes where the configuration has it
                continue
        if held:
            if held[0][0] not in of_both:
                result.append(held.popleft()[1])
                continue
            if held[0][0] in done:
                held.popleft()
        if wanted:
            take_wanted()
    return result


def remove(shape: Shape, value: Any, fields: Set) -> Any:
    """The value without these fields, which are the children of its node. What gets empty by it stays, empty."""
    if not value or not fields or shape.is_value(value):
        return value
    if shape.kind == "list":
        element = shape.element
        assert element is not None
        left = []
        for item in value:
            node = fields.get(comparing.element_of(shape, item))
            if node is None:
                left.append(item)
            elif not fieldsets.is_member(node):
                left.append(remove(element, item, node))
        return left
    found = {}
    for name, item in value.items():
        node = fields.get(fieldsets.field(name))
        if node is None:
            found[name] = item
        elif not fieldsets.is_member(node):
            found[name] = remove(shape.below(name)[1], item, node)
    return found


def with_named(shape: Shape, fields: Set) -> Set:
    """The set with every field that the types name as a member, which else only lead to members."""
    found: Set = {}
    for name, node in fields.items():
        if name == fieldsets.SELF:
            continue
        below = shape.element if shape.kind == "list" else shape.of(name[2:])
        named = shape.kind != "list" and name[2:] in shape.fields
        children = with_named(below, node) if below is not None else node
        made = fieldsets.made(named or fieldsets.is_member(node), children)
        if made is not None:
            found[name] = made
    return found
