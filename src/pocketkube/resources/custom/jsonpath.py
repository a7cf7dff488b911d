"""The JSONPath of printer columns, scale paths and selectable fields.

Models the part of client-go/util/jsonpath that definitions use: `.a.b`, `['a.b']`, `.a\\.b`, indices, `[*]`, filters
`[?(@.type=="Ready")]`. Left out: unions, slices with steps, recursive descent (refused when a definition is read: the
kind then shows its names only, as upstream does with paths it cannot parse).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

_STEP: Final = re.compile(
    r"""\.(?P<star>\*)
      | \.(?P<name>(?:\\.|[^.\[\\])+)
      | \[(?P<index>-?\d+)\]
      | \[(?P<all>\*)\]
      | \[(?P<quote>['"])(?P<quoted>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\]
      | \[\?\(\s*(?P<left>@[^=!<>]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<right>[^)]+?)\s*)?\)\]""",
    re.VERBOSE,
)
Step = Callable[[Any], Iterator[Any]]


class BadPath(ValueError):
    """The path is none this cluster can follow."""


@lru_cache(maxsize=512)
def parse(path: str) -> tuple[Step, ...]:
    """Raises BadPath."""
    if path == ".":
        return ()
    position, steps = 0, []
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            raise BadPath(f'unrecognized column definition "{path}"')
        steps.append(_step(found))
        position = found.end()
    return tuple(steps)


def find(obj: Any, path: str) -> list[Any]:
    """Every value the path leads to; missing keys lead nowhere."""
    values = [obj]
    for step in parse(path):
        values = [found for value in values for found in step(value)]
    return values


def _step(found: re.Match[str]) -> Step:
    if found["star"] or found["all"]:
        return lambda value: iter(value.values() if isinstance(value, dict) else value if _is_list(value) else ())
    if found["index"]:
        position = int(found["index"])
        return lambda value: iter(value[position : position + 1 or None] if _is_list(value) else ())
    if found["left"]:
        return _filter(found["left"], found["op"], found["right"])
    quoted = found["quoted"]
    name = re.sub(r"\\(.)", r"\1", found["name"] if quoted is None else quoted)
    return lambda value: iter((value[name],) if isinstance(value, dict) and name in value else ())


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _filter(left: str, operator: str | None, right: str | None) -> Step:
    path = left[1:]
    parse(path) if path else ()
    wanted: Any = None
    if right is not None:
        text = right.strip()
        try:
            wanted = text[1:-1] if text[:1] == "'" else json.loads(text)
        except ValueError:
            raise BadPath(f"{right} is no value to compare with") from None

    def matches(item: Any) -> bool:
        values = find(item, path) if path else [item]
        if operator is None:
            return bool(values)
        return bool(values) and _compare(values[0], operator, wanted)

    return lambda value: (item for item in (value if _is_list(value) else ()) if matches(item))


def _compare(value: Any, operator: str, wanted: Any) -> bool:
    if operator in ("==", "!="):
        return bool(value == wanted) == (operator == "==")
    try:
        return bool({"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[operator])
    except TypeError:
        return False
