"""test and [: files, strings, numbers (IEEE 1003.1 `test`), with the obsolescent -a, -o and parentheses."""

from __future__ import annotations

import os

from pocketkube.images.coreutils.regex import extended, unsuitable
from pocketkube.kubelet.filesystem.tree import Stat
from pocketkube.kubelet.process import Command, Process
from pocketkube.regex import BadPattern, posix

_UNARY = frozenset("-" + letter for letter in "bcdefghkLnOprStuwxzsG")
_BINARY = {"=", "==", "!=", "<", ">", "=~", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"}


class TestFailure(Exception):
    """The text after `test: `."""


class Expression:
    """Recursive descent over the arguments of test; the number of arguments decides first, as POSIX asks."""

    def __init__(self, process: Process, words: list[str]) -> None:
        self.process = process
        self.words = words
        self.at = 0

    def value(self) -> bool:
        words = self.words
        match len(words):
            case 0:
                return False
            case 1:
                return bool(words[0])
            case 2 if words[0] == "!":
                return not words[1]
            case 3 if words[1] in _BINARY:
                return self.binary(words[0], words[1], words[2])
            case 3 if words[1] in ("-a", "-o"):
                return bool(words[0]) and bool(words[2]) if words[1] == "-a" else bool(words[0]) or bool(words[2])
            case 3 if words[0] == "(" and words[2] == ")":
                return bool(words[1])
            case 3 | 4 if words[0] == "!":
                return not Expression(self.process, words[1:]).value()
        result = self.either()
        if self.at < len(words):
            raise TestFailure(f"{words[self.at]}: unknown operand")
        return result

    def either(self) -> bool:
        result = self.both()
        while self.peek() == "-o":
            self.at += 1
            result = self.both() or result
        return result

    def both(self) -> bool:
        result = self.negated()
        while self.peek() == "-a":
            self.at += 1
            result = self.negated() and result
        return result

    def peek(self, ahead: int = 0) -> str | None:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else None

    def take(self) -> str:
        if self.at >= len(self.words):
            raise TestFailure("argument expected")
        self.at += 1
        return self.words[self.at - 1]

    def negated(self) -> bool:
        if self.peek() == "!" and self.peek(1) is not None:
            self.at += 1
            return not self.negated()
        return self.primary()

    def primary(self) -> bool:
        if self.peek(1) in _BINARY and self.peek(2) is not None:
            left, operator, right = self.take(), self.take(), self.take()
            return self.binary(left, operator, right)
        word = self.take()
        if word == "(":
            result = self.either()
            if self.peek() != ")":
                raise TestFailure("closing paren expected")
            self.at += 1
            return result
        if word in _UNARY and self.peek() is not None:
            return self.unary(word, self.take())
        return bool(word)

    def binary(self, left: str, operator: str, right: str) -> bool:
        match operator:
            case "=" | "==":
                return left == right
            case "!=":
                return left != right
            case "<":
                return left < right
            case ">":
                return left > right
            case "=~":
                return self.matches(left, right)
            case "-nt" | "-ot":
                first, second = self.stat(left), self.stat(right)
                older, newer = (first, second) if operator == "-ot" else (second, first)
                return newer is not None and (older is None or older.mtime < newer.mtime)
            case "-ef":
                first, second = self.stat(left), self.stat(right)
                return bool(first and second and (first.dev, first.ino) == (second.dev, second.ino))
        a, b = number(left), number(right)
        return {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b, "-ge": a >= b}[operator]

    @staticmethod
    def matches(text: str, pattern: str) -> bool:
        try:
            return posix(extended(pattern)).search(text) is not None
        except BadPattern as error:
            raise TestFailure(f"{pattern}: {unsuitable(error)}") from None

    def stat(self, path: str, *, follow: bool = True) -> Stat | None:
        try:
            return self.process.fs.stat(path, follow)
        except OSError:
            return None

    def unary(self, operator: str, word: str) -> bool:
        match operator:
            case "-z":
                return not word
            case "-n":
                return bool(word)
            case "-t":
                return getattr(self.process.fds.get(number(word)), "terminal", None) is not None
            case "-r" | "-w" | "-x":
                wanted = {"-r": os.R_OK, "-w": os.W_OK, "-x": os.X_OK}[operator]
                return self.process.fs.access(word, wanted)
            case "-h" | "-L":
                found = self.stat(word, follow=False)
                return found is not None and found.kind == "symlink"
        found = self.stat(word)
        if found is None:
            return False
        kinds = {"-f": "file", "-d": "directory"}
        if operator in kinds:
            return found.kind == kinds[operator]
        if operator in ("-c", "-b"):
            return found.kind == ("device" if operator == "-c" else "block")
        bits = {"-u": 0o4000, "-g": 0o2000, "-k": 0o1000}
        if operator in bits:
            return bool(found.mode & bits[operator])
        if operator == "-s":
            return found.size > 0
        if operator == "-O":
            return found.uid == self.process.uid
        if operator == "-G":
            return found.gid == self.process.gid
        return operator == "-e"


def number(word: str) -> int:
    try:
        return int(word.strip())
    except ValueError:
        raise TestFailure(f"{word}: bad number") from None


async def evaluate(process: Process, argv: list[str], prefix: str) -> int:
    """0 true, 1 false, 2 for what is no expression, which is told after `prefix`."""
    words = list(argv)
    name = words[0].rsplit("/", 1)[-1]
    if name in ("[", "[["):
        closer = "]" * len(name)
        if words[-1] != closer or len(words) < 2:
            await process.error(f"{prefix}{name}: missing {closer}")
            return 2
        words.pop()
    try:
        return 0 if Expression(process, words[1:]).value() else 1
    except TestFailure as failure:
        await process.error(f"{prefix}{failure}")
        return 2


async def command(process: Process) -> int:
    return await evaluate(process, process.argv, "test: " if process.argv[0].endswith("test") else "[: ")


COMMANDS: dict[str, Command] = {"test": command, "[": command, "[[": command}
