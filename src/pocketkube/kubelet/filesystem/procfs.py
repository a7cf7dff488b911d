"""/proc as a container sees it: made up on the spot from its own processes and mounts.

Models what the commands of the labs read: /proc/<pid>/{cmdline,comm,status,stat,environ,cwd,exe,root,fd,oom_score_adj},
/proc/{self,mounts,cpuinfo,meminfo,uptime,loadavg,stat,version,cgroup}, /proc/net/{tcp,udp} headers. Nothing here shows
the host. Left out: everything else of procfs.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.filesystem.special import Folder, Link, Made, Text, fixed, link
from pocketkube.kubelet.filesystem.tree import failure

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem.walk import Entry, Seer
    from pocketkube.kubelet.process import Process

TICKS = 100
"""Of a second, in which procfs counts."""
VIRTUAL = 4400 << 10
"""Bytes of address space that a small program takes, nominal."""


def _status(process: Process) -> bytes:
    parent = process.parent.pid if process.parent else 0
    rows = {
        "Name": _comm(process),
        "Umask": f"{process.umask:04o}",
        "State": "R (running)" if process.meter.is_computing else "S (sleeping)",
        "Tgid": process.pid,
        "Pid": process.pid,
        "PPid": parent,
        "TracerPid": 0,
        "Uid": "\t".join([str(process.uid)] * 4),
        "Gid": "\t".join([str(process.gid)] * 4),
        "Groups": " ".join(map(str, process.groups)),
        "VmSize": f"{(VIRTUAL + process.memory.size) >> 10:8d} kB",
        "VmRSS": f"{process.rss >> 10:8d} kB",
        "Threads": 1,
    }
    return "".join(f"{name}:\t{value}\n" for name, value in rows.items()).encode()


def _comm(process: Process) -> str:
    return os.path.basename(process.argv[0] if process.argv else "")[:15]


def _stat(process: Process) -> bytes:
    parent = process.parent.pid if process.parent else 0
    began = max(0, int((process.started - process.clock.time() + process.clock.monotonic()) * TICKS))
    state = "R" if process.meter.is_computing else "S"
    ids = [process.pid, f"({_comm(process)})", state, parent, process.pid, process.pid, 0, -1]
    times = [int(process.meter.seconds * TICKS), 0, 0, 0]
    fields = [*ids, *[0] * 5, *times, 20, 0, 1, 0, began, VIRTUAL + process.memory.size, process.rss // 4096]
    return (" ".join(map(str, fields)) + " 0" * 28 + "\n").encode()


def _zeros(items: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(item) + b"\0" for item in items)


def _of(process: Process) -> Folder:
    def descriptors(seer: Seer) -> Mapping[str, Any]:
        if seer.uid not in (0, process.uid):
            raise failure(errno.EACCES)
        return {str(number): Link(_describe(stream), _given(stream)) for number, stream in process.fds.items()}

    ino = 100_000 + process.pid * 32
    return Folder(
        lambda seer: {
            "cmdline": Text(lambda seer: _zeros(process.argv), ino=ino + 1),
            "comm": Text(lambda seer: _comm(process).encode() + b"\n", ino=ino + 2),
            "status": Text(lambda seer: _status(process), ino=ino + 3),
            "stat": Text(lambda seer: _stat(process), ino=ino + 4),
            "environ": Text(lambda seer: _environ(process, seer), 0o400, ino=ino + 5),
            "cgroup": Text(lambda seer: b"0::/\n", ino=ino + 6),
            "mounts": Text(lambda seer: _mounts(process), ino=ino + 7),
            "cwd": Link(lambda seer: process.cwd, jump=_place(process, lambda: process.cwd), ino=ino + 8),
            "root": Link(lambda seer: "/", jump=_place(process, lambda: "/"), ino=ino + 9),
            "exe": Link(lambda seer: process.program, jump=_place(process, lambda: process.program), ino=ino + 10),
            "fd": Folder(descriptors, 0o500, ino=ino + 11),
            "oom_score_adj": Text(lambda seer: f"{process.namespace.cgroup.oom_score_adj}\n".encode(), ino=ino + 12),
            "net": NET,
        },
        ino=ino,
    )


def _place(process: Process, path: Callable[[], str]) -> Callable[[Seer], Entry | None]:
    """Where a path of the process's container is for the others; itself just follows the path."""

    def place(seer: Seer) -> Entry | None:
        if process.namespace is seer.namespace:
            return None
        if seer.uid not in (0, process.uid):
            raise failure(errno.EACCES)
        return process.namespace.fs.entry(path())

    return place


def _given(stream: Any) -> Callable[[Seer], Any]:
    return lambda seer: stream


def _describe(stream: Any) -> Callable[[Seer], str]:
    name = getattr(stream, "name", None)
    return lambda seer: name if isinstance(name, str) else f"pipe:[{40_000 + id(stream) % 10_000}]"


def _environ(process: Process, seer: Seer) -> bytes:
    if seer.uid not in (0, process.uid):
        raise failure(errno.EACCES)
    return _zeros(f"{name}={value}" for name, value in process.env.items())


_ESCAPED = str.maketrans({" ": "\\040", "\t": "\\011", "\n": "\\012", "\\": "\\134"})
"""What would end a field or a line of /proc/mounts."""


