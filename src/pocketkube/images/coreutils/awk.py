"""awk: the pattern scanning language, as POSIX and BusyBox have it, with gensub, strftime and bit operations.

Runs the tree of `awk_syntax`. Every loop, record and call lets others have their turn; strings end at 8 MiB, arrays at
the 64 MiB a program may hold. Patterns are RE2's. Left out: locales, gawk's sorting and networking; recursion ends some
hundred calls deep.
"""

from __future__ import annotations

from typing import Any

from pocketkube.images.coreutils.awk_expressions import Expressions, Jump
from pocketkube.images.coreutils.awk_syntax import Node, parse
from pocketkube.images.coreutils.awk_tokens import AwkSyntaxError, unescape
from pocketkube.images.coreutils.awk_values import UNSET, AwkFailure, Input, integer, number, printf, text, truth
from pocketkube.images.coreutils.options import reason, usage, whole
from pocketkube.kubelet.process import Command, Process, ProcessExit


class Awk(Expressions):
    """One running program."""

    # Life

    async def run(self) -> int:
        try:
            try:
                for block in self.program.begin:
                    await self.execute(block)
                if self.program.main or self.program.end:
                    while (record := await self.next_record()) is not None:
                        self.set_record(record)
                        await self.rules()
            except Jump as jump:
                if jump.kind != "exit":
                    raise
            self.steps = 0
            for block in self.program.end if not getattr(self, "ended", False) else []:
                await self.execute(block)
        except Jump:
            pass
        finally:
            await self.streams.close_all()
        return self.status

    async def rules(self) -> None:
        try:
            for at, (pattern, end, action) in enumerate(self.program.main):
                if end is not None and pattern is not None:
                    if at not in self.active:
                        if not truth(await self.value(pattern)):
                            continue
                        self.active.add(at)
                    if truth(await self.value(end)):
                        self.active.discard(at)
                elif pattern is not None and not truth(await self.value(pattern)):
                    continue
                if action is None:
                    await self.streams.out.write(self.whole_record() + text(self.globals["ORS"]))
                else:
                    await self.execute(action)
        except Jump as jump:
            if jump.kind == "nextfile" and self.source is not None:
                await self.source.close()
                self.source = None
            elif jump.kind not in ("next", "nextfile"):
                raise

    # Statements

    async def execute(self, node: Node) -> None:
        await _STATEMENTS[node[0]](self, node)

    async def _block(self, node: Node) -> None:
        for statement in node[1]:
            await _STATEMENTS[statement[0]](self, statement)

    async def _expression(self, node: Node) -> None:
        await self.value(node[1])

    async def _if(self, node: Node) -> None:
        if truth(await self.value(node[1])):
            await self.execute(node[2])
        elif node[3] is not None:
            await self.execute(node[3])

    async def turn(self, body: Node) -> bool:
        """One turn of a loop: whether it goes on."""
        await self.breathe()
        try:
            await self.execute(body)
        except Jump as jump:
            if jump.kind == "break":
                return False
            if jump.kind != "continue":
                raise
        return True

    async def _while(self, node: Node) -> None:
        while truth(await self.value(node[1])) and await self.turn(node[2]):
            pass

    async def _do(self, node: Node) -> None:
        while await self.turn(node[1]) and truth(await self.value(node[2])):
            pass

    async def _for(self, node: Node) -> None:
        _, start, condition, step, body = node
        if start is not None:
            await self.execute(start)
        while condition is None or truth(await self.value(condition)):
            if not await self.turn(body):
                return
            if step is not None:
                await self.execute(step)

    async def _forin(self, node: Node) -> None:
        array = self.array(node[2])
        for key in list(array):
            if key in array:
                await self.assign(node[1], Input(key))
                if not await self.turn(node[3]):
                    return

    async def _jump(self, node: Node) -> None:
        raise Jump(node[0])

    async def _return(self, node: Node) -> None:
        raise Jump("return", await self.value(node[1]) if node[1] is not None else UNSET)

    async def _exit(self, node: Node) -> None:
        if node[1] is not None:
            self.status = integer(number(await self.value(node[1]))) & 0xFF
        raise Jump("exit")

    async def _delete(self, node: Node) -> None:
        array = self.array(node[1])
        if node[2] is None:
            array.clear()
        else:
            array.pop(await self.subscript(node[2]), None)

    async def _print(self, node: Node) -> None:
        _, arguments, redirection, target = node
        form = text(self.globals["OFMT"])
        if arguments:
            line = text(self.globals["OFS"]).join([text(await self.value(argument), form) for argument in arguments])
        else:
            line = self.whole_record()
        await self.write(line + text(self.globals["ORS"]), redirection, target)

    async def _printf(self, node: Node) -> None:
        values = [await self.value(argument) for argument in node[1]]
        if not values:
            raise AwkFailure("cmd. line:1: Too few arguments")
        await self.write(printf(text(values[0]), values[1:]), node[2], node[3])

    async def write(self, line: str, redirection: str | None, target: Node | None) -> None:
        sink = self.streams.out
        if redirection is not None and target is not None:
            sink = await self.streams.sink(redirection, text(await self.value(target)))
        await sink.write(line)


_NAMES = {"break": "jump", "continue": "jump", "next": "jump", "nextfile": "jump"}
_KINDS = "block expression if while do for forin return exit delete print printf"
_STATEMENTS: dict[str, Any] = {
    kind: getattr(Awk, f"_{_NAMES.get(kind, kind)}") for kind in (*_NAMES, *_KINDS.split(" "))
}


async def awk(process: Process) -> int:
    """`awk [-F FS] [-v NAME=VALUE] [-f FILE | -e TEXT | PROGRAM] [FILE | NAME=VALUE]...`."""
    words = process.argv[1:]
    separator: str | None = None
    given: list[str] = []
    texts: list[str] = []
    while words and words[0].startswith("-") and len(words[0]) > 1:
        word = words.pop(0)
        if word == "--":
            break
        letter, value = word[1], word[2:]
        if letter not in "Fvfe":
            await usage(process, f"unrecognized option: {letter}")
        if not value:
            if not words:
                await usage(process, f"option requires an argument: {letter}")
            value = words.pop(0)
        if letter == "F":
            separator = "\t" if value == "t" else unescape(value)
        elif letter == "v":
            given.append(value)
        elif letter == "f":
            try:
                texts.append((await whole(process, value)).decode("utf-8", "surrogateescape"))
            except OSError as error:
                await process.error(f"awk: {value}: {reason(error)}")
                return 1
        else:
            texts.append(value)
    if not texts:
        if not words:
            await usage(process)
        texts.append(words.pop(0))
    try:
        running = Awk(process, parse("\n".join(texts)))
        if separator is not None:
            running.globals["FS"] = separator
        arguments = ["awk", *words]
        running.globals["ARGC"] = float(len(arguments))
        running.globals["ARGV"] = {str(at): Input(word) for at, word in enumerate(arguments)}
        for assignment in given:
            name, equals, value = assignment.partition("=")
            if not equals or not name.isidentifier():
                await usage(process)
            await running.set_variable(name, Input(unescape(value)))
        return await running.run()
    except AwkSyntaxError as error:
        await process.error(f"awk: {error}")
    except AwkFailure as failure:
        await process.error(f"awk: {failure}")
    except MemoryError:
        await process.error("awk: out of memory")
    raise ProcessExit(1)


COMMANDS: dict[str, Command] = {"awk": awk}
