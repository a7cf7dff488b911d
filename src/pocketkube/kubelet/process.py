"""A process of a container: an asyncio task that sees what a Linux process sees, and nothing of the host.

Models exit codes, descriptors, signals with init's special rule (process 1 is not killed by a signal it has no handler
for, SIGKILL apart). A program is a `Command`: `async def main(process) -> int`. No host process is ever started. Left
out: job control, threads.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pocketkube.clock import Clock
from pocketkube.kubelet.cgroup import PROCESS_MEMORY, Memory
from pocketkube.kubelet.meter import REQUEST, Meter
from pocketkube.network.served import served

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem import FileSystem
    from pocketkube.kubelet.pid_namespace import PidNamespace
    from pocketkube.network.fabric import PodNetwork

log = logging.getLogger(__name__)

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}


class Readable(Protocol):
    async def read(self, most: int = ..., /) -> bytes: ...


class Writable(Protocol):
    async def write(self, data: bytes, /) -> Any: ...


Command = Callable[["Process"], Awaitable[int]]
"""A program: gets its process, returns the exit code."""
SignalHandler = Callable[[int], None]


class ProcessExit(Exception):
    """exit(code) from anywhere inside a program."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code & 0xFF


class Nothing:
    """/dev/null as a file descriptor."""

    async def read(self, most: int = 0, /) -> bytes:
        return b""

    async def write(self, data: bytes, /) -> int:
        return len(data)

    def close(self) -> None:
        pass


