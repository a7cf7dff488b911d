"""The `sh` program: its options, and where the commands come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pocketkube.images.shell import builtins
from pocketkube.images.shell.builtins.control import OPTIONS
from pocketkube.images.shell.descriptors import decode, reason
from pocketkube.images.shell.interactive import default_prompt, interact, open_document, read_line, unfinished
from pocketkube.images.shell.interpreter import Shell
from pocketkube.images.shell.parser import parse
from pocketkube.images.shell.syntax import ShellSyntaxError
from pocketkube.kubelet.process import Command, Process

Shell.builtins.update(builtins.load())


async def sh(process: Process) -> int:
    """`sh [-euxfnvilC] [-o OPTION] [-c SCRIPT [ARG0 ARGS] | FILE ARGS | -s ARGS]`."""
    shell = Shell(process, process.argv[0])
    words = process.argv[1:]
    from_text = from_stdin = False
    while words and words[0][:1] in ("-", "+") and len(words[0]) > 1:
        word = words.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            continue
        for letter in word[1:]:
            if letter == "c":
                from_text = True
            elif letter == "s":
                from_stdin = True
            elif letter == "i":
                shell.interactive = True
            elif letter == "o" and words:
                option = OPTIONS.get(words[0])
                if option is None:
                    await process.error(f"{shell.name}: set: line 0: illegal option -o {words[0]}")
                    return 2
                words.pop(0)
                shell.options.add(option)
            elif letter == "l":
                continue
            elif letter in OPTIONS.values():
                (shell.options.add if word[0] == "-" else shell.options.discard)(letter)
            else:
                await process.error(f"{shell.name}: illegal option {word[0]}{letter}")
                return 2
    shell.variables.export_all = "a" in shell.options
    _defaults(shell)
    if from_text:
        if not words:
            await process.error(f"{shell.name}: -c requires an argument")
            return 2
        text = words.pop(0)
        if words:
            shell.name = words[0]
        shell.positional = words[1:]
        return await shell.life(lambda: shell.run_text(text, final=True))
    if words and not from_stdin:
        return await _script(shell, words)
    shell.positional = words
    if getattr(process.fds.get(0), "terminal", None) is not None or shell.interactive:
        shell.interactive = True
        return await interact(shell)
    return await shell.life(_from_stdin(shell))


def _defaults(shell: Shell) -> None:
    process = shell.process
    values = shell.variables
    values["IFS"] = " \t\n"
    values["PS1"] = default_prompt(shell)
    values["PS2"] = "> "
    values["PS4"] = "+ "
    values["OPTIND"] = "1"
    values["PPID"] = str(process.parent.pid if process.parent else 0)
    values["PWD"] = process.cwd
    if "PATH" not in values:
        values["PATH"] = "/sbin:/usr/sbin:/bin:/usr/bin"


async def _script(shell: Shell, words: list[str]) -> int:
    shell.name = shell.script = words[0]
    shell.positional = words[1:]
    try:
        text = decode(shell.process.fs.read_bytes(words[0]))
    except OSError as error:
        text = "No such file or directory" if isinstance(error, FileNotFoundError) else reason(error)
        await shell.process.error(f"{shell.process.argv[0]}: can't open '{words[0]}': {text}")
        return 2
    return await shell.life(_chunks(shell, text))


def _chunks(shell: Shell, text: str) -> Callable[[], Awaitable[int]]:
    """Run a script command by command, as it is read: what precedes a syntax error still runs."""

    async def work() -> int:
        try:
            program = parse(text)
        except ShellSyntaxError as error:
            lines = text.splitlines(keepends=True)
            for end in range(len(lines) - 1, 0, -1):
                try:
                    head = parse("".join(lines[:end]))
                except ShellSyntaxError:
                    continue
                await shell.run(head)
                break
            raise error from None
        return await shell.run(program)

    return work


def _from_stdin(shell: Shell) -> Callable[[], Awaitable[int]]:
    """Commands from standard input, one complete command after the other, so that they can read it too."""

    async def work() -> int:
        pending = ""
        while True:
            line = await read_line(shell.process)
            pending += decode(line)
            if not pending:
                return shell.status
            try:
                program = parse(pending)
            except ShellSyntaxError as error:
                if line and unfinished(error):
                    continue
                raise
            if line and open_document(pending):
                continue
            pending = ""
            await shell.run(program)

    return work


COMMANDS: dict[str, Command] = {"sh": sh, "ash": sh}
