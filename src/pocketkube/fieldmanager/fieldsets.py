"""Sets of fields as FieldsV1 writes them: `{"f:spec": {"f:ports": {'k:{"port":80}': {".": {}, "f:name": {}}}}}`.

A node is a member when it is empty or holds ".", and else only on the way to members. The root is never a member, so
that {} is the empty set there. Sets are shared and never changed in place. Models fieldpath.Set of
structured-merge-diff.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

Set = dict[str, Any]
SELF = "."
LEAF: Set = {}
"""A member without fields below it."""


def field(name: str) -> str:
    return f"f:{name}"


def keyed(values: dict[str, Any]) -> str:
    """An item of a list by its keys, which come in the order of their names."""
    return f"k:{quoted(values)}"


def valued(value: Any) -> str:
    """An item of a set."""
    return f"v:{quoted(value)}"


def is_member(node: Set) -> bool:
    return not node or SELF in node


def made(member: bool, children: Set) -> Set | None:
    """A node, None for one that stands for nothing."""
    if not children:
        return LEAF if member else None
    return {SELF: LEAF, **children} if member else children


def union(one: Set, other: Set) -> Set:
    """Of roots."""
    return _union_children(one, other)


def _union_children(one: Set, other: Set) -> Set:
    found = {**one, **{name: _union(one[name], node) if name in one else node for name, node in other.items()}}
    found.pop(SELF, None)
    return found


def _union(one: Set, other: Set) -> Set:
    return made(is_member(one) or is_member(other), _union_children(one, other)) or LEAF


def difference(one: Set, other: Set) -> Set:
    """Of roots: the members of one that are not members of the other."""
    return _difference(one, other, root=True) or {}


def _difference(one: Set, other: Set, *, root: bool = False) -> Set | None:
    children: Set = {}
    same = True
    for name, node in one.items():
        if name == SELF:
            continue
        taken = other.get(name)
        left = node if taken is None else _difference(node, taken)
        same = same and left is node
        if left is not None:
            children[name] = left
    member = not root and is_member(one)
    stays = member and not is_member(other)
    return one if same and stays == member else made(stays, children)


def intersection(one: Set, other: Set) -> Set:
    """Of roots: what is a member of both."""
    return _intersection(one, other, root=True) or {}


def _intersection(one: Set, other: Set, *, root: bool = False) -> Set | None:
    children = {
        name: both
        for name, node in one.items()
        if name != SELF and name in other and (both := _intersection(node, other[name])) is not None
    }
    return made(not root and is_member(one) and is_member(other), children)


def without(found: Set, ignored: Set) -> Set:
    """Of roots: without what is a member of the other, and all below it."""
    result = {}
    for name, node in found.items():
        if name not in ignored:
            result[name] = node
        elif not is_member(ignored[name]):
            left = made(is_member(node), without({k: v for k, v in node.items() if k != SELF}, ignored[name]))
            if left is not None:
                result[name] = left
    return result


def in_order(found: Set) -> Set:
    """Written as upstream writes it: names in their order, "." first."""
    return {name: in_order(found[name]) for name in sorted(found)} if found else LEAF


def paths(found: Set, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The members below a node: at each level first those that are members there, each in the order of their names."""
    names = sorted(found.keys() - {SELF})
    for name in names:
        if is_member(found[name]):
            yield (*path, name)
    for name in names:
        yield from paths(found[name], (*path, name))


def shown(path: tuple[str, ...]) -> str:
    """A path as messages have it: `.spec.ports[port=80,protocol="TCP"].name`."""
    return "".join(map(element_text, path))


def element_text(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        return f"[{','.join(f'{name}={quoted(value)}' for name, value in orjson.loads(rest).items())}]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def quoted(value: Any) -> str:
    """As JSON, which is how Go quotes texts, too."""
    return orjson.dumps(value).decode()
