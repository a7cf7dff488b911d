"""Paths into answers and the `until` conditions of `wait` steps.

A path is `.a.b[0].c`; `[k=v]` keeps the items of a list whose (dotted) key k is v; `[*]` flattens. Conditions are
`code == 404`, `count(path) >= n` and `path op value` with the operators `== != >= <= ~`.

What follows `[k=v]` or `[*]` is looked for in each of the items kept, an index too: `[k=v][0]` is the first of each of
them that is a list. Evidence: dns-08-outage waits until `.items[...][0].endpoints` has no entries, and was through with
DNS pods, and so endpoints, still there.
"""

from __future__ import annotations

import re
from typing import Any

_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\*)\]|\[([^=\]]+)=([^\]]*)\]")
_CONDITION = re.compile(
    r"^(code|count\((?P<counted>.+)\)|(?P<path>\..+?))\s+(?P<op>==|!=|>=|<=|~)(?:\s+(?P<value>.*))?$"
)


class Many(list[Any]):
    """The several values a path with `[*]` or `[k=v]` leads to."""


def find(body: Any, path: str) -> Any:
    """What `path` leads to in `body`: a value, a Many, or None when there is nothing. ValueError for a bad path."""
    value, end = body, 0
    for part in _PART.finditer(path):
        if part.start() != end:
            break
        value, end = _follow(value, part), part.end()
    if end != len(path):
        raise ValueError(f"not a path: {path!r}")
    return value


def _follow(value: Any, part: re.Match[str]) -> Any:
    name, index, star, key, wanted = part.groups()
    if name is not None:
        if isinstance(value, Many):
            return Many(item[name] for item in value if isinstance(item, dict) and name in item)
        return value.get(name) if isinstance(value, dict) else None
    if index is not None:
        if isinstance(value, Many):
            return Many(item[int(index)] for item in value if isinstance(item, list) and int(index) < len(item))
        return value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
    items = _items(value)
    if star:
        return Many(items)
    return Many(item for item in items if _text(find(item, f".{key}")) == wanted)


def _items(value: Any) -> list[Any]:
    if isinstance(value, Many):
        return [inner for item in value for inner in (item if isinstance(item, list) else [item])]
    return value if isinstance(value, list) else []


def count(value: Any) -> int:
    """How many things `value` holds; a missing or null list holds none."""
    if value is None:
        return 0
    if isinstance(value, list):
        return len(_items(value))
    return len(value) if isinstance(value, dict) else 1


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def holds(condition: str, code: int, body: Any) -> bool:
    """Whether an answer with this HTTP status and body meets `condition`. ValueError when it cannot be read."""
    found = _CONDITION.match(condition)
    if not found:
        raise ValueError(f"not a condition: {condition!r}")
    op, wanted = found["op"], found["value"] or ""
    if found["counted"]:
        return _compare(count(find(body, found["counted"])), op, wanted)
    if not found["path"]:
        return _compare(code, op, wanted)
    value = find(body, found["path"])
    if isinstance(value, Many):
        if op == "!=":
            return all(_compare(item, op, wanted) for item in value)
        return any(_compare(item, op, wanted) for item in value)
    return _compare(value, op, wanted)


def _compare(value: Any, op: str, wanted: str) -> bool:
    if op == "~":
        return value is not None and re.search(wanted, _text(value)) is not None
    if op in (">=", "<="):
        try:
            number, limit = float(_text(value)), float(wanted)
        except ValueError:
            return False
        return number >= limit if op == ">=" else number <= limit
    return (_text(value) == wanted) == (op == "==")
