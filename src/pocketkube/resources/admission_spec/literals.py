"""`Object{spec: Object.spec{replicas: 3}}`: literals of the types that mutations are written with, made maps.

The CEL library takes no types from outside. So a literal becomes a map that carries its type's name under `TYPE`, and
`unwrapped` checks the names and takes them off. Models apiserver/pkg/cel/mutation: any field of any name, and
JSONPatch{op, path, from, value}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

TYPE: Final = "__type__"
JSON_PATCH: Final = "JSONPatch"
_LONGEST: Final = 100_000
"""Characters; the library refuses longer expressions."""
_TOKEN: Final = re.compile(
    r"""(?P<comment>//[^\n]*)
      | (?P<string>[rRbB]{0,2}(?:\"\"\"(?:\\.|.)*?\"\"\"|'''(?:\\.|.)*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
      | (?P<made>(?<![\w.])(?:Object(?:\s*\.\s*[A-Za-z_]\w*|\s*\.\s*`[^`]*`)*|JSONPatch)\s*\{)
      | (?P<name>[A-Za-z_]\w*|`[^`]*`)
      | (?P<mark>[^\sA-Za-z_])""",
    re.VERBOSE | re.DOTALL,
)


class Rewritten(NamedTuple):
    text: str
    types: frozenset[str]
    """The literals that there are: Object, Object.spec, JSONPatch."""
    origins: tuple[int, ...]
    """For every character of the text the place in what was written."""

    def original(self, offset: int) -> int:
        return self.origins[min(offset, len(self.origins) - 1)] if self.origins else 0


def rewrite(text: str) -> Rewritten:
    """An expression without literals of those types; the same text where there are none."""
    if len(text) > _LONGEST or ("Object" not in text and JSON_PATCH not in text):
        return Rewritten(text, frozenset(), tuple(range(len(text))))
    made: list[str] = []
    origins: list[int] = []
    types: set[str] = set()
    for piece, at, verbatim in _pieces(text, types):
        made.append(piece)
        origins.extend(range(at, at + len(piece)) if verbatim else [at] * len(piece))
    return Rewritten("".join(made), frozenset(types), tuple(origins))


def _pieces(text: str, types: set[str]) -> Iterator[tuple[str, int, bool]]:
    """(new text, where it was, whether it is what was there)."""
    open_: list[bool] = []
    """Of every bracket that is open, whether it is of such a literal."""
    last, expects_field = 0, False
    for found in _TOKEN.finditer(text):
        start, end = found.span()
        yield text[last:start], last, True
        last = end
        token = found.group()
        if found["made"]:
            name = re.sub(r"[\s`{]", "", token)
            types.add(name)
            open_.append(True)
            empty = re.match(r"\s*\}", text[end:])
            yield f"dyn({{'{TYPE}': '{name}'{'' if empty else ', '}", start, False
            expects_field = True
            continue
        if found["comment"]:
            yield token, start, True
            continue
        if found["name"] and expects_field and open_ and open_[-1]:
            yield f"'{token.strip('`')}'", start, False
            expects_field = False
            continue
        if token in ("(", "[", "{"):
            open_.append(False)
        elif token in (")", "]", "}") and open_ and open_.pop():
            yield "})", start, False
            continue
        expects_field = (expects_field and token == "?") or (token == "," and bool(open_) and open_[-1])
        yield token, start, True
    yield text[last:], last, True


class Mismatch(Exception):
    """A literal whose type is not the one of the field it is in."""


def unwrapped(value: Any, path: tuple[str, ...] | None = ("Object",)) -> Any:
    """A value without the names of types. Raises Mismatch where they are not those of the fields they are in; with a
    path of None they may be any."""
    if isinstance(value, list):
        return [unwrapped(one, path) for one in value]
    if not isinstance(value, dict):
        return value
    named = value.get(TYPE)
    if named is None:
        return {str(key): unwrapped(one, path) for key, one in value.items()}
    if path is not None and str(named) != ".".join(path):
        text = f'unexpected type name "{named}", expected "{".".join(path)}", '
        raise Mismatch(text + "which matches field name path from root Object type")
    below = {str(key): (*path, str(key)) if path is not None else None for key in value}
    return {str(key): unwrapped(one, below[str(key)]) for key, one in value.items() if str(key) != TYPE}
