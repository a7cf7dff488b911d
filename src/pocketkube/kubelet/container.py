"""One container instance: an image's program as process 1 over its own files, log and share of the pod's network.

Models what the container runtime (containerd, runc) does for the kubelet: create, start, stop with a grace period,
exec, attach; exit codes, reasons and the texts of failing starts. A restarted container is a new instance.
Left out: capabilities, seccomp.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketkube import sysctls
from pocketkube.clock import Clock
from pocketkube.kubelet.cgroup import Cgroup, Limits, PodCgroup
from pocketkube.kubelet.cpu import Cpu
from pocketkube.kubelet.filesystem import FileSystem
from pocketkube.kubelet.logs import Log, Output
from pocketkube.kubelet.pid_namespace import PidNamespace, ProcessTable
from pocketkube.kubelet.process import DEFAULT_PATH, Process
from pocketkube.kubelet.rounds import Rounds
from pocketkube.kubelet.terminal import ProcessGroup, Terminal
from pocketkube.network.stream import Channel
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.images.base import Image
    from pocketkube.network.fabric import PodNetwork

MESSAGE_LIMIT = 4096
"""Bytes of the termination message."""
FALLBACK_LIMIT, FALLBACK_LINES = 2048, 80
START_FAILED = 128


class StartError(Exception):
    """Process 1 could not be started: RunContainerError with the runtime's text."""


class ExecError(Exception):
    """A command could not be started beside process 1; the runtime's text."""


@dataclass
class Config:
    """What the kubelet asks the runtime for."""

    name: str
    image: type[Image]
    argv: list[str]
    env: dict[str, str]
    workdir: str = "/"
    hostname: str = ""
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    no_new_privs: bool = False
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    message_path: str = "/dev/termination-log"
    message_policy: str = "File"
    services: Mapping[str, Any] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    oom_score_adj: int = 0
    refused: str = ""
    """What the runtime says of a mount that it cannot make."""