def _mounts(process: Process) -> bytes:
    rows = (" ".join(field.translate(_ESCAPED) for field in mount) for mount in process.namespace.fs.mounts())
    return "".join(f"{row} 0 0\n" for row in rows).encode()


def _uptime(seer: Seer) -> float:
    return seer.namespace.clock.monotonic() if seer.namespace else 0.0


def _load(seer: Seer) -> bytes:
    count = len(seer.namespace.processes) if seer.namespace else 1
    newest = max(seer.namespace.processes, default=1) if seer.namespace else 1
    running = seer.namespace.cpu.processor.running if seer.namespace else 1
    loads = seer.namespace.cpu.loads() if seer.namespace else (0.0, 0.0, 0.0)
    return f"{' '.join(f'{load:.2f}' for load in loads)} {max(1, running)}/{count} {newest}\n".encode()


def _hostname(seer: Seer) -> bytes:
    return f"{seer.namespace.hostname}\n".encode() if seer.namespace else b"\n"


def _boot(seer: Seer) -> int:
    return int(seer.namespace.clock.time() - _uptime(seer)) if seer.namespace else 0


def _cores(seer: Seer) -> int:
    return seer.namespace.cpu.count if seer.namespace else 1


def _cpuinfo(seer: Seer) -> bytes:
    cores = _cores(seer)
    model = f"vendor_id\t: pocketkube\nmodel name\t: pocketkube virtual CPU\ncpu cores\t: {cores}\n"
    return "".join(f"processor\t: {number}\n{model}\n" for number in range(cores)).encode()


def _meminfo(seer: Seer) -> bytes:
    total, used = (seer.namespace.cpu.memory, seer.namespace.cpu.memory_used()) if seer.namespace else (0, 0)
    rows = {"MemTotal": total, "MemFree": total - used, "MemAvailable": total - used}
    rows |= dict.fromkeys(("Buffers", "Cached", "SwapTotal", "SwapFree", "Shmem"), 0)
    return "".join(f"{name + ':':<15}{size >> 10:9d} kB\n" for name, size in rows.items()).encode()


def _machine_stat(seer: Seer) -> bytes:
    """Everything is user time, spread evenly over the cores."""
    cores, used, running = _cores(seer), 0.0, 1
    if seer.namespace:
        seer.namespace.cpu.settle()
        used, running = seer.namespace.cpu.processor.used, seer.namespace.cpu.processor.running

    def row(name: str, used: float, cores: int) -> str:
        busy = int(used * TICKS)
        return f"{name} {busy} 0 0 {max(0, int(_uptime(seer) * cores * TICKS) - busy)} 0 0 0 0 0 0\n"

    every = "".join(row(f"cpu{number}", used / cores, 1) for number in range(cores))
    ends = f"btime {_boot(seer)}\nprocs_running {max(1, running)}\nprocs_blocked 0\n"
    return (row("cpu ", used, cores) + every + ends).encode()


_SOCKETS = (
    b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    + b" " * 53
    + b"\n"
)

NET = fixed(
    {name: Text(lambda seer: _SOCKETS) for name in ("tcp", "tcp6", "udp", "udp6")}
    | {"dev": Text(lambda seer: b"Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes    packets\n")},
    0o555,
)


def _processes(seer: Seer) -> Mapping[str, Any]:
    namespace, me = seer.namespace, seer.process
    children: dict[str, Any] = dict(_GENERAL)
    if namespace is not None:
        children |= {str(pid): _of(process) for pid, process in namespace.processes.items()}
    if me is not None:
        children["self"] = link(str(me.pid))
    return children


def _parameters(seer: Seer, way: tuple[str, ...]) -> Mapping[str, Any]:
    """A folder of /proc/sys: `way` leads to it."""
    children: dict[str, Any] = {}
    known = seer.namespace.sysctls if seer.namespace else {}
    for name in ("kernel.hostname", *known):
        parts = tuple(name.split("."))
        if parts[: len(way)] == way and len(parts) > len(way):
            below = (*way, parts[len(way)])
            children[below[-1]] = _parameter(name) if parts == below else _folder(below)
    return children


def _folder(way: tuple[str, ...]) -> Folder:
    return Folder(lambda seer: _parameters(seer, way))


def _parameter(name: str) -> Text:
    if name == "kernel.hostname":
        return Text(_hostname)
    return Text(lambda seer: f"{seer.namespace.sysctls[name] if seer.namespace else ''}\n".encode())


_GENERAL: dict[str, Any] = {
    "cpuinfo": Text(_cpuinfo),
    "meminfo": Text(_meminfo),
    "uptime": Text(lambda seer: f"{_uptime(seer):.2f} {_uptime(seer) * 4:.2f}\n".encode()),
    "loadavg": Text(_load),
    "stat": Text(_machine_stat),
    "version": Text(lambda seer: b"Linux version 6.12.0 (pocketkube)\n"),
    "filesystems": Text(lambda seer: b"nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n\text4\n"),
    "mounts": link("self/mounts"),
    "net": link("self/net"),
    "sys": Folder(lambda seer: _parameters(seer, ())),
}

PROC = Made(Folder(_processes), "proc", "proc")
