"""What Go's JSON scanner says about a malformed text.

Models the scanner of encoding/json (as in sigs.k8s.io/json): which character cannot stand where, in its words.
Only used when a faster parser has already refused the text.
"""

from __future__ import annotations

import re
from typing import Any, Final

END: Final = "unexpected end of JSON input"
_SPACE: Final = b" \t\r\n"
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LITERALS: Final = (b"true", b"false", b"null")


def word(value: Any) -> str:
    """What Go's JSON decoder calls a value: object, array, string, bool or number."""
    for python, name in ((bool, "bool"), (str, "string"), (dict, "object"), (list, "array")):
        if isinstance(value, python):
            return name
    return "number"


class _Malformed(Exception):
    pass


def syntax_error(body: bytes) -> str | None:
    """The complaint about `body`, or None when it is JSON."""
    try:
        _Scanner(body).document()
    except _Malformed as error:
        return str(error)
    except RecursionError:
        return "exceeded max depth"
    return None


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def document(self) -> None:
        self._value()
        self._skip()
        if self._at < len(self._data):
            raise self._bad("after top-level value")

    def _skip(self) -> None:
        while self._at < len(self._data) and self._data[self._at] in _SPACE:
            self._at += 1

    def _peek(self) -> bytes:
        """The next byte; running out of bytes is an error wherever one is needed."""
        if self._at >= len(self._data):
            raise _Malformed(END)
        return self._data[self._at : self._at + 1]

    def _bad(self, context: str) -> _Malformed:
        return _Malformed(f"invalid character {_quoted(self._data[self._at])} {context}")

    def _value(self) -> None:
        self._skip()
        start = self._peek()
        if start == b"{":
            self._members()
        elif start == b"[":
            self._elements()
        elif start == b'"':
            self._string()
        elif start in b"-0123456789":
            self._number()
        else:
            for literal in _LITERALS:
                if literal.startswith(start):
                    self._literal(literal)
                    return
            raise self._bad("looking for beginning of value")

    def _members(self) -> None:
        self._at += 1
        self._skip()
        if self._peek() == b"}":
            self._at += 1
            return
        while True:
            self._skip()
            if self._peek() != b'"':
                raise self._bad("looking for beginning of object key string")
            self._string()
            self._skip()
            if self._peek() != b":":
                raise self._bad("after object key")
            self._at += 1
            self._value()
            self._skip()
            closing = self._peek()
            if closing not in b",}":
                raise self._bad("after object key:value pair")
            self._at += 1
            if closing == b"}":
                return

    def _elements(self) -> None:
        self._at += 1
        self._skip()
        if self._peek() == b"]":
            self._at += 1
            return
        while True:
            self._value()
            self._skip()
            closing = self._peek()
            if closing not in b",]":
                raise self._bad("after array element")
            self._at += 1
            if closing == b"]":
                return

    def _string(self) -> None:
        self._at += 1
        while (byte := self._peek()) != b'"':
            if byte[0] < 0x20:
                raise self._bad("in string literal")
            self._at += 1
            if byte != b"\\":
                continue
            escape = self._peek()
            if escape not in b'bfnrt\\/"u':
                raise self._bad("in string escape code")
            self._at += 1
            if escape == b"u":
                for _ in range(4):
                    if self._peek() not in b"0123456789abcdefABCDEF":
                        raise self._bad("in \\u hexadecimal character escape")
                    self._at += 1
        self._at += 1

    def _number(self) -> None:
        if self._peek() == b"-":
            self._at += 1
            if self._peek() not in b"0123456789":
                raise self._bad("in numeric literal")
        if self._peek() == b"0":
            self._at += 1
        else:
            self._digits()
        if self._data[self._at : self._at + 1] == b".":
            self._at += 1
            if self._peek() not in b"0123456789":
                raise self._bad("after decimal point in numeric literal")
            self._digits()
        if self._data[self._at : self._at + 1] in (b"e", b"E"):
            self._at += 1
            if self._peek() in b"+-":
                self._at += 1
            if self._peek() not in b"0123456789":
                raise self._bad("in exponent of numeric literal")
            self._digits()

    def _digits(self) -> None:
        while self._data[self._at : self._at + 1].isdigit():
            self._at += 1

    def _literal(self, literal: bytes) -> None:
        for index in range(1, len(literal)):
            self._at += 1
            if self._peek() != literal[index : index + 1]:
                raise self._bad(f"in literal {literal.decode()} (expecting '{chr(literal[index])}')")
        self._at += 1


def _quoted(byte: int) -> str:
    """A byte as Go quotes a character."""
    special = {ord("'"): r"'\''", ord('"'): "'\"'", 0x07: r"'\a'", 0x08: r"'\b'", 0x0C: r"'\f'", 0x0A: r"'\n'"}
    special |= {0x0D: r"'\r'", 0x09: r"'\t'", 0x0B: r"'\v'", 0x5C: r"'\\'"}
    if byte in special:
        return special[byte]
    if byte < 0x20 or byte == 0x7F:
        return rf"'\x{byte:02x}'"
    if 0x80 <= byte < 0xA0 or byte == 0xAD:
        return rf"'\u00{byte:02x}'"
    return f"'{chr(byte)}'"
