"""sed: the stream editor (IEEE 1003.1), with -i, -E/-r, `I`, `w`, `e` left out, and GNU's `0~3`, `addr,+n`."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field

from pocketkube.images.coreutils.options import fail, lines, parse, reason, whole
from pocketkube.images.coreutils.text import basic, extended
from pocketkube.kubelet.process import Command, Process, ProcessExit


class SedFailure(Exception):
    """The text after `sed: `."""


@dataclass
class Address:
    kind: str
    number: int = 0
    step: int = 0
    expression: re.Pattern[str] | None = None


@dataclass
class Instruction:
    name: str
    addresses: list[Address] = field(default_factory=list)
    negated: bool = False
    expression: re.Pattern[str] | None = None
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
        self.last: re.Pattern[str] | None = None
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
            return Address("regex", expression=self.compile(source, re.IGNORECASE if fold else 0))
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

    def compile(self, source: str, flags: int = 0) -> re.Pattern[str]:
        if not source:
            if self.last is None:
                raise SedFailure("no previous regexp")
            return self.last
        try:
            self.last = re.compile((extended if self.extended else basic)(source), flags)
        except re.error:
            raise SedFailure(f"bad regex '{source}': Invalid regular expression") from None
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
        flags = 0
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
                flags |= re.IGNORECASE
            elif letter == "w":
                instruction.table = {}
                instruction.flags += "w"
                self.skip(" \t")
                instruction.flags += self.rest_of_line()
            else:
                raise SedFailure("bad option in substitution expression")
        instruction.expression = self.compile(source, flags)


def _plain(text: str) -> str:
    return text.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\")


def _replacement(template: str, found: re.Match[str]) -> str:
    out = []
    at = 0
    while at < len(template):
        character = template[at]
        at += 1
        if character == "&":
            out.append(found.group())
        elif character == "\\" and at < len(template):
            following = template[at]
            at += 1
            if following.isdigit():
                number = int(following)
                out.append((found.group(number) or "") if number <= (found.re.groups or 0) else "")
            else:
                out.append({"n": "\n", "t": "\t"}.get(following, following))
        else:
            out.append(character)
    return "".join(out)


class Editor:
    def __init__(self, process: Process, script: list[Instruction], quiet: bool) -> None:
        self.process = process
        self.script = script
        self.quiet = quiet
        self.hold = ""
        self.number = 0
        self.out: list[str] = []
        self.appended: list[str] = []
        self.leaving: int | None = None

    def matches(self, instruction: Instruction, pattern: str, last: bool) -> bool:
        addresses = instruction.addresses
        if not addresses:
            return not instruction.negated
        first = addresses[0]
        if len(addresses) == 1:
            result = self.one(first, pattern, last)
        elif instruction.active:
            result = True
            second = addresses[1]
            if second.kind in ("line", "+", "~"):
                instruction.active = self.number < instruction.until
                result = self.number <= instruction.until
            else:
                instruction.active = not self.one(second, pattern, last)
        else:
            result = self.one(first, pattern, last)
            if result:
                second = addresses[1]
                if second.kind == "line":
                    instruction.until = second.number
                elif second.kind == "+":
                    instruction.until = self.number + second.number
                elif second.kind == "~":
                    instruction.until = -(-self.number // max(1, second.number)) * second.number
                open_ended = second.kind not in ("line", "+", "~")
                instruction.active = not last if open_ended else self.number < instruction.until
        return result != instruction.negated

    def one(self, address: Address, pattern: str, last: bool) -> bool:
        if address.kind == "line":
            return self.number == address.number
        if address.kind == "last":
            return last
        if address.kind == "step":
            return self.number >= address.number and (self.number - address.number) % max(1, address.step) == 0
        assert address.expression is not None
        return address.expression.search(pattern) is not None

    def edit(self, source: list[str]) -> None:
        """Run the script over lines (without their newlines)."""
        at = 0
        carried: str | None = None
        while at < len(source) or carried is not None:
            if carried is None:
                pattern = source[at]
                at += 1
                self.number += 1
            else:
                pattern, carried = carried, None
            pc = 0
            replaced = False
            printed = not self.quiet
            while pc < len(self.script):
                instruction = self.script[pc]
                pc += 1
                if not self.matches(instruction, pattern, at >= len(source)):
                    if instruction.name == "{":
                        pc = instruction.target
                    continue
                match instruction.name:
                    case "s":
                        pattern, done = self.substitute(instruction, pattern)
                        replaced = replaced or done
                    case "d":
                        printed = False
                        break
                    case "D":
                        printed = False
                        if "\n" in pattern:
                            carried = pattern.partition("\n")[2]
                        break
                    case "p":
                        self.out.append(pattern)
                    case "P":
                        self.out.append(pattern.partition("\n")[0])
                    case "=":
                        self.out.append(str(self.number))
                    case "l":
                        self.out.append(pattern.encode("unicode_escape").decode() + "$")
                    case "n" | "N":
                        if at >= len(source):
                            if instruction.name == "N" or not self.quiet:
                                printed = not self.quiet
                            self.leaving = 0
                            break
                        if instruction.name == "n":
                            if not self.quiet:
                                self.out.append(pattern)
                            self.flush()
                            pattern = source[at]
                        else:
                            pattern += "\n" + source[at]
                        at += 1
                        self.number += 1
                    case "g":
                        pattern = self.hold
                    case "G":
                        pattern += "\n" + self.hold
                    case "h":
                        self.hold = pattern
                    case "H":
                        self.hold += "\n" + pattern
                    case "x":
                        pattern, self.hold = self.hold, pattern
                    case "z":
                        pattern = ""
                    case "y":
                        pattern = pattern.translate(instruction.table)
                    case "a":
                        self.appended.append(instruction.text)
                    case "i":
                        self.out.append(instruction.text)
                    case "c":
                        printed = False
                        if len(instruction.addresses) < 2 or instruction.negated or not instruction.active:
                            self.out.append(instruction.text)
                        break
                    case "r":
                        self.read(instruction.text)
                    case "w":
                        self.process.fs.append_bytes(instruction.text, (pattern + "\n").encode())
                    case "b":
                        pc = instruction.target
                    case "t" | "T":
                        if replaced == (instruction.name == "t"):
                            pc = instruction.target
                        replaced = False
                    case "q" | "Q":
                        self.leaving = int(instruction.text or 0)
                        printed = printed and instruction.name == "q"
                        break
            if printed:
                self.out.append(pattern)
            self.flush()
            if self.leaving is not None:
                return

    def substitute(self, instruction: Instruction, pattern: str) -> tuple[str, bool]:
        assert instruction.expression is not None
        count = 0

        def one(found: re.Match[str]) -> str:
            nonlocal count
            count += 1
            if count < instruction.occurrence or (count > instruction.occurrence and "g" not in instruction.flags):
                return found.group()
            return _replacement(instruction.text, found)

        limit = 0 if "g" in instruction.flags else instruction.occurrence
        result = instruction.expression.sub(one, pattern, count=limit)
        done = count >= instruction.occurrence
        if done and "p" in instruction.flags.partition("w")[0]:
            self.out.append(result)
        if done and "w" in instruction.flags:
            self.process.fs.append_bytes(instruction.flags.partition("w")[2], (result + "\n").encode())
        return result, done

    def read(self, path: str) -> None:
        with contextlib.suppress(OSError):
            self.appended.append(self.process.fs.read_bytes(path).decode("utf-8", "surrogateescape").removesuffix("\n"))

    def flush(self) -> None:
        self.out += self.appended
        self.appended.clear()


async def sed(process: Process) -> int:
    long = {"quiet": "n", "silent": "n", "expression": "e", "file": "f", "regexp-extended": "E", "in-place": "i"}
    backup = next((word for word in process.argv[1:] if word.startswith("-i") and len(word) > 2 and word[2] != "n"), "")
    process.argv[1:] = ["-i" if word == backup and backup else word for word in process.argv[1:]]
    options = await parse(process, "nrEise*f*zu", long)
    scripts = list(options.get("e", []))
    for path in options.get("f", []):
        scripts.append((await whole(process, path)).decode().removesuffix("\n"))
    words = list(options.rest)
    if not scripts:
        if not words:
            await process.error("Usage: sed [-i[SFX]] [-nrE] [-f FILE]... [-e CMD]... [FILE]...")
            return 1
        scripts = [words.pop(0)]
    try:
        text = "\n".join(scripts)
        quiet = "n" in options or text.startswith("#n\n")
        script = Script(text, "r" in options or "E" in options)
    except SedFailure as failure:
        await fail(process, str(failure))
        raise
    editor = Editor(process, script.instructions, quiet)
    status = 0
    if "i" in options:
        for path in words:
            try:
                data = process.fs.read_bytes(path)
            except OSError as error:
                await process.error(f"sed: {path}: {reason(error)}")
                status = 1
                continue
            if backup:
                process.fs.write_bytes(path + backup[2:], data)
            editor = Editor(process, Script(text, script.extended).instructions, quiet)
            out = _run(editor, data)
            process.fs.write_bytes(path, out)
        return editor.leaving or status
    gathered = []
    for path in words or ["-"]:
        try:
            gathered.append(await whole(process, path))
        except OSError as error:
            await process.error(f"sed: {path}: {reason(error)}")
            status = 1
    out = _run(editor, b"".join(gathered))
    if out:
        await process.stdout.write(out)
    if editor.leaving:
        raise ProcessExit(editor.leaving)
    return status


def _run(editor: Editor, data: bytes) -> bytes:
    if not data:
        return b""
    ended = data.endswith(b"\n")
    editor.edit(data.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n"))
    text = "\n".join(editor.out)
    return (text + ("\n" if ended or editor.leaving is not None else "") if editor.out else "").encode(
        "utf-8", "surrogateescape"
    )


__all__ = ["lines", "sed"]

COMMANDS: dict[str, Command] = {"sed": sed}
