"""The processes that see each other, and what those of one container share. How a process starts and is reaped.

Models fork/exec, what a `#!` line means, orphans passing to process 1, everything dying with process 1. Left out:
nested namespaces, threads.
"""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pocketkube.clock import Clock
from pocketkube.kubelet.cgroup import Cgroup, Killed
from pocketkube.kubelet.cpu import Cpu
from pocketkube.kubelet.filesystem.rootfs import command_in
from pocketkube.kubelet.filesystem.tree import FILE
from pocketkube.kubelet.meter import EXEC
from pocketkube.kubelet.process import DEFAULT_PATH, Command, Process, hold, join

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem import FileSystem
    from pocketkube.network.fabric import PodNetwork


class ProcessTable:
    """The processes that see each other: a container's, or a pod's whose containers share them."""

    def __init__(self) -> None:
        self.processes: dict[int, Process] = {}
        self._next_pid = 1

    def number(self) -> int:
        """The next process's."""
        self._next_pid += 1
        return self._next_pid - 1


class Executable(NamedTuple):
    """A program file's path and code, its arguments, and the user and group with whose rights it runs."""

    program: str
    main: Command
    argv: list[str]
    uid: int
    gid: int


class PidNamespace:
    """The processes of one container and what they share: files, network, programs, clock. `table`: the one that
    other containers use, too."""

    def __init__(
        self,
        *,
        fs: FileSystem,
        net: PodNetwork,
        commands: Mapping[str, Command],
        clock: Clock,
        hostname: str = "localhost",
        cpu: Cpu | None = None,
        cgroup: Cgroup | None = None,
        table: ProcessTable | None = None,
    ) -> None:
        self.fs = fs
        self.net = net
        self.commands = commands
        """Absolute path of each built-in program -> its code."""
        self.clock = clock
        self.hostname = hostname
        self.cpu = cpu or Cpu(clock)
        self.cgroup = cgroup or Cgroup(self.cpu.account())
        self.table = table or ProcessTable()
        self.init: Process | None = None
        """The container's first process; 1 unless others share the table."""
        fs.attach(self)
        self.sysctls: Mapping[str, str] = {}
        """Kernel parameters by their dotted names."""
        self.no_new_privs = False
        """No program gives more rights than who starts it has (allowPrivilegeEscalation: false)."""
        self.services: Mapping[str, Any] = {}
        """What the cluster lends to its own system images (CoreDNS gets its zone); empty for all others."""

    @property
    def processes(self) -> dict[int, Process]:
        """All that can be seen, by number."""
        return self.table.processes

    @property
    def own(self) -> list[Process]:
        """Those of this container."""
        return [process for process in self.table.processes.values() if process.namespace is self]

    def find_program(self, argv0: str, *, cwd: str = "/", path: str = DEFAULT_PATH) -> str:
        """The absolute path that argv[0] names, as execvp finds it. Raises FileNotFoundError, PermissionError."""
        candidates = [join(cwd, argv0)] if "/" in argv0 else [f"{d.rstrip('/')}/{argv0}" for d in path.split(":") if d]
        denied = False
        for candidate in candidates:
            try:
                found = self.fs.stat(candidate)
            except OSError:
                continue
            if found.kind == FILE and found.mode & 0o111:
                return candidate
            denied = True
        if denied:
            raise PermissionError(errno.EACCES, "Permission denied", argv0)
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", argv0)

    def executable(
        self, argv: list[str], *, cwd: str = "/", path: str = DEFAULT_PATH, uid: int = 0, gid: int = 0
    ) -> Executable:
        """What execvp of argv comes to when `uid` and `gid` ask for it. Raises FileNotFoundError, PermissionError,
        OSError."""
        program = self.find_program(argv[0], cwd=cwd, path=path)
        main, argv = self._code(program, argv)
        return Executable(program, main, argv, *self._rights(program, uid, gid))

    def _code(self, path: str, argv: list[str]) -> tuple[Command, list[str]]:
        """The code behind a program file, and its argv (a `#!` script runs its interpreter). Raises OSError."""
        for _ in range(4):
            content = self.fs.read_bytes(path)
            found = command_in(content)
            if found is not None:
                return found, argv
            first = content[:256].split(b"\n", 1)[0]
            if not first.startswith(b"#!"):
                raise OSError(errno.ENOEXEC, "Exec format error", path)
            interpreter, _, argument = first[2:].decode(errors="replace").strip().partition(" ")
            argv = [interpreter, *([argument.strip()] if argument.strip() else []), path, *argv[1:]]
            path = self.find_program(interpreter)
        raise OSError(errno.ELOOP, "Too many levels of symbolic links", path)

    def _rights(self, program: str, uid: int, gid: int) -> tuple[int, int]:
        """The user and group with whose rights a program file runs when `uid` and `gid` execute it: the file's own
        where it has the set-ID bits."""
        if self.no_new_privs:
            return uid, gid
        file = self.fs.stat(program)
        return file.uid if file.mode & 0o4000 else uid, file.gid if file.mode & 0o2000 else gid

    def spawn(
        self,
        main: Command,
        argv: list[str],
        *,
        env: dict[str, str],
        cwd: str = "/",
        fds: dict[int, Any] | None = None,
        parent: Process | None = None,
        uid: int = 0,
        gid: int = 0,
        groups: tuple[int, ...] = (),
        program: str = "",
    ) -> Process:
        """Start a process as a task. `fds` maps 0, 1, 2 (and more) to readable/writable objects.

        Raises BlockingIOError when the pod has too many.
        """
        self.cgroup.fork()
        pid = self.table.number()
        process = Process(self, pid, argv, env=env, cwd=cwd, fds=fds or {}, parent=parent, uid=uid, gid=gid)
        process.group = parent.group if parent else pid
        process.groups = groups
        process.program = program or (argv[0] if argv else "")
        process.umask = parent.umask if parent else 0o022
        if program:
            process.meter.charge(EXEC)
        for fd in process.fds.values():
            hold(fd)
        self.processes[pid] = process
        self.init = self.init or process
        process.task = asyncio.get_running_loop().create_task(process.live(main), name=f"process {pid}: {argv[0]}")
        process.task.add_done_callback(process.ended)
        with suppress(Killed):  # the new one too
            self.cgroup.check()
        return process

    def reap(self, process: Process) -> None:
        self.processes.pop(process.pid, None)
        self.cgroup.exit()
        if process.pid == 1 or process is self.init:
            for other in tuple(self.processes.values()) if process.pid == 1 else self.own:
                other.signal(signal.SIGKILL)
            if process.pid == 1:
                return
        init = self.processes.get(1)
        for other in self.processes.values():
            if other.parent is process:
                other.parent = init
