"""The shell at a terminal: prompt, line editing, history, completion, and jobs in process groups of their own.

As BusyBox ash has it, on Debian with the prompts of its bash and dash. Left out: stopping jobs (^Z, fg, bg).
"""

from __future__ import annotations

import asyncio
import re
import signal
from typing import Any

from pocketkube.images.shell.descriptors import decode
from pocketkube.images.shell.editing import LONGEST, Editor, Interrupted
from pocketkube.images.shell.interpreter import Shell
from pocketkube.images.shell.parser import parse
from pocketkube.images.shell.scanner import Scanner
from pocketkube.images.shell.state import ExpansionFailure, JobInterrupted, LoopJump, Return, ShellFailure
from pocketkube.images.shell.syntax import ShellSyntaxError
from pocketkube.kubelet.filesystem.tree import DIRECTORY
from pocketkube.kubelet.process import Process

_HISTORY = 500
"""Lines that are kept."""
_HISTORY_SIZE = 4 << 20
"""Bytes of the history file that are read."""
_LONGEST = 64 << 10
"""Characters of a command over several lines: with each, all of it is looked at again."""
_LOOKED_AT = 1000
"""Names that Tab looks at one by one, for whether they are folders."""
_SPECIAL = re.compile(r"([ \t\\'\"`$&*()\[\]{}<>|;?#~!])")
_WORD = re.compile(r"(?:[^\s\\|&;<>()]|\\.)*\Z", re.DOTALL)


def unfinished(error: ShellSyntaxError) -> bool:
    """Whether more lines could mend it."""
    return error.text.startswith(
        ("unexpected end of file", "unterminated", "unexpected newline", "missing '", "EOF in")
    )


def open_document(text: str) -> bool:
    """Whether the text ends within a here-document, or with an escaped newline."""
    if text.endswith("\\\n"):
        return True
    scanner = Scanner(text)
    scanner.command("")
    return scanner.unfinished


async def read_line(process: Process) -> bytes:
    out = bytearray()
    while byte := await process.stdin.read(1):
        await process.turn()
        out += byte
        if byte == b"\n":
            break
    return bytes(out)


def default_prompt(shell: Shell) -> str:
    """PS1 of the image's shell: ash's, or those of Debian's bash and dash."""
    debian = shell.process.fs.lexists("/etc/debian_version")
    if shell.name.rsplit("/", 1)[-1].lstrip("-") == "bash":
        return r"\u@\h:\w\$ " if debian else r"bash-5.2\$ "
    return r"\$ " if debian else r"\w \$ "


def prompt(shell: Shell) -> str:
    home = shell.variables.get("HOME", "")
    cwd = shell.process.cwd
    if home not in ("", "/") and (cwd == home or cwd.startswith(home + "/")):
        cwd = "~" + cwd[len(home) :]
    values = {
        "w": cwd,
        "W": cwd.rstrip("/").rsplit("/", 1)[-1] or "/",
        "h": shell.process.hostname.partition(".")[0],
        "H": shell.process.hostname,
        "u": _user(shell.process),
        "$": "#" if shell.process.uid == 0 else "$",
        "n": "\n",
        "e": "\x1b",
        "[": "",
        "]": "",
        "\\": "\\",
    }
    text = shell.variables.get("PS1", "")
    return re.sub(r"\\(.)", lambda found: values.get(found.group(1), found.group()), text)


def _user(process: Process) -> str:
    try:
        rows = process.fs.read_bytes("/etc/passwd").decode(errors="replace").splitlines()
    except OSError:
        rows = []
    return next((row.split(":")[0] for row in rows if row.split(":")[2:3] == [str(process.uid)]), "?")


