"""expr: arithmetic and matching on arguments."""

from __future__ import annotations

import re

from pocketkube.images.coreutils.options import fail, name_of
from pocketkube.images.coreutils.regex import basic, unsuitable
from pocketkube.kubelet.process import Command, Process, ProcessExit
from pocketkube.regex import BadPattern, posix


class _Expression:
    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self) -> str:
        if self.at >= len(self.words):
            raise ValueError("syntax error")
        self.at += 1
        return self.words[self.at - 1]

    def level(self, number: int) -> str:
        operators: tuple[tuple[str, ...], ...] = (
            ("|",), ("&",), ("=", "==", "!=", "<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"), (":",),
        )  # fmt: skip
        if number == len(operators):
            return self.primary()
        left = self.level(number + 1)
        while self.peek() in operators[number]:
            operator = self.take()
            left = self.apply(left, operator, self.level(number + 1))
        return left

    def apply(self, left: str, operator: str, right: str) -> str:
        if operator == "|":
            return left if left not in ("", "0") else right if right else "0"
        if operator == "&":
            return left if left not in ("", "0") and right not in ("", "0") else "0"
        if operator == ":":
            try:
                found = posix(basic(right)).match(left)
            except BadPattern as error:
                raise ValueError(f"bad regex '{right}': {unsuitable(error)}") from None
            if re.search(r"\\\(", right):
                return found.group(1) if found else ""
            return str(found.end()) if found else "0"
        numeric = re.fullmatch(r"-?\d+", left) and re.fullmatch(r"-?\d+", right)
        if operator in ("=", "==", "!=", "<", ">", "<=", ">="):
            a, b = (int(left), int(right)) if numeric else (left, right)
            table = {"=": a == b, "==": a == b, "!=": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}  # type: ignore[operator]
            return str(int(table[operator]))
        if not numeric:
            raise ValueError("non-numeric argument")
        x, y = int(left), int(right)
        if operator in "/%":
            if not y:
                raise ValueError("division by zero")
            quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
            return str(quotient if operator == "/" else x - y * quotient)
        return str({"+": x + y, "-": x - y, "*": x * y}[operator])

    def primary(self) -> str:
        word = self.take()
        if word == "(":
            result = self.level(0)
            if self.take() != ")":
                raise ValueError("syntax error")
            return result
        match word:
            case "length":
                return str(len(self.take()))
            case "match":
                return self.apply(self.take(), ":", self.take())
            case "substr":
                text, start, length = self.take(), int(self.take()), int(self.take())
                return text[max(0, start - 1) : max(0, start - 1 + length)]
            case "index":
                text, letters = self.take(), self.take()
                return str(next((at for at, letter in enumerate(text, 1) if letter in letters), 0))
        return word


async def expr(process: Process) -> int:
    words = process.argv[1:]
    if not words:
        await fail(process, "too few arguments", 2)
    expression = _Expression(words)
    try:
        result = expression.level(0)
        if expression.at < len(words):
            raise ValueError("syntax error")
    except ValueError as error:
        await process.error(f"{name_of(process)}: {error}")
        raise ProcessExit(2) from None
    await process.print(result)
    return 1 if result in ("", "0") else 0


COMMANDS: dict[str, Command] = {"expr": expr}
