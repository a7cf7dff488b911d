"""Shell patterns: `*`, `?`, `[...]` (IEEE 1003.1, 2.13), for file names, `case` and `${name#pattern}`.

A pattern is text in which quoted characters are marked by a backslash.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Generator
from functools import lru_cache

from pocketkube.regex import BadPattern, perl

_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}


def quote(text: str) -> str:
    """`text` as a pattern that matches just itself."""
    return re.sub(r"([*?\[\]\\!^-])", r"\\\1", text)


def unquote(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL)


def is_pattern(pattern: str) -> bool:
    return bool(re.search(r"(?<!\\)(?:\\\\)*[*?\[]", pattern))


def translate(pattern: str, *, shortest: bool = False) -> str:
    """A regular expression for a pattern, in RE2's syntax; `*` takes as little as possible when `shortest`."""
    out = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            out.append(".*?" if shortest else ".*")
        elif character == "?":
            out.append(".")
        elif character == "[" and (found := _bracket(pattern, position)):
            text, position = found
            out.append(text)
        elif character == "\\" and position < len(pattern):
            out.append(re.escape(pattern[position]))
            position += 1
        else:
            out.append(re.escape(character))
    return "".join(out)


def _bracket(pattern: str, position: int) -> tuple[str, int] | None:
    """From behind `[`: its regular expression and where it ends; None when it is not closed."""
    out: list[str] = []
    negated = pattern[position : position + 1] in ("!", "^")
    position += negated
    start = position
    while position < len(pattern):
        character = pattern[position]
        if character == "]" and position > start:
            return f"[{'^' if negated else ''}{''.join(out)}]", position + 1
        named = re.compile(r"\[:([a-z]+):\]").match(pattern, position)
        if named and named.group(1) in _CLASSES:
            out.append(_CLASSES[named.group(1)])
            position = named.end()
            continue
        if character == "\\" and position + 1 < len(pattern):
            position += 1
            out.append("\\" + pattern[position])
        else:
            out.append("\\" + character if character in "[]^\\&|~" else character)
        position += 1
    return None


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Callable[[str], object | None]:
    """What a pattern finds in the whole of a text. Several `*` are RE2's: Python's `re` would go back and forth."""
    try:
        if pattern.count("*") > 1:
            return perl(f"(?s){translate(pattern)}").fullmatch
        return re.compile(translate(pattern), re.DOTALL).fullmatch
    except (BadPattern, re.error):
        return re.compile(re.escape(unquote(pattern))).fullmatch


def matches(pattern: str, text: str) -> bool:
    return compiled(pattern)(text) is not None


def trim(text: str, pattern: str, operator: str) -> str:
    """`${text#pattern}` and its kin: without the shortest or longest prefix or suffix that matches."""
    inner = translate(pattern, shortest=operator == "#")
    whole = {"#": rf"\A({inner})", "##": rf"\A({inner})", "%": rf"\A.*({inner})\z", "%%": rf"({inner})\z"}[operator]
    try:
        found = perl(f"(?s){whole}").search(text)
    except BadPattern:
        plain = unquote(pattern)
        return text.removeprefix(plain) if operator[0] == "#" else text.removesuffix(plain)
    if found is None:
        return text
    start, end = found.spans[1]
    return text[end:] if operator[0] == "#" else text[:start]


def expand(pattern: str, cwd: str, names: Callable[[str], list[str]], exists: Callable[[str], bool]) -> list[str]:
    """The paths that match, sorted; `names` lists a directory (empty where there is none)."""
    steps = expanding(pattern, cwd, names, exists)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return list(end.value)


def expanding(
    pattern: str, cwd: str, names: Callable[[str], list[str]], exists: Callable[[str], bool]
) -> Generator[None, None, list[str]]:
    """As `expand`, which it returns; a step is a directory, or a part of a large one."""
    absolute = pattern.startswith("/")
    found = ["/" if absolute else ""]
    parts = pattern.split("/")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if not part:
            if last:
                found = [f"{base}/" for base in found if not base.endswith("/")]
            continue
        following = []
        for base in found:
            yield
            folder = base if base.startswith("/") else posixpath.join(cwd, base)
            if not is_pattern(part):
                path = base + unquote(part) if base.endswith("/") or not base else f"{base}/{unquote(part)}"
                if exists(posixpath.join(cwd, path)):
                    following.append(path)
                continue
            for count, name in enumerate(names(folder)):
                if not count % 256:
                    yield
                if name.startswith(".") and not part.startswith((".", "\\.")):
                    continue
                if matches(part, name):
                    following.append(base + name if base.endswith("/") or not base else f"{base}/{name}")
        found = following
    return sorted(found)
