"""Runs shell programs as BusyBox ash does: the commands of `syntax`, in a process of the container.

Each element of a pipeline, each subshell, command substitution and background job is a process of its own, a copy of
the shell. Every command lets other tasks run now and then, so no loop can hold up the cluster.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pocketkube.images.shell import expand, patterns, syntax
from pocketkube.images.shell.descriptors import Collector, decode, pipe, reason
from pocketkube.images.shell.job_text import job_text
from pocketkube.images.shell.launcher import Launcher
from pocketkube.images.shell.parser import parse
from pocketkube.images.shell.state import Leave, LoopJump, Return, ShellFailure
from pocketkube.kubelet.process import Nothing, Process, release

DECLARATIONS = frozenset({"export", "readonly", "local", "alias"})
SPECIAL = frozenset(
    {".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "source",
     "times", "trap", "unset"}
)  # fmt: skip
_SLICE = 0.002
"""Seconds a shell computes before it lets others run."""


class Shell(Launcher):
    """One shell."""

    async def run_text(self, text: str, *, tested: bool = False, final: bool = False) -> int:
        """Run a program. Raises ShellSyntaxError and what leaves a command."""
        return await self.run(parse(text), tested=tested, final=final)

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
        self.lead(child)
        self.background = child.pid
        self.jobs[child.pid] = child
        self.job_texts[child.pid] = job_text(node)

    async def _and_or(self, node: syntax.AndOr, tested: bool, final: bool) -> int:
        status = await self.run(node.first, tested=True)
        if (status == 0) != (node.operator == "&&"):
            return status
        return await self.run(node.second, tested=tested, final=final)

    async def _pipeline(self, node: syntax.Pipeline, tested: bool, final: bool) -> int:
        if len(node.commands) == 1:
            status = await self.run(node.commands[0], tested=tested or node.negated)
        else:
            status = await self._connected(node.commands, tested=tested or node.negated)
            if not node.negated:
                self._errexit(status, tested)
        return int(not status) if node.negated else status

    async def _connected(self, commands: tuple[syntax.Node, ...], *, tested: bool) -> int:
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
            try:
                children.append(self.spawn(command, fds, tested=tested))
                self.lead(children[-1], children[0])
            except ShellFailure:
                if following is not None:
                    following.release()
                raise
            finally:
                if source is not None:
                    source.release()
            source = following
        self.foreground(children[0])
        statuses = [await child.wait() for child in children[:-1]]
        statuses.append(await self.ended(children[-1]))
        if "pipefail" in self.options:
            return next((status for status in reversed(statuses) if status), 0)
        return statuses[-1]

    async def _if(self, node: syntax.If, tested: bool, final: bool) -> int:
        if not await self.run(node.condition, tested=True):
            return await self.run(node.then, tested=tested, final=final)
        if node.otherwise is not None:
            return await self.run(node.otherwise, tested=tested, final=final)
        return 0

    async def _loop(self, turn: Callable[[], Awaitable[int | None]]) -> int:
        """Take turns until one says None; serves break and continue. The status of the last one."""
        status = 0
        self.loops += 1
        try:
            while True:
                await self._breathe()
                try:
                    last = await turn()
                    if last is None:
                        return status
                    status = last
                except LoopJump as jump:
                    if jump.loops > 1 and self.loops > 1:
                        raise LoopJump(jump.loops - 1, jump.goes_on) from None
                    status = self.status = 0
                    if not jump.goes_on:
                        return status
        finally:
            self.loops -= 1

    async def _while(self, node: syntax.While, tested: bool, final: bool) -> int:
        async def turn() -> int | None:
            if bool(await self.run(node.condition, tested=True)) != node.until:
                return None
            return await self.run(node.body, tested=tested)

        return await self._loop(turn)

    async def _for(self, node: syntax.For, tested: bool, final: bool) -> int:
        values = iter(list(self.positional) if node.words is None else await expand.fields(self, node.words))

        async def turn() -> int | None:
            for value in values:
                self.assign(node.name, value)
                return await self.run(node.body, tested=tested)
            return None

        return await self._loop(turn)

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
        child = self.spawn(node.body, {}, tested=tested)
        self.lead(child)
        status = await self.ended(child)
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

        try:
            return self.process.spawn(list(self.process.argv), main=main, fds=fds)
        except BlockingIOError as error:
            raise ShellFailure(f"can't fork: {reason(error)}") from None

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
            return await self.run_text(" ".join([self.aliases[name], *map(quoted, argv[1:])]))
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
                self.tested = tested
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
        await self.write(2, self.variables.get("PS4", "+ ") + " ".join(quoted(word) for word in words) + "\n")

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


def quoted(word: str) -> str:
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