class Keyboard:
    """Lines from the shell's terminal, edited, with the history of them."""

    def __init__(self, shell: Shell, terminal: Any) -> None:
        self._shell = shell
        self._terminal = terminal
        shell.history = self._load()

    async def line(self, prompt: str) -> str | None:
        """The next line with its newline, None at the end. Raises Interrupted."""
        terminal = self._terminal
        with terminal.raw():
            editor = Editor(prompt, terminal.size[0], self._shell.history, self._complete)
            await self._show(editor.start())
            try:
                while not (editor.done or editor.ended):
                    await self._shell.process.turn()  # what is pasted waits for nothing
                    key = await self._shell.process.stdin.read(1)
                    if not key:
                        return None
                    editor.resize(terminal.size[0])
                    await self._show(editor.feed(key))
            except Interrupted:
                await self._show("^C\n")
                raise
        if editor.ended:
            await self._show("\n")
            return None
        self._remember(editor.text)
        return editor.text + "\n"

    async def _show(self, text: str) -> None:
        if text:
            await self._shell.write(2, text)

    def _load(self) -> list[str]:
        file = self._shell.variables.get("HISTFILE")
        try:
            text = decode(self._shell.process.fs.read_bytes(file, _HISTORY_SIZE)) if file else ""
        except OSError:
            text = ""
        return [line[:LONGEST] for line in text.splitlines()[-_HISTORY:]]

    def _remember(self, line: str) -> None:
        history = self._shell.history
        if not line.strip() or line.startswith(" ") or history[-1:] == [line]:
            return
        history.append(line)
        del history[:-_HISTORY]

    def save(self) -> None:
        """Write the history file; one that cannot be written is nobody's business."""
        file = self._shell.variables.get("HISTFILE")
        if file and self._shell.history:
            text = "".join(line + "\n" for line in self._shell.history)
            try:
                self._shell.process.fs.write_bytes(
                    self._shell.process.path(file), text.encode(errors="surrogateescape")
                )
            except OSError:
                return

    def _complete(self, before: str) -> tuple[int, list[str]]:
        """Commands for the first word of a command, files for any other."""
        found = _WORD.search(before)
        start = found.start() if found else len(before)
        word = re.sub(r"\\(.)", r"\1", before[start:])
        first = re.search(r"(?:^|[|&;(]|\b(?:if|then|else|do|while|until|!))\s*\Z", before[:start])
        names = self._commands(word) if first and "/" not in word else self._files(word)
        return start, sorted(set(names))[:10_000]

    def _commands(self, word: str) -> list[str]:
        shell = self._shell
        names = {*shell.builtins, *shell.functions, *shell.aliases}
        for folder in shell.variables.get("PATH", "").split(":"):
            if folder:
                names |= set(shell.names(folder))
        return [_SPECIAL.sub(r"\\\1", name) + " " for name in names if name.startswith(word)]

    def _files(self, word: str) -> list[str]:
        folder, slash, name = word.rpartition("/")
        where = folder + slash
        if where.startswith("~/"):
            where = self._shell.variables.get("HOME", "") + where[1:]
        fs = self._shell.process.fs
        out: list[str] = []
        for entry in self._shell.names(where or "."):
            if not entry.startswith(name) or (entry.startswith(".") and not name.startswith(".")):
                continue
            try:
                path = self._shell.process.path(where + entry)
                end = "/" if len(out) < _LOOKED_AT and fs.stat(path).kind == DIRECTORY else " "
            except OSError:
                end = " "
            out.append(_SPECIAL.sub(r"\\\1", folder + slash + entry).replace("\\~", "~", word[:1] == "~") + end)
        return out


async def interact(shell: Shell) -> int:
    """A prompt, a line, its commands: errors and ^C end the line, not the shell."""
    process = shell.process
    running = interrupted = False

    def interrupt(number: int) -> None:
        nonlocal interrupted
        if running and not interrupted and process.task is not None:
            interrupted = True
            process.task.cancel()

    for number in (signal.SIGTERM, signal.SIGQUIT):
        process.on_signal(number, lambda number: None)  # not ignored: children would ignore them, too
    terminal = getattr(process.fds.get(0), "terminal", None)
    keyboard = None
    if hasattr(terminal, "raw"):
        shell.terminal = terminal
        if shell.variables.get("HOME"):
            shell.variables.setdefault("HISTFILE", shell.variables["HOME"].rstrip("/") + "/.ash_history")
        keyboard = Keyboard(shell, terminal)

    async def line(text: str) -> str | None:
        if keyboard is not None:
            return await keyboard.line(text)
        await shell.write(2, text)
        return decode(await read_line(process)) or None

    async def run(text: str) -> bool:
        """Whether the text was a whole command."""
        nonlocal running, interrupted
        if not text.endswith("\n"):
            program = parse(text)
        else:
            try:
                if open_document(text):
                    return False
                program = parse(text)
            except ShellSyntaxError as error:
                if unfinished(error):
                    return False
                raise
        running, interrupted = True, False
        try:
            await shell.run(program)
        except asyncio.CancelledError:
            if not interrupted or process.task is None or process.task.uncancel():
                raise
            await shell.write(2, "\n")
            shell.status = 128 + signal.SIGINT
        finally:
            running = False
            shell.foreground(None)
        return True

    async def work() -> int:
        pending = ""
        while True:
            if signal.SIGINT not in shell.traps:
                process.on_signal(signal.SIGINT, interrupt)
            try:
                if not pending:
                    await shell.tell_jobs()
                read = await line(prompt(shell) if not pending else shell.variables.get("PS2", "> "))
                if read is None and not pending:
                    return shell.status
                pending += read or ""
                if len(pending) > _LONGEST:
                    await shell.say(f"a command of more than {_LONGEST} characters: put it into a file")
                    pending = ""
                    continue
                await process.turn()
                if read is None:
                    pending = pending.removesuffix("\n")
                if await run(pending):
                    pending = ""
                continue
            except ShellSyntaxError as error:
                await shell.say(f"syntax error: {error.text}")
                shell.status = 2
            except (ShellFailure, ExpansionFailure) as failure:
                await shell.say(str(failure))
                shell.status = getattr(failure, "status", 2)
            except Interrupted:
                shell.status = 128 + signal.SIGINT
            except JobInterrupted:
                await shell.write(2, "\n")
                shell.status = 128 + signal.SIGINT
            except (LoopJump, Return):
                pass
            pending = ""

    try:
        return await shell.life(work)
    finally:
        if keyboard is not None:
            keyboard.save()