class Container:
    """States: created, running, exited. `on_exit` is called once, when process 1 has ended."""

    def __init__(
        self,
        config: Config,
        *,
        fs: FileSystem,
        net: PodNetwork,
        clock: Clock,
        attempt: int = 0,
        on_exit: Callable[[], None] = lambda: None,
        cpu: Cpu | None = None,
        cgroup: PodCgroup | None = None,
        table: ProcessTable | None = None,
        log_path: Path | None = None,
    ) -> None:
        self.config = config
        self.id = f"containerd://{secrets.token_hex(32)}"
        self.attempt = attempt
        self.created_at = clock.now()
        self.started_at: str | None = None
        self.finished_at: str | None = None
        self.started_time = 0.0
        self.exit_code: int | None = None
        self.reason = ""
        self.message = ""
        self.clock = clock
        self.fs = fs
        self.net = net
        self.log = Log(clock.time, log_path)
        self.stdout, self.stderr = Output(self.log), Output(self.log)
        self.stdin: Channel | None = Channel() if config.stdin else None
        self.terminal: Terminal | None = None
        cpu = self._cpu = cpu or Cpu(clock)
        self.cgroup = Cgroup(
            cpu.account(config.limits.cpu, config.limits.weight),
            cgroup,
            limit=config.limits.memory,
            base=config.image.memory,
            oom_score_adj=config.oom_score_adj,
            kill=self.kill,
        )
        self.namespace = PidNamespace(
            fs=fs,
            net=net,
            commands=config.image.commands,
            clock=clock,
            hostname=config.hostname,
            cpu=cpu,
            cgroup=self.cgroup,
            table=table,
        )
        self.namespace.services = config.services
        self.namespace.no_new_privs = config.no_new_privs
        self.namespace.sysctls = {**sysctls.DEFAULTS, **config.sysctls}
        self.init: Process | None = None
        self._on_exit = on_exit
        self._ended = asyncio.Event()

    @property
    def running(self) -> bool:
        return self.init is not None and self.exit_code is None

    @property
    def rounds(self) -> Rounds:
        """Where its programs run."""
        return self._cpu.rounds

    @property
    def exited(self) -> bool:
        return self.exit_code is not None

    @property
    def state(self) -> Obj:
        """containerStatuses[].state, but for waiting."""
        if self.exit_code is None:
            return {"running": {"startedAt": self.started_at}}
        texts = {"reason": self.reason, "message": self.message}
        return {
            "terminated": {
                "exitCode": self.exit_code,
                **{k: v for k, v in texts.items() if v},
                "startedAt": self.started_at,
                "finishedAt": self.finished_at,
                "containerID": self.id,
            }
        }

    def start(self) -> None:
        """Start process 1. Raises StartError, and the container has exited with code 128."""
        config = self.config
        fds: dict[int, Any] = {1: self.stdout, 2: self.stderr}
        if config.tty:
            self.terminal = Terminal(self.stdin or Channel(), self.stdout)
            fds = {0: self.terminal, 1: self.terminal, 2: self.terminal}
        elif self.stdin is not None:
            fds[0] = self.stdin
        try:
            if config.refused:
                raise NotADirectoryError
            self.init = self._spawn(config.argv, fds, init=True)
        except OSError as error:
            cause = config.refused or _cause(config.argv[0], error, init=True)
            self.exit_code, self.reason = START_FAILED, "StartError"
            self.message = (
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
                f"runc create failed: unable to start container process: {cause}"
            )
            # containerd has no start time to tell for a container that never ran
            self.started_at = "1970-01-01T00:00:00Z"
            self._close()
            raise StartError(self.message) from None
        if self.terminal:
            self.terminal.foreground = ProcessGroup(self.init.namespace, self.init.group)
            self.terminal.start()
        self.started_at = self.clock.now()
        self.started_time = self.clock.time()
        assert self.init.task is not None
        self.init.task.add_done_callback(self._init_ended)

    def _init_ended(self, _: asyncio.Task[None]) -> None:
        assert self.init is not None
        code = self.init.exit_code
        self.exit_code = START_FAILED + signal.SIGKILL if code is None else code
        self.reason = "Completed" if self.exit_code == 0 else "OOMKilled" if self.cgroup.oom_kills else "Error"
        self.stdout.finish()
        self.stderr.finish()
        self.message = self._message()
        self._close()
        self._on_exit()

    def _close(self) -> None:
        self.finished_at = self.clock.now()
        self.log.end()
        self.net.close()
        if self.terminal is not None:
            self.terminal.close()
        if self.stdin is not None:
            self.stdin.break_()
        self._ended.set()

    def _message(self) -> str:
        try:
            text = self.fs.read_bytes(self.config.message_path, MESSAGE_LIMIT)
        except OSError:
            text = b""
        if not text and self.exit_code and self.config.message_policy == "FallbackToLogsOnError":
            text = self.log.tail(FALLBACK_LINES, FALLBACK_LIMIT)
        return text.decode(errors="replace")

    def resize(self, limits: Limits) -> None:
        """Other limits from now on."""
        self._cpu.resize(self.cgroup.cpu, limits.cpu, limits.weight)
        self.cgroup.limit = limits.memory

    async def wait(self) -> int:
        """The exit code, once process 1 has ended."""
        await self._ended.wait()
        assert self.exit_code is not None
        return self.exit_code

    async def stop(self, grace: float) -> None:
        """The stop signal to process 1, SIGKILL after `grace` seconds of cluster time; returns when it has ended."""
        if not self.running or self.init is None:
            return
        if grace > 0:
            self.init.signal(signal.Signals[self.config.image.stop_signal])
            try:
                async with self.clock.timeout(grace):
                    await self.wait()
                    return
            except TimeoutError:
                pass
        self.kill()
        await self.wait()

    def kill(self) -> None:
        """SIGKILL to every process."""
        for process in self.namespace.own:
            process.signal(signal.SIGKILL)

    def _spawn(self, argv: list[str], fds: dict[int, Any], *, init: bool = False) -> Process:
        config, namespace = self.config, self.namespace
        workdir = config.workdir or "/"
        if not self.fs.is_dir(workdir):
            if not init:
                raise FileNotFoundError(2, "No such file or directory", workdir)
            self.fs.mkdir(workdir, parents=True)
        path = config.env.get("PATH", DEFAULT_PATH)
        found = namespace.executable(argv, cwd=workdir, path=path, uid=config.uid, gid=config.gid)
        return namespace.spawn(
            found.main,
            found.argv,
            env={**config.env, "HOME": config.env.get("HOME", "/root" if config.uid == 0 else "/")},
            cwd=workdir,
            fds=fds,
            parent=self.init,
            uid=found.uid,
            gid=found.gid,
            groups=config.groups,
            program=found.program,
        )

    async def exec(self, argv: list[str], fds: Mapping[int, Any], *, tty: bool = False) -> int:
        """Run a command beside process 1 and return its exit code; cancelling kills it. Raises ExecError."""
        streams = dict(fds)
        terminal = None
        if tty:
            terminal = Terminal(streams.get(0) or Channel(), streams.get(1))
            terminal.follow(streams.get(0))
            streams = {0: terminal, 1: terminal, 2: terminal}
        try:
            process = self._spawn(argv, streams)
        except OSError as error:
            raise ExecError(
                f'failed to exec in container: failed to start exec "{secrets.token_hex(32)}": '
                "OCI runtime exec failed: exec failed: unable to start container process: "
                f"{_cause(argv[0], error)}: unknown"
            ) from None
        process.group = process.pid  # a session of its own
        if terminal:
            terminal.foreground = ProcessGroup(process.namespace, process.group)
            terminal.start()
        try:
            return await process.wait()
        finally:
            if process.exit_code is None:
                process.signal(signal.SIGKILL)
            if terminal:
                terminal.close()


def _cause(argv0: str, error: OSError, *, init: bool = False) -> str:
    """runc's words for a program that cannot be executed."""
    if isinstance(error, PermissionError):
        why = f'exec: "{argv0}": permission denied'
    elif isinstance(error, FileNotFoundError) and "/" in argv0:
        why = f'exec: "{argv0}": stat {argv0}: no such file or directory'
    elif isinstance(error, FileNotFoundError):
        why = f'{"error during container init: " if init else ""}exec: "{argv0}": executable file not found in $PATH'
    else:
        return f"exec {argv0}: {(error.strerror or str(error)).lower()}"
    return f"{why}: unknown" if init else why
