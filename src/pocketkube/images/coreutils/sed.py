"""sed: the stream editor (IEEE 1003.1), with -i, -E/-r, `I`, `w`, `e` left out, and GNU's `0~3`, `addr,+n`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from pocketkube.images.coreutils.options import fail, parse, reason, whole
from pocketkube.images.coreutils.sed_script import Address, Instruction, Script, SedFailure
from pocketkube.kubelet.process import Command, Process, ProcessExit
from pocketkube.regex import Match

_LARGEST: Final = 4 << 20
"""Characters in the pattern space, the hold space and the output together."""


def _replacement(template: str, found: Match) -> str:
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
                out.append(found.group(number) if number < len(found.spans) else "")
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
        self.steps = self.size = self.counted = 0
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

    async def edit(self, source: list[str]) -> None:
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
                await self.step(pattern)
                instruction = self.script[pc]
                pc += 1
                if not self.matches(instruction, pattern, at >= len(source)):
                    if instruction.name == "{":
                        pc = instruction.target
                    continue
                match instruction.name:
                    case "s":
                        pattern, done = await self.substitute(instruction, pattern)
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
            await self.step(pattern)
            self.flush()
            if self.leaving is not None:
                return

    async def step(self, pattern: str) -> None:
        """Lets others go on: a script may loop forever. Raises SedFailure when it gathers too much."""
        self.steps += 1
        self.size += sum(map(len, self.out[self.counted :]))
        self.counted = len(self.out)
        if len(pattern) + len(self.hold) + self.size > _LARGEST:
            raise SedFailure("out of memory")
        if self.steps % 256 == 0:
            await asyncio.sleep(0)

    async def substitute(self, instruction: Instruction, pattern: str) -> tuple[str, bool]:
        assert instruction.expression is not None
        out, at, count, size = [], 0, 0, 0
        for found in instruction.expression.finditer(pattern):
            count += 1
            if count >= instruction.occurrence:
                out += [pattern[at : found.start()], _replacement(instruction.text, found)]
                at, size = found.end(), size + len(out[-1])
                if "g" not in instruction.flags.partition("w")[0]:
                    break
            if size > _LARGEST:
                raise SedFailure("out of memory")
            if count % 256 == 0:
                await asyncio.sleep(0)
        result = "".join([*out, pattern[at:]])
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
    try:
        return await _edit_all(process, words, script, quiet, backup if "i" in options else None)
    except SedFailure as failure:
        await fail(process, str(failure))
        raise


async def _edit_all(process: Process, words: list[str], script: Script, quiet: bool, backup: str | None) -> int:
    """`backup`: files are edited in place (and their old content kept under a name), None: to the output."""
    editor = Editor(process, script.instructions, quiet)
    status = 0
    if backup is not None:
        for path in words:
            try:
                data = await whole(process, path)
            except OSError as error:
                await process.error(f"sed: {path}: {reason(error)}")
                status = 1
                continue
            if backup:
                process.fs.write_bytes(path + backup[2:], data)
            editor = Editor(process, Script(script.text, script.extended).instructions, quiet)
            out = await _run(editor, data)
            process.fs.write_bytes(path, out)
        return editor.leaving or status
    gathered = []
    for path in words or ["-"]:
        try:
            gathered.append(await whole(process, path))
        except OSError as error:
            await process.error(f"sed: {path}: {reason(error)}")
            status = 1
    out = await _run(editor, b"".join(gathered))
    if out:
        await process.stdout.write(out)
    if editor.leaving:
        raise ProcessExit(editor.leaving)
    return status


async def _run(editor: Editor, data: bytes) -> bytes:
    if not data:
        return b""
    ended = data.endswith(b"\n")
    await editor.edit(data.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n"))
    text = "\n".join(editor.out)
    return (text + ("\n" if ended or editor.leaving is not None else "") if editor.out else "").encode(
        "utf-8", "surrogateescape"
    )


COMMANDS: dict[str, Command] = {"sed": sed}
