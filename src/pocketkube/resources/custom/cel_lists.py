"""Lists in CEL: what Kubernetes adds, and cel-go's library of lists.

Models apiserver/pkg/cel/library/lists.go and cel-go's ext/lists.go. What CEL calls by a member is one here, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cel_expr_python import cel

_T: Final = cel.Type
_ANY_LIST: Final = _T.List(_T.DYN)
_LONGEST: Final = 10_000
"""Elements of a list that lists.range makes: as many as a rule may loop over."""
Impl = Callable[..., Any]


def _index_of(held: list[Any], wanted: Any) -> int:
    return held.index(wanted) if wanted in held else -1


def _last_index_of(held: list[Any], wanted: Any) -> int:
    return len(held) - 1 - held[::-1].index(wanted) if wanted in held else -1


def _sum(held: list[Any]) -> Any:
    return sum(held[1:], held[0]) if held else 0


def _extreme(choose: Callable[[list[Any]], Any], name: str) -> Impl:
    def pick(held: list[Any]) -> Any:
        if not held:
            raise ValueError(f"{name} called on empty list")
        return choose(held)

    return pick


def _slice(held: list[Any], start: int, end: int) -> list[Any]:
    shown = f"cannot slice({start}, {end}),"
    if start < 0 or end < 0:
        raise ValueError(f"{shown} negative indexes not supported")
    if start > end:
        raise ValueError(f"{shown} start index must be less than or equal to end index")
    if end > len(held):
        raise ValueError(f"{shown} list is length {len(held)}")
    return held[start:end]


def _flatten(held: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise ValueError("level must be non-negative")
    found: list[Any] = []
    for one in held:
        found += _flatten(one, depth - 1) if isinstance(one, list) and depth else [one]
    return found


def _sort(held: list[Any]) -> list[Any]:
    if len({type(one) for one in held}) > 1:
        raise ValueError("list elements must have the same type")
    if held and not isinstance(held[0], str | int | float | bytes):
        raise ValueError("list elements must be comparable")
    return sorted(held)


def _distinct(held: list[Any]) -> list[Any]:
    found: list[Any] = []
    for one in held:
        if not any(one == other and isinstance(one, bool) == isinstance(other, bool) for other in found):
            found.append(one)
    return found


def _range(count: int) -> list[int]:
    if count > _LONGEST:
        raise ValueError(f"lists.range of more than {_LONGEST} elements is not supported by this cluster")
    return list(range(count))


LISTS: Final = (
    ("isSorted", True, (_ANY_LIST,), _T.BOOL, lambda held: held == sorted(held)),
    ("slice", True, (_ANY_LIST, _T.INT, _T.INT), _ANY_LIST, _slice),
    ("flatten", True, (_ANY_LIST,), _ANY_LIST, _flatten),
    ("flatten", True, (_ANY_LIST, _T.INT), _ANY_LIST, _flatten),
    ("sort", True, (_ANY_LIST,), _ANY_LIST, _sort),
    ("distinct", True, (_ANY_LIST,), _ANY_LIST, _distinct),
    ("reverse", True, (_ANY_LIST,), _ANY_LIST, lambda held: held[::-1]),
    ("lists.range", False, (_T.INT,), _T.List(_T.INT), _range),
    ("sum", True, (_ANY_LIST,), _T.DYN, _sum),
    ("min", True, (_ANY_LIST,), _T.DYN, _extreme(min, "min")),
    ("max", True, (_ANY_LIST,), _T.DYN, _extreme(max, "max")),
    *(
        (name, True, (_ANY_LIST, kind), _T.INT, impl)
        for name, impl in (("indexOf", _index_of), ("lastIndexOf", _last_index_of))
        for kind in (_T.INT, _T.STRING, _T.DOUBLE, _T.BOOL)
    ),
)
