"""Arithmetic of `$(( ))`: C's signed 64-bit integers, its operators and precedences (IEEE 1003.1, 2.6.4), and `**`."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping

_TOKEN = re.compile(
    r"\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|<<=|>>=|\*\*|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|[-+*/%&|^]=|.)"
)
_BINARY: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
_ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^="}


class ArithmeticFailure(Exception):
    """Text as ash prints it: `divide by zero`, `arithmetic syntax error`."""


def _wrap(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise ArithmeticFailure("divide by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    ">": lambda a, b: int(a > b),
    "<=": lambda a, b: int(a <= b),
    ">=": lambda a, b: int(a >= b),
    "<<": lambda a, b: a << (b & 63),
    ">>": lambda a, b: a >> (b & 63),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": lambda a, b: a - b * _divide(a, b),
    "**": lambda a, b: a**b if 0 <= b < 4096 else _negative_power(),
}


def _negative_power() -> int:
    raise ArithmeticFailure("exponent less than 0")


class _Evaluator:
    def __init__(self, text: str, variables: MutableMapping[str, str], depth: int) -> None:
        self.tokens = _signs([token for token in _TOKEN.findall(text) if not token.isspace()])
        self.at = 0
        self.variables = variables
        self.depth = depth
        self.live = 0
        """Above zero while a branch is parsed that is not taken: it must not assign or divide."""

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise ArithmeticFailure("arithmetic syntax error")

    def whole(self) -> int:
        if not self.tokens:
            return 0
        result = self.comma()
        if self.at < len(self.tokens):
            raise ArithmeticFailure("arithmetic syntax error")
        return result

    def comma(self) -> int:
        result = self.assignment()
        while self.peek() == ",":
            self.take()
            result = self.assignment()
        return result

    def assignment(self) -> int:
        name = self.peek()
        following = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else ""
        if following in _ASSIGN and _is_name(name):
            self.at += 2
            value = self.assignment()
            if following != "=" and not self.live:
                value = _wrap(_OPERATIONS[following[:-1]](self.value(name), value))
            self.assign(name, value)
            return value
        return self.conditional()

    def assign(self, name: str, value: int) -> None:
        if not self.live:
            self.variables[name] = str(value)

    def conditional(self) -> int:
        condition = self.binary(0)
        if self.peek() != "?":
            return condition
        self.take()
        self.live += not condition
        first = self.assignment()
        self.live -= not condition
        self.expect(":")
        self.live += bool(condition)
        second = self.assignment()
        self.live -= bool(condition)
        return first if condition else second

    def binary(self, level: int) -> int:
        if level == len(_BINARY):
            return self.power()
        left = self.binary(level + 1)
        while (operator := self.peek()) in _BINARY[level]:
            self.take()
            if operator in ("&&", "||"):
                decided = bool(left) == (operator == "||")
                self.live += decided
                right = self.binary(level + 1)
                self.live -= decided
                left = int(bool(left) if decided else bool(right))
            else:
                right = self.binary(level + 1)
                left = 0 if self.live else _wrap(_OPERATIONS[operator](left, right))
        return left

    def power(self) -> int:
        left = self.unary()
        if self.peek() == "**":
            self.take()
            return 0 if self.live else _wrap(_OPERATIONS["**"](left, self.power()))
        return left

    def unary(self) -> int:
        token = self.take()
        if token in ("++", "--"):
            name = self.take()
            if not _is_name(name):
                raise ArithmeticFailure("arithmetic syntax error")
            value = _wrap(self.value(name) + (1 if token == "++" else -1))
            self.assign(name, value)
            return value
        if token == "-":
            return _wrap(-self.unary())
        if token == "+":
            return self.unary()
        if token == "!":
            return int(not self.unary())
        if token == "~":
            return ~self.unary()
        if token == "(":
            result = self.comma()
            self.expect(")")
            return result
        if token[:1].isdigit():
            return _number(token)
        if not _is_name(token):
            raise ArithmeticFailure("arithmetic syntax error")
        result = self.value(token)
        if self.peek() in ("++", "--"):
            self.assign(token, _wrap(result + (1 if self.take() == "++" else -1)))
        return result

    def value(self, name: str) -> int:
        text = self.variables.get(name, "").strip()
        if re.fullmatch(r"[-+]?\d+", text) and not re.fullmatch(r"[-+]?0\d+", text):
            return _wrap(int(text))
        if self.depth > 64:
            raise ArithmeticFailure("expression recursion loop detected")
        return _Evaluator(text, self.variables, self.depth + 1).whole()


def _signs(tokens: list[str]) -> list[str]:
    """`--` is an operator next to a name, two signs elsewhere: 2--3 is 5."""
    out: list[str] = []
    for number, token in enumerate(tokens):
        following = tokens[number + 1] if number + 1 < len(tokens) else ""
        if token in ("++", "--") and not (_is_name(following) or (out and _is_name(out[-1]))):
            out += token
        else:
            out.append(token)
    return out


def _is_name(token: str) -> bool:
    return bool(token) and (token[0].isalpha() or token[0] == "_")


def _number(token: str) -> int:
    try:
        if token[:2] in ("0x", "0X"):
            return _wrap(int(token, 16))
        if token.startswith("0") and len(token) > 1:
            return _wrap(int(token, 8))
        return _wrap(int(token))
    except ValueError:
        raise ArithmeticFailure("arithmetic syntax error") from None


def evaluate(text: str, variables: MutableMapping[str, str]) -> int:
    """The value of an expression; assignments go to `variables`. Raises ArithmeticFailure."""
    return _Evaluator(text, variables, 0).whole()
