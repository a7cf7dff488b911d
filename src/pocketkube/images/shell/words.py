"""Words of the shell: quotes, escapes and what begins with `$` (IEEE 1003.1, 2.2, 2.6)."""

from __future__ import annotations

import re
from collections.abc import Callable

from pocketkube.images.shell.scanner import Scanner
from pocketkube.images.shell.syntax import (
    Arithmetic,
    Parameter,
    Part,
    Sequence,
    ShellSyntaxError,
    Substitution,
    Text,
    Word,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-])")
_OPERATOR = re.compile(r":[-=?+]|##?|%%?|[-=?+]")
_SPECIAL = "@*#?$!-0123456789"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\033", "f": "\f", "v": "\v"}

Compile = Callable[[str, bool], Sequence]
"""Parses the text of a command substitution; True when it came from backquotes and was not scanned before."""


class WordParser:
    """One word's text into parts. `kind` is how quotes count: "plain", "double" (in double quotes), "here", or
    "inner" (the word of `"${x:-word}"`: double quotes in it vanish, single quotes stay)."""

    def __init__(self, text: str, compile_: Compile) -> None:
        self.text = text
        self.compile = compile_
        self.parts: list[Part] = []

    def _add(self, text: str, quoted: bool) -> None:
        last = self.parts[-1] if self.parts else None
        if isinstance(last, Text) and last.quoted == quoted:
            self.parts[-1] = Text(last.text + text, quoted)
        else:
            self.parts.append(Text(text, quoted))

    def parse(self, kind: str = "plain") -> Word:
        position, text = 0, self.text
        quoted = kind != "plain"
        while position < len(text):
            character = text[position]
            if character == "\\":
                position = self._backslash(position, kind)
            elif character == '"' and kind == "inner":
                position += 1
            elif character == "'" and kind == "plain":
                end = text.find("'", position + 1)
                self._add(text[position + 1 : end], True)
                position = end + 1
            elif character == '"' and kind == "plain":
                scanner = Scanner(text, position)
                scanner.double_quotes()
                inner = WordParser(text[position + 1 : scanner.position - 1], self.compile).parse("double")
                self._extend(inner or (Text("", True),))
                position = scanner.position
            elif character == "$" and text[position + 1 : position + 2] == "'" and kind == "plain":
                position = self._ansi(position + 2)
            elif character == "$":
                position = self._dollar(position, quoted)
            elif character == "`":
                scanner = Scanner(text, position)
                scanner.backquotes()
                escapable = r"\\([$`\\\"])" if kind in ("double", "inner") else r"\\([$`\\])"
                body = re.sub(escapable, r"\1", text[position + 1 : scanner.position - 1])
                self.parts.append(Substitution(self.compile(body, True), quoted))
                position = scanner.position
            else:
                self._add(character, quoted)
                position += 1
        return tuple(self.parts)

    def _extend(self, parts: Word) -> None:
        for part in parts:
            if isinstance(part, Text):
                self._add(part.text, part.quoted)
            else:
                self.parts.append(part)

    def _backslash(self, position: int, kind: str) -> int:
        following = self.text[position + 1 : position + 2]
        if following == "\n":
            return position + 2
        if not following:
            self._add("\\", True)
        elif kind == "plain" or following in ('$`"\\' if kind in ("double", "inner") else "$`\\"):
            self._add(following, True)
        else:
            self._add("\\" + following, True)
        return position + 2

    def _ansi(self, position: int) -> int:
        """`$'...'` from behind its opening quote."""
        out = []
        while position < len(self.text) and self.text[position] != "'":
            character = self.text[position]
            if character != "\\":
                out.append(character)
                position += 1
                continue
            number = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3}))").match(self.text, position)
            if number:
                out.append(chr(int(number.group(1), 16) if number.group(1) else int(number.group(2), 8)))
                position = number.end()
            else:
                following = self.text[position + 1 : position + 2]
                out.append(_ESCAPES.get(following, following if following in "\\'\"" else "\\" + following))
                position += 2
        self._add("".join(out), True)
        return position + 1

    def _dollar(self, position: int, quoted: bool) -> int:
        text = self.text
        following = text[position + 1 : position + 2]
        if name := _NAME.match(text, position + 1):
            self.parts.append(Parameter(name.group(), quoted=quoted))
            return name.end()
        if following and following in _SPECIAL:
            self.parts.append(Parameter(following, quoted=quoted))
            return position + 2
        if following not in ("(", "{"):
            self._add("$", quoted)
            return position + 1
        scanner = Scanner(text, position)
        scanner.dollar()
        end = scanner.position
        inside = text[position + 2 : end - 1]
        if following == "{":
            self.parts.append(self._braced(inside, quoted))
        elif text.startswith("$((", position) and inside.endswith(")") and _balanced(inside[1:-1]):
            expression = WordParser(inside[1:-1], self.compile).parse("double")
            self.parts.append(Arithmetic(expression, quoted))
        else:
            self.parts.append(Substitution(self.compile(inside, False), quoted))
        return end

    def _braced(self, inside: str, quoted: bool) -> Part:
        if inside.startswith("#") and len(inside) > 1 and (name := _BRACED.fullmatch(inside, 1)):
            return Parameter(name.group(), "length", quoted=quoted)
        name = _BRACED.match(inside)
        if not name:
            return Parameter(inside, "bad", quoted=quoted)
        rest = inside[name.end() :]
        if not rest:
            return Parameter(name.group(), quoted=quoted)
        operator = _OPERATOR.match(rest)
        if not operator:
            return Parameter(inside, "bad", quoted=quoted)
        word = rest[operator.end() :]
        # A pattern has its own quoting even within double quotes; a replacement word takes part in the outer one.
        pattern = operator.group()[0] in "#%"
        inner = WordParser(word, self.compile).parse("plain" if pattern or not quoted else "inner")
        return Parameter(name.group(), operator.group(), inner, quoted)


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def parse_word(text: str, compile_: Compile) -> Word:
    """Raises ShellSyntaxError."""
    return WordParser(text, compile_).parse()


def parse_here_document(text: str, compile_: Compile) -> Word:
    return WordParser(text, compile_).parse("here")


__all__ = ["ShellSyntaxError", "parse_here_document", "parse_word"]