class Process:
    """One process. Programs read argv, env, cwd, stdin, write stdout and stderr, open files and connections."""

    def __init__(
        self,
        namespace: PidNamespace,
        pid: int,
        argv: list[str],
        *,
        env: dict[str, str],
        cwd: str,
        fds: dict[int, Any],
        parent: Process | None,
        uid: int,
        gid: int,
    ) -> None:
        self.namespace = namespace
        self.pid = pid
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.fds = fds
        self.parent = parent
        self.uid = uid
        self.gid = gid
        self.groups: tuple[int, ...] = ()
        self.group = pid
        """Its process group, which a terminal's signals are for."""
        self.program = ""
        """The file it was started from, as /proc/<pid>/exe shows it."""
        self.umask = 0o022
        self._fs: FileSystem | None = None
        self.meter = Meter(namespace.cpu, namespace.cgroup.cpu)
        """What it computes."""
        self.memory = Memory(namespace.cgroup)
        """What it holds."""
        self.started = namespace.clock.time()
        self.exit_code: int | None = None
        self.task: asyncio.Task[None] | None = None
        self._handlers: dict[int, SignalHandler | None] = {}
        self._killed_by = 0
        self._leaving: int | None = None
        self._exited = asyncio.Event()

    @property
    def fs(self) -> FileSystem:
        """The container's files as this process sees them: its user, umask and working directory."""
        if self._fs is None:
            self._fs = self.namespace.fs.for_process(self)
        return self._fs

    @property
    def rss(self) -> int:
        """Bytes of memory that it takes; most of what an image's program needs is its first process's."""
        cgroup = self.namespace.cgroup
        return (cgroup.base if self is self.namespace.init else PROCESS_MEMORY) + self.memory.size

    @property
    def net(self) -> PodNetwork:
        return self.namespace.net

    @property
    def clock(self) -> Clock:
        return self.namespace.clock

    @property
    def hostname(self) -> str:
        return self.namespace.hostname

    @property
    def stdin(self) -> Readable:
        return self.fds.get(0) or Nothing()

    @property
    def stdout(self) -> Writable:
        return self.fds.get(1) or Nothing()

    @property
    def stderr(self) -> Writable:
        return self.fds.get(2) or Nothing()

    def path(self, name: str) -> str:
        """`name` made absolute against the working directory."""
        return join(self.cwd, name)

    async def print(self, text: str = "", end: str = "\n") -> None:
        await self.stdout.write((text + end).encode())

    async def error(self, text: str, end: str = "\n") -> None:
        await self.stderr.write((text + end).encode())

    def exit(self, code: int = 0) -> None:
        raise ProcessExit(code)

    def finish(self, code: int) -> None:
        """exit(code) from outside the program's own flow: a signal handler, or one of its tasks."""
        if self.exit_code is None and self.task is not None:
            self._leaving = code & 0xFF
            self.task.cancel()

    def spawn(
        self,
        argv: list[str],
        *,
        main: Command | None = None,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        fds: dict[int, Any] | None = None,
    ) -> Process:
        """Start a child: the program argv names (raises FileNotFoundError, PermissionError, OSError), or `main`.
        Raises BlockingIOError when the pod has too many processes.

        What is not given is inherited; given `fds` are laid over the inherited ones, None closes one.
        """
        environment = dict(self.env if env is None else env)
        directory = self.cwd if cwd is None else cwd
        program, uid, gid = self.program, self.uid, self.gid
        if main is None:
            path = environment.get("PATH", DEFAULT_PATH)
            program, main, argv, uid, gid = self.namespace.executable(argv, cwd=directory, path=path, uid=uid, gid=gid)
        merged = {number: fd for number, fd in {**self.fds, **(fds or {})}.items() if fd is not None}
        child = self.namespace.spawn(
            main,
            argv,
            env=environment,
            cwd=directory,
            fds=merged,
            parent=self,
            uid=uid,
            gid=gid,
            groups=self.groups,
            program=program,
        )
        child._handlers = {number: None for number, handler in self._handlers.items() if handler is None}
        return child

    def become(self, argv: list[str], env: dict[str, str] | None = None) -> Command:
        """execve: from now on this process is the program that argv names; its code is what the caller goes on with.
        Raises FileNotFoundError, PermissionError, OSError."""
        env = self.env if env is None else env
        path = env.get("PATH", "")
        found = self.namespace.executable(argv, cwd=self.cwd, path=path, uid=self.uid, gid=self.gid)
        self.env = env
        self.program, main, self.argv, self.uid, self.gid = found
        return main

    async def turn(self) -> None:
        """Let others run if this program has computed long enough. Whoever goes through files one by one asks for it:
        looking at a file waits for nothing, so it alone never ends a step."""
        if self.namespace.cpu.rounds.is_due:
            await asyncio.sleep(0)

    async def run(self, argv: list[str], **options: Any) -> int:
        """Spawn a child and wait for its exit code. A program that cannot be started raises as `spawn` does."""
        return await self.spawn(argv, **options).wait()

    async def wait(self) -> int:
        """The exit code, once the process has ended: 128 + n when signal n ended it."""
        await self._exited.wait()
        assert self.exit_code is not None
        return self.exit_code

    def on_signal(self, number: int, handler: SignalHandler | None) -> None:
        """Handle a signal; None ignores it. SIGKILL cannot be handled."""
        self._handlers[number] = handler

    def default_signal(self, number: int) -> None:
        self._handlers.pop(number, None)

    def signal(self, number: int) -> None:
        """Deliver a signal."""
        if self.exit_code is not None or self.task is None:
            return
        if number != signal.SIGKILL:
            if number in self._handlers:
                handler = self._handlers[number]
                if handler is not None:
                    handler(number)
                return
            if number in HARMLESS or self.pid == 1 or number == 0:
                return
        self._killed_by = number
        self.task.cancel()

    async def live(self, main: Command) -> None:
        """The process's task: runs the program to its end and reaps it."""
        served.set(partial(self.meter.charge, REQUEST))
        try:
            code = await self.namespace.cpu.rounds.run(main(self), self.meter)
        except ProcessExit as left:
            code = left.code
        except asyncio.CancelledError:
            if self._leaving is None and not self._killed_by:
                raise
            code = 128 + self._killed_by if self._leaving is None else self._leaving
        except BrokenPipeError:
            code = 128 + signal.SIGPIPE
        except RecursionError:  # its stack has an end, as a real program's has: folders a thousand deep, say
            code = 128 + signal.SIGSEGV
        except Exception:
            log.exception("program %s failed inside pocketkube", self.argv)
            code = 255
        self.exit_code = code & 0xFF

    def ended(self, task: asyncio.Task[None]) -> None:
        """The task is over: also one that was cancelled before it ran its first step."""
        if self.exit_code is None and self._leaving is not None:
            self.exit_code = self._leaving
        elif self.exit_code is None:
            self.exit_code = 128 + (self._killed_by or signal.SIGKILL)
        self.memory.let_go()
        self.namespace.reap(self)
        for fd in self.fds.values():
            release(fd)
        self._exited.set()


def hold(fd: Any) -> None:
    """One more descriptor refers to an open file. What has no `hold` is not counted (a container's own stdio)."""
    counted = getattr(fd, "hold", None)
    if counted is not None:
        counted()


def release(fd: Any) -> None:
    """One descriptor fewer: the last one to go closes the open file, so a pipe's reader sees its end."""
    counted = getattr(fd, "release", None)
    if counted is not None:
        counted()


def join(cwd: str, name: str) -> str:
    """`name` as seen from the folder `cwd`."""
    return name if name.startswith("/") else f"{cwd.rstrip('/')}/{name}"
