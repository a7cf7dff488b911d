"""What every shell has: its state, its messages, its parameters, its life and its signals."""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

from pocketkube.images.shell import syntax
from pocketkube.images.shell.descriptors import encode
from pocketkube.images.shell.state import (
    ExpansionFailure,
    JobInterrupted,
    Leave,
    LoopJump,
    Return,
    ShellFailure,
    Variables,
)
from pocketkube.kubelet.process import Process
from pocketkube.kubelet.terminal import ProcessGroup, Terminal

Builtin = Callable[[Any, list[str]], Awaitable[int]]


_LONGEST_VALUE = 8 << 20
"""Characters of a variable: one that doubles in a loop would soon be larger than the machine."""
_LARGE_VALUE = 1 << 16
"""From so many characters on, a variable counts as memory."""


class Core:
    """A shell without its commands. `name` is $0."""

    builtins: dict[str, Builtin] = {}

    def __init__(self, process: Process, name: str = "sh") -> None:
        self.process = process
        self.name = name
        self.script: str | None = None
        """The file the commands come from: then messages tell the line."""
        self.variables = Variables(process.env)
        self.variables.exported = set(process.env)
        self.functions: dict[str, syntax.Node] = {}
        self.aliases: dict[str, str] = {}
        self.positional: list[str] = []
        self.options: set[str] = set()
        self.interactive = False
        self.terminal: Terminal | None = None
        """That of an interactive shell, which gives it to the jobs it waits for."""
        self.history: list[str] = []
        self.status = 0
        self.tested = False
        """The failure of the builtin that runs is looked at: `set -e` does not act within `eval` either."""
        self.line = 0
        self.background = 0
        self.jobs: dict[int, Process] = {}
        self.job_texts: dict[int, str] = {}
        self.traps: dict[int, str] = {}
        self.pending: list[int] = []
        self.signalled = asyncio.Event()
        self.shell_pid = process.pid
        self.loops = 0
        self.calls = 0
        self.scopes: list[dict[str, tuple[str | None, bool]]] = []
        self.option_offset = 0
        """Where `getopts` stands within a cluster of options."""
        self._substituted: int | None = None
        self._in_trap = False
        self._turn = time.perf_counter()

    def fork(self) -> Self:
        """A copy for a subshell: as the parent, but caught signals are back to their default."""
        twin = copy.copy(self)
        twin.variables = self.variables.copy()
        twin.functions = dict(self.functions)
        twin.aliases = dict(self.aliases)
        twin.positional = list(self.positional)
        twin.options = set(self.options)
        twin.scopes = [dict(scope) for scope in self.scopes]
        twin.traps = {number: action for number, action in self.traps.items() if not action}
        twin.jobs = {}
        twin.job_texts = {}
        twin.pending = []
        twin.signalled = asyncio.Event()
        twin.interactive = False
        twin.terminal = None
        twin._in_trap = False
        return twin

    # Messages

    async def say(self, text: str, command: str | None = None) -> None:
        """An error message as ash words it: builtins and scripts tell the line."""
        prefix = f"{self.name}: "
        if command or self.script:
            prefix += f"{command}: " if command else ""
            if not self.interactive or self.script:
                prefix += f"line {self.line if self.script else 0}: "
        await self.write(2, f"{prefix}{text}\n")

    async def write(self, descriptor: int, text: str) -> None:
        stream = self.process.fds.get(descriptor)
        if stream is None:
            raise OSError(9, "Bad file descriptor")
        await stream.write(encode(text))

    # Parameters

    def parameter(self, name: str) -> str | None:
        """The value of `$name`, None when it is not set."""
        if name[0].isdigit():
            number = int(name)
            if number == 0:
                return self.name
            return self.positional[number - 1] if number <= len(self.positional) else None
        match name:
            case "@" | "*":
                separator = " " if name == "@" else self.variables.get("IFS", " ")[:1]
                return separator.join(self.positional)  # set, if to nothing
            case "#":
                return str(len(self.positional))
            case "?":
                return str(self.status)
            case "$":
                return str(self.shell_pid)
            case "!":
                return str(self.background) if self.background else None
            case "-":
                return "".join(sorted(option for option in self.options if len(option) == 1))
            case "LINENO":
                return str(self.line)
            case "RANDOM" if "RANDOM" not in self.variables:
                return str(int.from_bytes(os.urandom(2), "big") >> 1)
        return self.variables.get(name)

    def assign(self, name: str, value: str) -> None:
        if len(value) > _LONGEST_VALUE:
            self.process.memory.exhaust()
            raise ExpansionFailure("out of memory")
        self.variables[name] = value
        if len(value) > _LARGE_VALUE:
            held = sum(len(found) for found in self.variables.values() if len(found) > _LARGE_VALUE)
            self.process.memory.claim(held - self.process.memory.size)
        if name == "OPTIND":
            self.option_offset = 0

    def put_back(self, kept: dict[str, tuple[str | None, bool]]) -> None:
        """Make variables what they were: value, and whether exported."""
        for name, (value, exported) in kept.items():
            if value is None:
                self.variables.pop(name, None)
                self.variables.exported.discard(name)
                continue
            dict.__setitem__(self.variables, name, value)
            (self.variables.exported.add if exported else self.variables.exported.discard)(name)

    def names(self, folder: str) -> list[str]:
        try:
            return self.process.fs.listdir(folder)
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        return self.process.fs.lexists(path)

    async def substitute(self, body: syntax.Sequence) -> str:
        """The output of `$(...)`."""
        raise NotImplementedError

    async def run_text(self, text: str, *, tested: bool = False, final: bool = False) -> int:
        """Run a program. Raises ShellSyntaxError and what leaves a command."""
        raise NotImplementedError

    async def life(self, work: Callable[[], Awaitable[int]]) -> int:
        """A shell's whole life around `work`: errors that end it, `exit`, the EXIT trap. The exit status."""
        try:
            self.status = await work()
        except Leave as left:
            self.status = left.status
        except Return as returned:
            self.status = returned.status
        except LoopJump:
            pass
        except syntax.ShellSyntaxError as error:
            self.line = error.line
            await self.say(f"syntax error: {error.text}")
            self.status = 2
        except (ShellFailure, ExpansionFailure) as failure:
            await self.say(str(failure))
            self.status = getattr(failure, "status", 2)
        return await self._exit_trap()

    async def _exit_trap(self) -> int:
        action = self.traps.pop(0, "")
        if action:
            status = self.status
            try:
                await self.run_text(action)
                self.status = status
            except Leave as left:
                self.status = left.status
            except (ShellFailure, ExpansionFailure, syntax.ShellSyntaxError) as failure:
                await self.say(str(failure))
        return self.status

    # Jobs

    def foreground(self, job: Process | None) -> None:
        """Give the terminal to a job, or take it back."""
        if self.terminal is not None:
            group = self.process.group if job is None else job.group
            self.terminal.foreground = ProcessGroup(self.process.namespace, group)

    def lead(self, child: Process, leader: Process | None = None) -> None:
        """An interactive shell's job is a group of its own; `leader` is the first process of it."""
        if self.terminal is not None:
            child.group = (leader or child).pid

    async def ended(self, child: Process) -> int:
        """Wait for a job in the foreground: its exit code. Raises JobInterrupted after ^C."""
        self.foreground(child)
        status = await child.wait()
        self.foreground(None)
        if status == 128 + signal.SIGINT and self.terminal is not None:
            raise JobInterrupted
        return status

    async def tell_jobs(self) -> None:
        """What an interactive shell says before its prompt: which jobs in the background have ended."""
        for number, pid in enumerate(list(self.jobs), 1):
            job = self.jobs[pid]
            if job.exit_code is not None:
                del self.jobs[pid]
                state = "Done" if not job.exit_code else f"Done({job.exit_code})"
                if job.exit_code > 128:
                    state = signal.strsignal(job.exit_code - 128) or state
                current = "+" if number == len(self.jobs) + 1 else "-"
                await self.write(2, f"[{number}]{current}  {state:<26} {self.job_texts.pop(pid, '')}\n")

    # Signals

    def trap(self, number: int, action: str | None) -> None:
        """Set what a signal does: None is its default, "" ignores it. Number 0 is the shell's exit."""
        if action is None:
            self.traps.pop(number, None)
            if number:
                self.process.default_signal(number)
            return
        self.traps[number] = action
        if number:
            self.process.on_signal(number, self._caught if action else None)

    def _caught(self, number: int) -> None:
        self.pending.append(number)
        self.signalled.set()

    async def run_traps(self) -> None:
        while self.pending and not self._in_trap:
            number = self.pending.pop(0)
            if not self.pending:
                self.signalled.clear()
            action = self.traps.get(number, "")
            if action:
                status = self.status
                self._in_trap = True
                try:
                    await self.run_text(action)
                finally:
                    self._in_trap = False
                self.status = status
