"""The words of the awk language: names, numbers, strings, signs, and patterns where a division cannot be."""

from __future__ import annotations

import re
from typing import NamedTuple

KEYWORDS = frozenset(
    """BEGIN END function func if else while for do break continue next nextfile exit return delete in getline print
    printf""".split()  # noqa: SIM905
)
BUILTINS = frozenset(
    """length substr index split sub gsub gensub match sprintf sin cos atan2 exp log sqrt int rand srand tolower toupper
    system close fflush systime strftime mktime and or xor lshift rshift compl""".split()  # noqa: SIM905
)
_TOKEN = re.compile(
    r"""(?P<space>(?:[ \t\r]|\\\r?\n|\#[^\n]*)+)|(?P<newline>\n)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<string>"(?:[^"\\\n]|\\(?:.|\n))*")|(?P<name>[A-Za-z_]\w*)
    |(?P<sign>\*\*=|\*\*|&&|\|\||\+\+|--|[-+*/%^!<>=]=|>>|!~|[-+*/%^!<>=~?:,;(){}\[\]$|])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"', "/": "/"}


class AwkSyntaxError(Exception):
    """`awk: cmd. line:N: ...`: the text is what follows."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"cmd. line:{line}: {text[0].upper()}{text[1:]}")


class Token(NamedTuple):
    kind: str
    text: str
    line: int
    adjacent: bool
    """Directly followed by `(`: a function call."""


def unescape(text: str) -> str:
    """Escapes of a string."""

    def one(found: re.Match[str]) -> str:
        octal, letter = found.groups()
        if octal:
            return chr(int(octal, 8) & 0xFF)
        if letter == "\n":
            return ""
        return _ESCAPES.get(letter, "\\" + letter)

    return re.sub(r"\\(?:([0-7]{1,3})|(.|\n))", one, text, flags=re.DOTALL)


def tokens(text: str) -> list[Token]:
    out: list[Token] = []
    at, line = 0, 1
    while at < len(text):
        previous = next((token for token in reversed(out) if token.kind != "newline"), None)
        if text[at] == "/" and not (out and out[-1].kind != "newline" and _ends_operand(previous)):
            pattern, end = _regex(text, at, line)
            out.append(Token("regex", pattern, line, False))
            at = end
            continue
        found = _TOKEN.match(text, at)
        if found is None:
            raise AwkSyntaxError(line, "unterminated string" if text[at] == '"' else "unexpected token")
        kind, word = found.lastgroup or "", found.group()
        at = found.end()
        if kind != "space":
            if kind == "name" and word in KEYWORDS:
                kind = "keyword"
            elif kind == "name" and word in BUILTINS:
                kind = "builtin"
            out.append(Token(kind, word, line, text.startswith("(", at)))
        line += word.count("\n")
    out.append(Token("end", "", line, False))
    return out


def _ends_operand(token: Token | None) -> bool:
    if token is None:
        return False
    return token.kind in ("number", "string", "name", "builtin", "regex") or token.text in (")", "]", "$", "++", "--")


def _regex(text: str, start: int, line: int) -> tuple[str, int]:
    at, inside = start + 1, False
    while at < len(text) and text[at] != "\n":
        character = text[at]
        if character == "\\":
            at += 1
        elif character == "[" and not inside:
            inside = True
            at += 1 if text.startswith(("[]", "[^]"), at) else 0
            at += 1 if text[at] == "^" and text.startswith("^]", at) else 0
        elif character == "]":
            inside = False
        elif character == "/" and not inside:
            return text[start + 1 : at].replace("\\/", "/"), at + 1
        at += 1
    raise AwkSyntaxError(line, "unterminated regexp")
