"""`semver('1.2.3')` in CEL: versions as semver.org has them.

Models apiserver/pkg/cel/library/semverlib.go over blang/semver; its words for what is no version are shortened.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from cel_expr_python import cel

_T: Final = cel.Type
_OBJECT: Final = _T.Map(_T.STRING, _T.DYN)
KEY: Final = "__semver"
_NUMBER: Final = r"(0|[1-9]\d*)"
_LABEL: Final = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_LABEL}(?:\.{_LABEL})*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?", re.ASCII
)


def _semver(text: str, normalize: bool = False) -> dict[str, Any]:
    if normalize:
        text = _normalized(text)
    if _VERSION.fullmatch(text) is None:
        raise ValueError(f"semver parse error during conversion from string: {text}")
    return {KEY: text}


def _normalized(text: str) -> str:
    """Without a leading v and leading zeros, with three numbers."""
    text = text.removeprefix("v")
    numbers, rest = (re.match(r"[0-9.]*", text) or [""])[0], ""
    rest = text[len(numbers) :]
    parts = [part.lstrip("0") or "0" if part else part for part in numbers.split(".")]
    return ".".join([*parts, *["0"] * (3 - len(parts))]) + rest


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        return bool(_semver(text, normalize))
    except ValueError:
        return False


def _order(held: dict[str, Any]) -> tuple[Any, ...]:
    """Sorts by precedence: numbers, then no pre-release after any, whose labels are numbers before words."""
    found = _VERSION.fullmatch(str(held[KEY]))
    assert found is not None
    labels = str(found[4]).split(".") if found[4] else []
    ranked = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in labels)
    return int(found[1]), int(found[2]), int(found[3]), not labels, ranked


def compared(a: dict[str, Any], b: dict[str, Any]) -> int:
    left, right = _order(a), _order(b)
    return (left > right) - (left < right)


def _part(index: int) -> Callable[[dict[str, Any]], int]:
    return lambda held: int(_order(held)[index])


VERSIONS: Final = (
    ("semver", False, (_T.STRING,), _T.DYN, _semver),
    ("semver", False, (_T.STRING, _T.BOOL), _T.DYN, _semver),
    ("isSemver", False, (_T.STRING,), _T.BOOL, _is_semver),
    ("isSemver", False, (_T.STRING, _T.BOOL), _T.BOOL, _is_semver),
    *((name, True, (_OBJECT,), _T.INT, _part(index)) for index, name in enumerate(("major", "minor", "patch"))),
)
