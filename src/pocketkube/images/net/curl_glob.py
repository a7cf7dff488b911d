"""URL globbing: `{a,b}`, `[1-3]` and `[a-c:2]` in a URL, and `#1` in an output's name. At most 10,000 URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, product

_SET = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"\[(?:(\d{1,18})-(\d{1,18})|([a-z])-([a-z])|([A-Z])-([A-Z]))(?::(\d{1,18}))?\]")
_ADDRESS = re.compile(r"\[([0-9A-Fa-f:.]*)(?:%[^\]]*)?\]")
MOST = 10_000


class BadGlob(Exception):
    """curl's text, the URL and a mark below what is wrong."""

    def __init__(self, what: str, url: str, position: int) -> None:
        super().__init__(f"{what} in URL position {position}:\n{url}\n{' ' * (position - 1)}^")


def expand(url: str) -> Iterator[tuple[str, list[str]]]:
    """Every combination in order: the URL and what each pattern of it stands for. Raises BadGlob."""
    literals, choices, at, literal = list[str](), list[list[str]](), 0, ""
    while at < len(url):
        letter = url[at]
        address = _ADDRESS.match(url, at)
        if letter == "\\" and url[at + 1 : at + 2] in ("{", "}", "[", "]"):
            literal, at = literal + url[at + 1], at + 2
        elif letter in "}]":
            raise BadGlob("unmatched close brace/bracket", url, at + 1)
        elif letter not in "{[":
            literal, at = literal + letter, at + 1
        elif (address and ":" in address[1]) or url.startswith("[]", at):
            end = address.end() if address else at + 2
            literal, at = literal + url[at:end], end
        else:
            found = (_SET if letter == "{" else _RANGE).match(url, at)
            words = _words(found) if found else []
            if not found or not words:
                raise _bad(url, at)
            literals.append(literal)
            choices.append(words)
            literal, at = "", found.end()
    for chosen in islice(product(*choices), MOST):
        yield "".join(map("".join, zip(literals, chosen, strict=True))) + literal, list(chosen)


def _words(found: re.Match[str]) -> list[str]:
    if found[0][0] == "{":
        return found[1].split(",")
    low, high, *letters, step = found.groups()
    step = int(step or 1)
    if not step:
        return []
    if low is not None:
        width = len(low) if low.startswith("0") else 0
        return [f"{n:0{width}d}" for n in range(int(low), min(int(high), int(low) + MOST * step) + 1, step)]
    first, last = (letter for letter in letters if letter)
    return [chr(n) for n in range(ord(first), ord(last) + 1, step)]


def _bad(url: str, at: int) -> BadGlob:
    end = url.find("]" if url[at] == "[" else "}", at)
    if url[at] == "{":
        return BadGlob("unmatched brace" if end < 0 else "nested brace", url, at + 1)
    return BadGlob("bad range", url, len(url) + 1 if end < 0 else end + 2)


def named(pattern: str, chosen: list[str]) -> str:
    """An output's name with `#1` and so on replaced."""

    def word(found: re.Match[str]) -> str:
        number = int(found[1])
        return chosen[number - 1] if 0 < number <= len(chosen) else found[0]

    return re.sub(r"#(\d+)", word, pattern)
