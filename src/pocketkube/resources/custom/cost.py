"""What evaluating a rule may take at most: time and memory, for the values it is about to be given.

The cluster is one process with one event loop, and the library looks at nothing but loops (10,000 iterations a rule):
`self.replace('', self).replace('', self)` would take all of the machine's memory. So the expression is followed before
it is evaluated, with sizes in place of values. Stands for the cost limits of apiserver/pkg/apis/cel/config.go, which
count while a rule runs; the figures are not upstream's. Left out: the estimate for a definition, which has no values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pocketkube.resources.custom.cel_types import Expression, Node

PER_RULE: Final = 20_000_000
"""Units of one evaluation; a unit is about 50 ns."""
PER_OBJECT: Final = 40_000_000
"""Of all rules of an object together."""
_EVALUATION: Final = 400
_ITERATIONS: Final = 10_000
"""After which the library itself ends a rule."""
_CONVERSION: Final = 60
"""An element that goes to a function written in Python, and back."""
_FREE: Final = frozenset(("_[_]", "_[?_]", "size", "_&&_", "_||_", "!_", "_?_:_", "@not_strictly_false", "dyn", "type"))
_ANSWERS: Final = frozenset(
    ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_in_", "contains", "startsWith", "endsWith", "matches")
)
"""Functions whose result is small, but which look at all of their arguments."""
_OWN: Final = frozenset(
    (
        *("isSorted", "sum", "min", "max", "indexOf", "lastIndexOf", "find", "findAll", "url", "isURL", "quantity"),
        *("slice", "flatten", "sort", "reverse", "semver", "isSemver"),
    )
)
_SQUARE: Final = frozenset(("sets.contains", "sets.equivalent", "sets.intersects", "distinct"))
_EMPTY: Final = Node({})


class TooExpensive(Exception):
    """A rule would take too much."""


class Size(NamedTuple):
    longest: int
    """Characters of the longest string in a value, or elements of the longest list."""
    whole: int
    """Characters and elements of the value altogether."""


_SMALL: Final = Size(32, 32)


def size(value: Any) -> Size:
    longest = whole = 1
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += one.values()
            pending += one.keys()
        elif isinstance(one, list):
            pending += one
        length = len(one) if isinstance(one, str | bytes | list | dict) else 1
        longest = max(longest, length)
        whole += length + 1
    return Size(longest, whole)


@dataclass
class Meter:
    """What the rules of one object have taken."""

    spent: int = 0
    ended: bool = False
    """It was too much: no further rules are looked at."""

    def charge(self, expression: Expression, sizes: Mapping[str, Size]) -> None:
        """Before an evaluation. Raises TooExpensive."""
        walk = _Walk()
        walk.spend(_EVALUATION + 10 * sum(found.whole for found in sizes.values()))
        walk.result(expression.root, dict(sizes))
        self.spent += walk.spent


class _Walk:
    """Follows one expression; `_times` is how often what is looked at may be evaluated."""

    def __init__(self) -> None:
        self.spent = 0
        self._times = 1

    def spend(self, units: int) -> None:
        self.spent += units * self._times
        if self.spent > PER_RULE:
            raise TooExpensive

    def result(self, node: Node, scope: dict[str, Size]) -> Size:
        if (constant := node.one(3)) is not None:
            length = max((len(one[0]) for one in constant.kids.values() if isinstance(one[0], bytes)), default=1)
            return Size(length, length)
        if (name := node.one(4)) is not None:
            return scope.get(name.text(1), _SMALL)
        if (select := node.one(5)) is not None:
            return self.result(select.one(1) or _EMPTY, scope)
        if (call := node.one(6)) is not None:
            return self._call(call, scope)
        if (made := node.one(7)) is not None:
            return _together([self.result(element, scope) for element in made.many(1)])
        if (made := node.one(8)) is not None:
            entries = [part for entry in made.many(2) for number in (3, 4) for part in entry.many(number)]
            return _together([self.result(part, scope) for part in entries])
        if (loop := node.one(9)) is not None:
            return self._loop(loop, scope)
        return _SMALL

    def _call(self, call: Node, scope: dict[str, Size]) -> Size:
        name = call.text(2)
        target = call.one(1)
        given = [self.result(one, scope) for one in ([target] if target is not None else []) + call.many(3)]
        read = sum(one.whole for one in given)
        if name in _FREE:
            return max(given, default=_SMALL)
        if name in _ANSWERS:
            # a pattern is compiled every time, which takes longer than looking at a text
            self.spend(read + (50 * given[-1].whole if name == "matches" else 0))
            return _SMALL
        if name in _SQUARE:
            self.spend(_CONVERSION * read + given[0].whole * given[-1].whole)
            return given[0] if name == "distinct" else _SMALL
        if name == "lists.range":
            self.spend(_ITERATIONS)
            return Size(_ITERATIONS, _ITERATIONS)
        if name in _OWN:
            self.spend(_CONVERSION * read)
        made = _made(name, given)
        self.spend(made.whole)
        return made

    def _loop(self, loop: Node, scope: dict[str, Size]) -> Size:
        over = self.result(loop.one(2) or _EMPTY, scope)
        count = max(1, min(over.longest, _ITERATIONS)) if loop.text(1) != "#unused" else 1
        gathered = self.result(loop.one(4) or _EMPTY, scope)
        item = Size(over.longest, over.whole // count + 1)
        inner = {**scope, loop.text(1): item, loop.text(8): item, loop.text(3): gathered}
        before = self._times
        self._times = min(before * count, _ITERATIONS)
        self.result(loop.one(5) or _EMPTY, inner)
        step = self.result(loop.one(6) or _EMPTY, inner)
        self._times = before
        total = Size(max(step.longest, gathered.longest, count), gathered.whole + step.whole * count)
        return self.result(loop.one(7) or _EMPTY, {**scope, loop.text(3): total})


def _together(parts: list[Size]) -> Size:
    return Size(max([len(parts), *(part.longest for part in parts)]), len(parts) + sum(part.whole for part in parts))


def _made(name: str, given: list[Size]) -> Size:
    """The most that a function may make of its arguments."""
    whole = sum(one.whole for one in given)
    longest = sum(one.longest for one in given) + 32
    if name == "replace" and len(given) > 2:
        longest = (given[0].longest + 1) * (given[2].longest + 1)
        return Size(longest, longest)
    if name == "join":
        separator = given[1].longest if len(given) > 1 else 0
        longest = given[0].whole + given[0].longest * separator
        return Size(longest, longest)
    if name in ("format", "strings.quote", "findAll", "split"):
        return Size(2 * whole + 512 * given[0].longest, 2 * whole + 512 * given[0].longest)
    return Size(longest, whole + 32)
