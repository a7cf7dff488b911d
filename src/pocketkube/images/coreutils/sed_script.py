"""The language of sed scripts: addresses, commands, their arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pocketkube.images.coreutils.regex import basic, extended, unsuitable
from pocketkube.regex import BadPattern, Pattern, posix


class SedFailure(Exception):
    """The text after `sed: `."""


@dataclass
class Address:
    kind: str
    number: int = 0
    step: int = 0
    expression: Pattern | None = None


@dataclass
class Instruction:
    name: str
    addresses: list[Address] = field(default_factory=list)
    negated: bool = False
    expression: Pattern | None = None
    text: str = ""
    flags: str = ""
    occurrence: int = 1
    table: dict[int, int] = field(default_factory=dict)
    target: int = 0
    active: bool = False
    until: int = 0


class Script:
    """Parses a script into a flat list; `{` jumps behind its `}` when its address does not match."""

    def __init__(self, text: str, is_extended: bool) -> None:
        self.text = text
        self.at = 0
        self.extended = is_extended
        self.last: Pattern | None = None
        self.instructions: list[Instruction] = []
        self.parse()

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip(self, characters: str) -> None:
        while self.peek() and self.peek() in characters:
            self.at += 1

    def parse(self) -> None:
        blocks: list[int] = []
        labels: dict[str, int] = {}
        while True:
            self.skip(" \t\n;")
            if not self.peek():
                break
            if self.peek() == "#":
                self.rest_of_line()
                continue
            instruction = Instruction("", self.addresses())
            self.skip(" \t")
            while self.peek() == "!":
                instruction.negated = True
                self.at += 1
                self.skip(" \t")
            instruction.name = self.peek()
            self.at += 1
            if not instruction.name or instruction.name == "\n":
                raise SedFailure("missing command")
            if instruction.name == ":":
                labels[self.rest_of_line(";").strip()] = len(self.instructions)
                continue
            self.arguments(instruction)
            if instruction.name == "{":
                blocks.append(len(self.instructions))
            elif instruction.name == "}":
                if not blocks:
                    raise SedFailure("unexpected '}'")
                self.instructions[blocks.pop()].target = len(self.instructions)
                continue
            self.instructions.append(instruction)
        if blocks:
            raise SedFailure("unterminated {")
        for instruction in self.instructions:
            if instruction.name in "btT":
                if instruction.text and instruction.text not in labels:
                    raise SedFailure(f"can't find label for jump to '{instruction.text}'")
                instruction.target = labels.get(instruction.text, len(self.instructions))

    def addresses(self) -> list[Address]:
        found = self.address()
        if found is None:
            return []
        self.skip(" \t")
        if self.peek() != ",":
            return [found]
        self.at += 1
        self.skip(" \t")
        plus = re.compile(r"([+~])(\d+)").match(self.text, self.at)
        if plus:
            self.at = plus.end()
            return [found, Address(plus.group(1), int(plus.group(2)))]
        second = self.address()
        if second is None:
            raise SedFailure("no address after comma")
        return [found, second]

    def address(self) -> Address | None:
        number = re.compile(r"(\d+)(?:~(\d+))?").match(self.text, self.at)
        if number:
            self.at = number.end()
            if number.group(2):
                return Address("step", int(number.group(1)), int(number.group(2)))
            return Address("line", int(number.group(1)))
        if self.peek() == "$":
            self.at += 1
            return Address("last")
        if self.peek() in ("/", "\\"):
            if self.peek() == "\\":
                self.at += 1
            delimiter = self.peek()
            self.at += 1
            source = self.until(delimiter, "unterminated address regex")
            fold = self.peek() == "I"
            self.at += fold
            return Address("regex", expression=self.compile(source, fold=bool(fold)))
        return None

    def until(self, delimiter: str, text: str, *, expression: bool = True) -> str:
        out = []
        bracket = False
        while self.peek():
            character = self.peek()
            self.at += 1
            if character == "\\" and self.peek():
                following = self.peek()
                self.at += 1
                out.append(following if following == delimiter else "\\" + following)
                continue
            if expression and character == "[" and not bracket:
                bracket = True
                out.append(character)
                for mark in ("^", "]"):
                    if self.peek() == mark:
                        out.append(mark)
                        self.at += 1
                continue
            if character == "]":
                bracket = False
            if character == delimiter and not bracket:
                return "".join(out)
            out.append(character)
        raise SedFailure(text)

    def compile(self, source: str, *, fold: bool = False) -> Pattern:
        if not source:
            if self.last is None:
                raise SedFailure("no previous regexp")
            return self.last
        try:
            self.last = posix((extended if self.extended else basic)(source), fold=fold)
        except BadPattern as error:
            raise SedFailure(f"bad regex '{source}': {unsuitable(error)}") from None
        return self.last

    def rest_of_line(self, also: str = "") -> str:
        start = self.at
        while self.peek() and self.peek() not in "\n" + also:
            self.at += 1
        return self.text[start : self.at]

    def arguments(self, instruction: Instruction) -> None:
        name = instruction.name
        if name == "s":
            self.substitution(instruction)
        elif name == "y":
            delimiter = self.peek()
            self.at += 1
            source = _plain(self.until(delimiter, "unterminated y", expression=False))
            target = _plain(self.until(delimiter, "unterminated y", expression=False))
            if len(source) != len(target):
                raise SedFailure("bad y strings")
            instruction.table = str.maketrans(source, target)
        elif name in "aic":
            self.skip(" \t")
            if self.peek() == "\\":
                self.at += 1
                self.skip(" \t")
                if self.peek() == "\n":
                    self.at += 1
            out = []
            while self.peek() and self.peek() != "\n":
                character = self.peek()
                self.at += 1
                if character == "\\" and self.peek():
                    character = self.peek()
                    self.at += 1
                out.append(character)
            instruction.text = "".join(out)
        elif name in "btT":
            self.skip(" \t")
            instruction.text = self.rest_of_line(";}").strip()
        elif name in "rw":
            self.skip(" \t")
            instruction.text = self.rest_of_line().strip()
        elif name in "qQlL":
            self.skip(" \t")
            code = re.compile(r"\d*").match(self.text, self.at)
            assert code is not None
            instruction.text = code.group()
            self.at = code.end()
        elif name not in "{}dDgGhHnNpPx=z":
            raise SedFailure(f"unsupported command {name}")

    def substitution(self, instruction: Instruction) -> None:
        delimiter = self.peek()
        if not delimiter or delimiter in "\n\\":
            raise SedFailure("bad option in substitution expression")
        self.at += 1
        source = self.until(delimiter, "unmatched '" + delimiter + "'")
        instruction.text = self.until(delimiter, "unmatched '" + delimiter + "'", expression=False)
        fold = False
        while self.peek() and self.peek() not in " \t\n;}#":
            letter = self.peek()
            self.at += 1
            if letter.isdigit():
                digits = letter
                while self.peek().isdigit():
                    digits += self.peek()
                    self.at += 1
                instruction.occurrence = int(digits)
            elif letter in "gp":
                instruction.flags += letter
            elif letter in "iI":
                fold = True
            elif letter == "w":
                instruction.table = {}
                instruction.flags += "w"
                self.skip(" \t")
                instruction.flags += self.rest_of_line()
            else:
                raise SedFailure("bad option in substitution expression")
        instruction.expression = self.compile(source, fold=fold)


def _plain(text: str) -> str:
    return text.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\")
