"""Runs shell programs as BusyBox ash does: the commands of `syntax`, in a process of the container.

Each element of a pipeline, each subshell, command substitution and background job is a process of its own, a copy of
the shell. Every command lets other tasks run now and then, so no loop can hold up the cluster.
"""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pocketkube.images.shell import expand, patterns, syntax
from pocketkube.images.shell.descriptors import Collector, Document, OpenFile, decode, encode, pipe, reason
from pocketkube.images.shell.expand import ExpansionFailure
from pocketkube.images.shell.parser import parse
from pocketkube.images.shell.state import Leave, LoopJump, Return, ShellFailure, Variables
from pocketkube.kubelet.process import Nothing, Process, ProcessExit, hold, release

Builtin = Callable[["Shell", list[str]], Awaitable[int]]
DECLARATIONS = frozenset({"export", "readonly", "local", "alias"})
SPECIAL = frozenset(
    {".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "source",
     "times", "trap", "unset"}
)  # fmt: skip
_SLICE = 0.002
"""Seconds a shell computes before it lets others run."""


class Shell:
    """One shell. `name` is $0."""

    builtins: dict[str, Builtin] = {}  # noqa: RUF012

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
        self.status = 0
        self.line = 0
        self.background = 0
        self.jobs: dict[int, Process] = {}
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

    def fork(self) -> Shell:
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
        twin.pending = []
        twin.signalled = asyncio.Event()
        twin.interactive = False
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
                return separator.join(self.positional) if self.positional else None
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
        self.variables[name] = value
        if name == "OPTIND":
            self.option_offset = 0

    def names(self, folder: str) -> list[str]:
        try:
            return self.process.fs.listdir(folder)
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        return self.process.fs.lexists(path)

    # Whole programs

    async def run_text(self, text: str, *, final: bool = False) -> int:
        """Run a program. Raises ShellSyntaxError and what leaves a command."""
        return await self.run(parse(text), final=final)

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

    async def _breathe(self) -> None:
        now = time.perf_counter()
        if now - self._turn > _SLICE:
            await asyncio.sleep(0)
            self._turn = time.perf_counter()

    # Commands

    async def run(self, node: syntax.Node, *, tested: bool = False, final: bool = False) -> int:
        """Run a command. `tested`: its failure is looked at, so `set -e` does not act; `final`: nothing follows."""
        await self._breathe()
        runner: Any = _RUNNERS[type(node)]
        self.status = await runner(self, node, tested, final)
        if self.pending:
            await self.run_traps()
        return self.status

    def _errexit(self, status: int, tested: bool) -> int:
        if status and not tested and "e" in self.options:
            raise Leave(status)
        return status

    async def _sequence(self, node: syntax.Sequence, tested: bool, final: bool) -> int:
        status = 0
        last = len(node.items) - 1
        for number, (item, background) in enumerate(node.items):
            if background:
                self._start_job(item)
                status = self.status = 0
            else:
                status = await self.run(item, tested=tested, final=final and number == last)
        return status

    def _start_job(self, node: syntax.Node) -> None:
        child = self.spawn(node, {0: Nothing()} if not self.interactive else {}, background=True)
        self.background = child.pid
        self.jobs[child.pid] = child

    async def _and_or(self, node: syntax.AndOr, tested: bool, final: bool) -> int:
        status = await self.run(node.first, tested=True)
        if (status == 0) != (node.operator == "&&"):
            return status
        return await self.run(node.second, tested=tested, final=final)

    async def _pipeline(self, node: syntax.Pipeline, tested: bool, final: bool) -> int:
        if len(node.commands) == 1:
            status = await self.run(node.commands[0], tested=tested or node.negated)
        else:
            status = await self._connected(node.commands)
            if not node.negated:
                self._errexit(status, tested)
        return int(not status) if node.negated else status

    async def _connected(self, commands: tuple[syntax.Node, ...]) -> int:
        children: list[Process] = []
        source: Any = None
        for number, command in enumerate(commands):
            fds: dict[int, Any] = {}
            if source is not None:
                fds[0] = source
            following = None
            if number < len(commands) - 1:
                following, fds[1] = pipe()
                following.hold()
            children.append(self.spawn(command, fds))
            if source is not None:
                source.release()
            source = following
        statuses = [await child.wait() for child in children]
        if "pipefail" in self.options:
            return next((status for status in reversed(statuses) if status), 0)
        return statuses[-1]

    async def _if(self, node: syntax.If, tested: bool, final: bool) -> int:
        if not await self.run(node.condition, tested=True):
            return await self.run(node.then, tested=tested, final=final)
        if node.otherwise is not None:
            return await self.run(node.otherwise, tested=tested, final=final)
        return 0

    async def _loop(self, turn: Callable[[], Awaitable[bool]]) -> None:
        """Take turns until one says False; serves break and continue."""
        self.loops += 1
        try:
            while True:
                await self._breathe()
                try:
                    if not await turn():
                        return
                except LoopJump as jump:
                    if jump.loops > 1 and self.loops > 1:
                        raise LoopJump(jump.loops - 1, jump.goes_on) from None
                    if not jump.goes_on:
                        self.status = 0
                        return
        finally:
            self.loops -= 1

    async def _while(self, node: syntax.While, tested: bool, final: bool) -> int:
        status = 0

        async def turn() -> bool:
            nonlocal status
            if bool(await self.run(node.condition, tested=True)) != node.until:
                return False
            status = await self.run(node.body, tested=tested)
            return True

        await self._loop(turn)
        return status

    async def _for(self, node: syntax.For, tested: bool, final: bool) -> int:
        status = 0
        values = iter(list(self.positional) if node.words is None else await expand.fields(self, node.words))

        async def turn() -> bool:
            nonlocal status
            for value in values:
                self.assign(node.name, value)
                status = await self.run(node.body, tested=tested)
                return True
            return False

        await self._loop(turn)
        return status

    async def _case(self, node: syntax.Case, tested: bool, final: bool) -> int:
        value = await expand.single(self, node.word)
        for alternatives, body in node.items:
            for alternative in alternatives:
                if patterns.matches(await expand.pattern(self, alternative), value):
                    return await self.run(body, tested=tested, final=final) if body.items else 0
        return 0

    async def _function(self, node: syntax.Function, tested: bool, final: bool) -> int:
        self.functions[node.name] = node.body
        return 0

    async def _group(self, node: syntax.Group, tested: bool, final: bool) -> int:
        return await self.run(node.body, tested=tested, final=final)

    async def _subshell(self, node: syntax.Subshell, tested: bool, final: bool) -> int:
        status = await self.spawn(node.body, {}, tested=tested).wait()
        return self._errexit(status, tested)

    async def _redirected(self, node: syntax.Redirected, tested: bool, final: bool) -> int:
        opened = await self.open_redirects(node.redirects)
        if opened is None:
            return self._errexit(1, tested)
        saved = self.lay(opened)
        try:
            return await self.run(node.body, tested=tested)
        finally:
            self.restore(saved)

    # Processes

    def spawn(
        self, node: syntax.Node, fds: dict[int, Any], *, background: bool = False, tested: bool = False
    ) -> Process:
        """A subshell that runs a command."""

        shell = self.fork()

        async def main(process: Process) -> int:
            shell.process = process
            if background and not self.interactive:
                process.on_signal(signal.SIGINT, None)
                process.on_signal(signal.SIGQUIT, None)
            return await shell.life(lambda: shell.run(node, tested=tested, final=True))

        return self.process.spawn(list(self.process.argv), main=main, fds=fds)

    async def substitute(self, body: syntax.Sequence) -> str:
        """The output of `$(...)` without the newlines at its end."""
        if not body.items:
            return ""
        collector = Collector()
        child = self.spawn(body, {1: collector})
        data = await collector.everything()
        # $? keeps its value until the command is over; only an assignment takes this status.
        self._substituted = await child.wait()
        return decode(data.replace(b"\0", b"")).rstrip("\n")

    # Redirections

    async def open_redirects(self, redirects: tuple[syntax.Redirect, ...]) -> dict[int, Any] | None:
        """Descriptor -> what it becomes, None to close it. None altogether when one failed; that was told."""
        opened: dict[int, Any] = {}
        for redirect in redirects:
            try:
                opened[redirect.descriptor] = await self._open(redirect, opened)
            except OSError as error:
                await self.say(error.args[1] if len(error.args) > 1 else str(error))
                for stream in opened.values():
                    if isinstance(stream, OpenFile):
                        stream.close()
                return None
        return opened

    async def _open(self, redirect: syntax.Redirect, opened: dict[int, Any]) -> Any:
        if redirect.operator == "<<":
            return Document(encode(await expand.single(self, redirect.word)))
        target = await expand.single(self, redirect.word)
        if redirect.operator in ("<&", ">&"):
            if target in ("-", ""):
                return None
            if target.isdecimal():
                number = int(target)
                stream = opened[number] if number in opened else self.process.fds.get(number)
                if stream is None:
                    raise OSError(9, f"dup2({number},{redirect.descriptor}): Bad file descriptor")
                return stream
            if redirect.operator == "<&":
                raise ShellFailure("syntax error: bad fd number")
        path = target
        fs = self.process.fs
        mode = {"<": "r", ">>": "a", "<>": "r+"}.get(redirect.operator, "w")
        if redirect.operator == ">" and "C" in self.options and fs.is_file(self.process.path(path)):
            raise OSError(17, f"can't create {path}: File exists")
        try:
            return OpenFile(fs.open(self.process.path(path) if path else path, mode))
        except FileNotFoundError:
            text = f"can't open {path}: no such file" if mode == "r" else f"can't create {path}: nonexistent directory"
            raise OSError(2, text) from None
        except OSError as error:
            verb = "open" if mode == "r" else "create"
            raise OSError(error.errno, f"can't {verb} {path}: {reason(error)}") from None

    def lay(self, opened: dict[int, Any]) -> dict[int, Any]:
        """Put descriptors in place for a while; gives what `restore` needs."""
        saved = {number: self.process.fds.get(number) for number in opened}
        for number, stream in opened.items():
            if stream is None:
                self.process.fds.pop(number, None)
            else:
                hold(stream)
                self.process.fds[number] = stream
        return saved

    def restore(self, saved: dict[int, Any]) -> None:
        for number, stream in saved.items():
            current = self.process.fds.pop(number, None)
            if current is not None:
                release(current)
            if stream is not None:
                self.process.fds[number] = stream

    # Simple commands

    async def _simple(self, node: syntax.Simple, tested: bool, final: bool) -> int:
        self.line = node.line
        self._substituted = None
        argv = await self._arguments(node.words)
        if not argv:
            return self._errexit(await self._assign_only(node), tested)
        if "x" in self.options:
            await self._trace(
                [f"{name}={await expand.assignment(self, word)}" for name, word in node.assignments] + argv
            )
        name = argv[0]
        if name in self.aliases and name not in self.functions:
            return await self.run_text(" ".join([self.aliases[name], *map(_quoted, argv[1:])]))
        function = self.functions.get(name) if name not in SPECIAL else None
        builtin = self.builtins.get(name)
        if function is None and builtin is None:
            return self._errexit(await self._external(node, argv, final), tested)
        opened = await self.open_redirects(node.redirects)
        if opened is None:
            if name in SPECIAL and function is None and not self.interactive:
                raise Leave(1)
            return self._errexit(1, tested)
        if name == "exec" and function is None:
            return await self._exec(node, argv, opened)
        assigned = {variable: await expand.assignment(self, word) for variable, word in node.assignments}
        kept = {variable: (self.variables.get(variable), variable in self.variables.exported) for variable in assigned}
        for variable, value in assigned.items():
            self.assign(variable, value)
            if function is not None:
                self.variables.exported.add(variable)
        saved = self.lay(opened)
        try:
            if function is not None:
                status = await self.call(function, argv, tested)
            else:
                assert builtin is not None
                status = await builtin(self, argv)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            await self.say(f"write error: {reason(error)}", name)
            status = 1
        finally:
            self.restore(saved)
            if name not in SPECIAL or function is not None:
                self.put_back(kept)
        return self._errexit(status, tested)

    def put_back(self, kept: dict[str, tuple[str | None, bool]]) -> None:
        for name, (value, exported) in kept.items():
            if value is None:
                self.variables.pop(name, None)
                self.variables.exported.discard(name)
                continue
            dict.__setitem__(self.variables, name, value)
            (self.variables.exported.add if exported else self.variables.exported.discard)(name)

    async def _arguments(self, words: tuple[syntax.Word, ...]) -> list[str]:
        if not words or len(words) == 1:
            return await expand.fields(self, words)
        first = words[0]
        declares = len(first) == 1 and isinstance(first[0], syntax.Text) and first[0].text in DECLARATIONS
        if not declares:
            return await expand.fields(self, words)
        argv = []
        for word in words:
            if word and isinstance(word[0], syntax.Text) and not word[0].quoted and _is_assignment(word[0].text):
                name, _, rest = word[0].text.partition("=")
                value = await expand.assignment(self, (syntax.Text(rest), *word[1:]) if rest else word[1:])
                argv.append(f"{name}={value}")
            else:
                argv += await expand.fields(self, (word,))
        return argv

    async def _assign_only(self, node: syntax.Simple) -> int:
        traced = []
        for name, word in node.assignments:
            value = await expand.assignment(self, word)
            self.assign(name, value)
            traced.append(f"{name}={value}")
        if "x" in self.options and traced:
            await self._trace(traced)
        opened = await self.open_redirects(node.redirects)
        if opened is None:
            return 1
        self.restore(self.lay(opened))
        return self._substituted or 0

    async def _trace(self, words: list[str]) -> None:
        await self.write(2, self.variables.get("PS4", "+ ") + " ".join(_quoted(word) for word in words) + "\n")

    async def call(self, function: syntax.Node, argv: list[str], tested: bool = False) -> int:
        """Run a function with its arguments; `local` variables end with it."""
        if self.calls > 200:
            raise ShellFailure("function nesting limit exceeded")
        positional, self.positional = self.positional, argv[1:]
        loops, self.loops = self.loops, 0
        self.calls += 1
        self.scopes.append({})
        try:
            return await self.run(function, tested=tested)
        except Return as returned:
            return returned.status
        finally:
            self.positional = positional
            self.loops = loops
            self.calls -= 1
            self.put_back(self.scopes.pop())

    async def _external(self, node: syntax.Simple, argv: list[str], final: bool) -> int:
        opened = await self.open_redirects(node.redirects)
        if opened is None:
            return 1
        environment = self.variables.environment()
        for name, word in node.assignments:
            environment[name] = await expand.assignment(self, word)
        if final and not any(self.traps.values()):
            return await self.replace(argv, environment, opened)
        return await self.start(argv, environment, opened)

    async def start(self, argv: list[str], environment: dict[str, str], opened: dict[int, Any]) -> int:
        """Run a program as a child."""
        for stream in opened.values():
            hold(stream)
        try:
            child = self.process.spawn(argv, env=environment, fds=opened)
        except OSError as error:
            saved = self.lay({number: stream for number, stream in opened.items() if number == 2})
            status = await self.not_started(argv[0], error)
            self.restore(saved)
            return status
        finally:
            for stream in opened.values():
                release(stream)
        return await child.wait()

    async def not_started(self, name: str, error: OSError) -> int:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        await self.say(f"{name}: {'not found' if missing else reason(error)}")
        return 127 if missing else 126

    async def replace(self, argv: list[str], environment: dict[str, str], opened: dict[int, Any]) -> int:
        """execve: this process becomes the program. Returns only when it cannot be started."""
        process = self.process
        saved = self.lay(opened)
        try:
            path = process.namespace.find_program(argv[0], cwd=process.cwd, path=environment.get("PATH", ""))
            main, arguments = process.namespace.program(path, argv)
        except OSError as error:
            status = await self.not_started(argv[0], error)
            self.restore(saved)
            return status
        for stream in saved.values():
            release(stream)
        for number, action in self.traps.items():
            if number and action:
                process.default_signal(number)
        process.argv = arguments
        process.env = environment
        raise ProcessExit(await main(process))

    async def _exec(self, node: syntax.Simple, argv: list[str], opened: dict[int, Any]) -> int:
        if len(argv) == 1:
            for stream in self.lay(opened).values():
                release(stream)
            for name, word in node.assignments:
                self.assign(name, await expand.assignment(self, word))
            return 0
        environment = self.variables.environment()
        for name, word in node.assignments:
            environment[name] = await expand.assignment(self, word)
        words = argv[1:]
        if words[0] == "--":
            words = words[1:]
        status = await self.replace(words, environment, opened)
        if self.interactive:
            return status
        raise Leave(status)


def _is_assignment(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.isidentifier()


def _quoted(word: str) -> str:
    """A word as it can be read back by a shell."""
    plain = word and all(character.isalnum() or character in "_@%+=:,./-" for character in word)
    return word if plain else "'" + word.replace("'", "'\\''") + "'"


_RUNNERS: dict[type, Any] = {
    syntax.Sequence: Shell._sequence,
    syntax.AndOr: Shell._and_or,
    syntax.Pipeline: Shell._pipeline,
    syntax.Simple: Shell._simple,
    syntax.If: Shell._if,
    syntax.While: Shell._while,
    syntax.For: Shell._for,
    syntax.Case: Shell._case,
    syntax.Function: Shell._function,
    syntax.Group: Shell._group,
    syntax.Subshell: Shell._subshell,
    syntax.Redirected: Shell._redirected,
}
