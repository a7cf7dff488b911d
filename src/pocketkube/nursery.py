"""`python -m pocketkube.nursery [options of python -m pocketkube]`: many clusters, each a process, forked from this
one, in which such a cluster has settled and rests (resting.py).

Speaks JSON lines. Standard input: {"id", "start": its state folder, "limits": {...}} begins a cluster, {"id", "stop":
true} kills it and removes its folder; limits (each may be missing): "cpu" seconds, "memory" and "disk" bytes, "files"
open at once, "file_size" bytes of one file. Standard output: what each cluster says (see __main__) with its "id", then
{"id", "ended": {"status", "over", "cpu", "memory"}} when its process is gone and {"id", "removed": true} when its
folder is; status as os.waitstatus_to_exitcode has it, `over` the limit it went over ("cpu", "memory", "disk" or ""),
cpu in seconds, memory in bytes at the most. Its log is in its state folder. The clusters' objects are in memory only,
and none listens for Services.

The clusters end with this process, and this one with its standard input; then all state folders are removed. Only where
os.fork and pidfds are (Linux): macOS has fork, but its system libraries start threads. Exit codes: 0 ended, 1 no
cluster can live here, 2 usage.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import resource
import selectors
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final, NoReturn

from pocketkube.__main__ import parsed, prepare
from pocketkube.resting import Resting

LOOK: Final = 0.5
"""Seconds between two looks at how much memory the clusters hold."""
LOOKS_PER_DISK: Final = 4
"""Every so many of them also at what their folders hold."""
_DIE_WITH_PARENT: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_HEADROOM: Final = 4
"""The address space may be so many times the memory: threads reserve much of it that they never use."""


@dataclass
class _Child:
    name: str
    state: Path
    pid: int
    limits: dict[str, int]
    over: str = ""
    pipe: int | None = None
    said: bytes = b""
    stopped: bool = False
    ended: bool = False


@dataclass
class Nursery:
    """The loop that begins, watches and ends clusters. `commands` and `answers` are file descriptors; relative folders
    are below `where`."""

    commands: int
    answers: int
    resting: Resting
    where: Path
    _children: dict[str, _Child] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _rest: bytes = b""
    _looks: int = 0

    def run(self) -> None:
        """Serve until the commands end."""
        self._watch(self.commands, self._command)
        looked = monotonic()
        try:
            while self._selector.get_map().get(self.commands):
                for key, _ in self._selector.select(LOOK if self._children else None):
                    key.data()
                if monotonic() - looked >= LOOK:
                    self._look()
                    looked = monotonic()
        finally:
            self._end_all()

    # -- commands

    def _command(self) -> None:
        read = os.read(self.commands, 1 << 16)
        if not read:
            self._selector.unregister(self.commands)
            return
        *lines, self._rest = (self._rest + read).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "start" in message:
                self._start(message["id"], message["start"], message.get("limits") or {})
            elif child := self._children.get(message["id"]):
                child.stopped = True
                if child.ended:
                    self._remove(child)
                else:
                    _kill(child)

    def _start(self, name: str, folder: str, limits: dict[str, int]) -> None:
        state = self.where / folder
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        reading, writing = os.pipe()
        pid = self._fork(lambda: _become_cluster(self.resting, writing, state, limits))
        os.close(writing)
        child = self._children[name] = _Child(name, state, pid, limits, pipe=reading)
        self._watch(reading, lambda: self._hear(child))
        waiting = os.pidfd_open(pid)
        self._watch(waiting, lambda: self._ended(child, waiting))

    def _fork(self, become: Callable[[], NoReturn]) -> int:
        """Run `become` in a child with nothing open of ours but standard error and what it was given."""
        parent = os.getpid()
        if pid := os.fork():
            return pid
        try:
            _die_with(parent)
            os.setsid()
            self._selector.close()
            os.close(self.commands)
            for child in self._children.values():
                if child.pipe is not None:
                    os.close(child.pipe)
            become()
        except BaseException as error:
            with contextlib.suppress(OSError):
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(1)

    # -- what becomes of them

    def _hear(self, child: _Child) -> None:
        assert child.pipe is not None
        read = os.read(child.pipe, 1 << 16)
        *lines, child.said = (child.said + read).split(b"\n")
        for line in lines:
            self._say({"id": child.name, **json.loads(line)})
        if not read:
            self._forget(child.pipe)
            child.pipe = None

    def _ended(self, child: _Child, waiting: int) -> None:
        _, status, used = os.wait4(child.pid, 0)
        self._forget(waiting)
        child.ended = True
        _kill(child)  # what it has left behind in its session
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGXCPU:
            child.over = "cpu"
        cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
        while child.pipe is not None:
            self._hear(child)
        ended = {"status": code, "over": child.over, "cpu": round(cpu, 3), "memory": memory}
        self._say({"id": child.name, "ended": ended})
        if child.stopped:
            self._remove(child)

    def _remove(self, child: _Child) -> None:
        """Remove what it kept, in a process of its own: the next cluster must not wait for somebody's million files."""
        pid = self._fork(lambda: _remove_and_exit(child.state))
        waiting = os.pidfd_open(pid)

        def removed() -> None:
            os.waitpid(pid, 0)
            self._forget(waiting)
            del self._children[child.name]
            self._say({"id": child.name, "removed": not child.state.exists()})

        self._watch(waiting, removed)

    def _look(self) -> None:
        """End what holds more than it may."""
        self._looks += 1
        for child in self._children.values():
            if child.ended or child.over:
                continue
            if (most := child.limits.get("memory")) and _resident(child.pid) > most:
                child.over = "memory"
            elif (most := child.limits.get("disk")) and self._looks % LOOKS_PER_DISK == 0 and _holds(child.state, most):
                child.over = "disk"
            if child.over:
                _kill(child)

    def _end_all(self) -> None:
        from pocketkube.removal import remove

        for child in self._children.values():
            if not child.ended:
                _kill(child)
        for child in self._children.values():
            if not child.ended:
                os.waitpid(child.pid, 0)
            with contextlib.suppress(OSError):
                remove(child.state)

    def _watch(self, descriptor: int, call: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, call)

    def _forget(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self.answers, json.dumps(message).encode() + b"\n")


