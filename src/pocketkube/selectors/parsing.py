"""The text of label selectors: `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`.

Models apimachinery's labels.Parse, with the error texts of its lexer and parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pocketkube import fields
from pocketkube.errors import BadRequest
from pocketkube.selectors.labels import (
    DOUBLE_EQUALS,
    EQUALS,
    EXISTS,
    GREATER,
    IN,
    LESS,
    NOT_EQUALS,
    NOT_EXISTS,
    NOT_IN,
    LabelSelector,
    Requirement,
    in_key_order,
    requirement,
)
from pocketkube.selectors.names import label_key_errors


def parse_labels(text: str) -> LabelSelector:
    """`a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`. Raises BadRequest with upstream's text."""
    return in_key_order(_Parser(text).selector())


class _Token(NamedTuple):
    kind: str  # one of the operators, "(", ")", ",", "word", "end" or "error"
    text: str


_LEXER = re.compile(r"[ \t\r\n]*(?:(?P<symbols>[=!(),><]+)|(?P<word>[^=!(),><\0 \t\r\n]+)|(?P<end>\0|\Z))")
_SYMBOLS: Final = frozenset((")", ",", "!", "==", "=", ">", "<", "!=", "("))
_OPERATORS: Final = frozenset((EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS, IN, NOT_IN))
_KEYWORDS: Final = (IN, NOT_IN)


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while True:
        match = _LEXER.match(text, position)
        assert match is not None  # the three alternatives cover every character
        position = match.end()
        if (symbols := match["symbols"]) is not None:
            # Every symbol is a token of its own, except that two may form "==" or "!=".
            symbol = symbols[:2] if symbols[:2] in _SYMBOLS else symbols[:1]
            position -= len(symbols) - len(symbol)
            yield _Token(symbol, symbol)
        elif (word := match["word"]) is not None:
            yield _Token(word if word in _KEYWORDS else "word", word)
        else:
            yield _Token("end", "")
            return


class _Parser:
    """Recursive descent over the tokens; each complaint is upstream's, word for word."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0

    def _peek(self) -> _Token:
        """The next token, where `in` and `notin` are ordinary words."""
        token = self._tokens[self._position]
        return _Token("word", token.text) if token.kind in _KEYWORDS else token

    def _next(self) -> _Token:
        token = self._peek()
        self._position += 1
        return token

    def selector(self) -> list[Requirement]:
        found: list[Requirement] = []
        while (token := self._peek()).kind != "end":
            if token.kind not in ("word", NOT_EXISTS):
                raise BadRequest(f"found '{token.text}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except BadRequest as error:
                raise BadRequest(f"unable to parse requirement: {error.message}") from None
            token = self._next()
            if token.kind == "end":
                break
            if token.kind != ",":
                raise BadRequest(f"found '{token.text}', expected: ',' or 'end of string'")
            if (after := self._peek()).kind not in ("word", NOT_EXISTS):
                raise BadRequest(f"found '{after.text}', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        token = self._next()
        negated = token.kind == NOT_EXISTS
        if negated:
            token = self._next()
        if token.kind != "word":
            raise BadRequest(f"found '{token.text}', expected: identifier")
        key = token.text
        if errors := label_key_errors(key):
            # The path is a nil pointer there, and prints as one.
            raise BadRequest(str(fields.invalid("<nil>", key, "; ".join(errors))))
        if negated:
            return requirement(key, NOT_EXISTS, ())
        if self._peek().kind in ("end", ","):
            return requirement(key, EXISTS, ())
        operator = self._tokens[self._position]
        self._position += 1
        if operator.kind not in _OPERATORS:
            raise BadRequest(f"found '{operator.text}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._set() if operator.kind in _KEYWORDS else [self._exact()]
        return requirement(key, operator.kind, tuple(sorted(set(values))))

    def _exact(self) -> str:
        if self._peek().kind in ("end", ","):
            return ""
        token = self._next()
        if token.kind != "word":
            raise BadRequest(f"found '{token.text}', expected: identifier")
        return token.text

    def _set(self) -> list[str]:
        """`(x,y)`; empty entries stand for the empty value."""
        token = self._next()
        if token.kind != "(":
            raise BadRequest(f"found '{token.text}' expected: '('")
        if self._peek().kind == ")":
            self._next()
            return [""]
        if (first := self._peek()).kind not in ("word", ","):
            raise BadRequest(f"found '{first.text}', expected: ',', ')' or identifier")
        values: list[str] = []
        while True:
            token = self._next()
            if token.kind == "word":
                values.append(token.text)
                after = self._peek()
                if after.kind not in (",", ")"):
                    raise BadRequest(f"found '{after.text}', expected: ',' or ')'")
            elif token.kind == ",":
                if not values or self._peek().kind in (",", ")"):
                    values.append("")
            else:
                raise BadRequest(f"found '{token.text}', expected: ',', or identifier")
            if self._peek().kind == ")":
                self._next()
                return values