# -- in a child


def _become_cluster(resting: Resting, said: int, state: Path, limits: dict[str, int]) -> NoReturn:
    """From here on it is like a `python -m pocketkube`, within limits."""
    log = os.open(state / "cluster.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for descriptor, standard in ((nothing, 0), (said, 1), (log, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    _limit(limits)
    os._exit(resting.wake(state))


def _limit(limits: dict[str, int]) -> None:
    asked = {
        resource.RLIMIT_CPU: limits.get("cpu"),
        resource.RLIMIT_NOFILE: limits.get("files"),
        resource.RLIMIT_FSIZE: limits.get("file_size"),
        resource.RLIMIT_AS: limits["memory"] * _HEADROOM if limits.get("memory") else None,
        resource.RLIMIT_CORE: 0,
    }
    for what, value in asked.items():
        if value is None:
            continue
        _, most = resource.getrlimit(what)
        if most != resource.RLIM_INFINITY:
            value = min(value, most)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (value, value + 5 if what == resource.RLIMIT_CPU and most < 0 else value))


def _remove_and_exit(state: Path) -> NoReturn:
    from pocketkube.removal import remove

    with contextlib.suppress(OSError):
        remove(state)
    os._exit(0)


def _die_with(parent: int) -> None:
    """Be killed when our parent is gone, however it went (prctl(2))."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


# -- looking at a child


def _kill(child: _Child) -> None:
    """End its process, which may not have made its session yet, and all that is in its session."""
    for kill in (os.killpg,) if child.ended else (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child.pid, signal.SIGKILL)


def _resident(pid: int) -> int:
    """Bytes of memory a process holds; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _holds(folder: Path, most: int) -> bool:
    """Whether the files of a folder take more bytes than that."""
    total, folders = 0, [str(folder)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        if total > most:
            return True
    return False


def _load() -> None:
    """Import all that a cluster ever imports."""
    import pocketkube

    for module in pkgutil.walk_packages(pocketkube.__path__, "pocketkube."):
        importlib.import_module(module.name)


def main() -> int:
    options = parsed(["--state", os.curdir, "--in-memory", "--no-host-ports", *sys.argv[1:]])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # who started us says when it is over: by the end of our input
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    prepare()
    _load()
    where = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="pocketkube-") as scratch:
        try:
            Nursery(sys.stdin.fileno(), sys.stdout.fileno(), Resting(options, Path(scratch, "resting")), where).run()
        finally:
            os.chdir(where)
    return 0


if __name__ == "__main__":
    sys.exit(main())
