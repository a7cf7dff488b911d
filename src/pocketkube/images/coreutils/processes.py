"""ps, top: the processes of the container."""

from __future__ import annotations

import posixpath
import re
from datetime import UTC, datetime

from pocketkube.images.coreutils.options import fail, parse
from pocketkube.images.coreutils.system import group_name, user_name
from pocketkube.kubelet.filesystem.procfs import VIRTUAL
from pocketkube.kubelet.process import Command, Process

_COLUMNS = {
    "pid": ("PID", 5), "ppid": ("PPID", 5), "user": ("USER", 8), "group": ("GROUP", 8), "comm": ("COMMAND", 16),
    "args": ("COMMAND", 0), "time": ("TIME", 6), "etime": ("ELAPSED", 7), "vsz": ("VSZ", 4), "rss": ("RSS", 4),
    "stat": ("STAT", 4), "tty": ("TT", 6), "nice": ("NI", 5), "pgid": ("PGID", 5), "sid": ("SID", 5),
    "uid": ("UID", 5), "pcpu": ("%CPU", 5), "pmem": ("%MEM", 5), "lstart": ("STARTED", 24), "wchan": ("WCHAN", 8),
    "cputime": ("TIME", 6), "start": ("STARTED", 8),
}  # fmt: skip


_ALIASES = {"command": "args", "cmd": "args", "ruser": "user", "euser": "user", "%cpu": "pcpu", "%mem": "pmem",
            "ucmd": "comm", "fname": "comm", "state": "stat", "s": "stat", "tt": "tty", "tname": "tty", "ni": "nice",
            "vsize": "vsz", "rssize": "rss", "euid": "uid", "stime": "start", "egroup": "group"}  # fmt: skip


def _elapsed(total: float) -> str:
    seconds = int(total)
    return f"{seconds // 60}:{seconds % 60:02d}"


def _column(viewer: Process, other: Process, name: str) -> str:
    match name:
        case "pid" | "pgid" | "sid":
            return str(other.pid)
        case "ppid":
            return str(other.parent.pid if other.parent else 0)
        case "user":
            return user_name(viewer, other.uid) or str(other.uid)
        case "group":
            return group_name(viewer, other.gid) or str(other.gid)
        case "uid":
            return str(other.uid)
        case "comm":
            return posixpath.basename(other.argv[0] if other.argv else other.program)[:15]
        case "args":
            return " ".join(word.replace("\n", " ") for word in other.argv)
        case "time" | "cputime":
            return _elapsed(other.meter.seconds)
        case "vsz":
            return str((VIRTUAL + other.memory.size) >> 10)
        case "rss":
            return str(other.rss >> 10)
        case "etime":
            return _elapsed(viewer.clock.time() - other.started)
        case "lstart" | "start":
            started = datetime.fromtimestamp(other.started, UTC)
            return started.strftime("%a %b %e %H:%M:%S %Y" if name == "lstart" else "%H:%M:%S")
        case "stat":
            return "R" if other is viewer or other.meter.is_computing else "S"
        case "tty":
            return "?"
        case "pcpu":
            lived = viewer.clock.time() - other.started
            return f"{min(100 * other.meter.seconds / lived, 999) if lived > 0 else 0.0:.1f}"
        case "pmem":
            return f"{100 * other.rss / viewer.namespace.cpu.memory:.1f}"
        case _:
            return "0"


async def ps(process: Process) -> int:
    """BusyBox columns PID, USER, TIME, COMMAND; `-o` chooses others; `-A -e -f -w aux` are taken and change nothing."""
    words = process.argv[1:]
    columns: list[tuple[str, str]] = []
    while words:
        word = words.pop(0)
        found = re.fullmatch(r"-[a-zA-Z]*?o(.*)", word)
        text = ""
        if found:
            text = found.group(1) or (words.pop(0) if words else "")
        elif word == "-p" and words:
            words.pop(0)
        for item in re.split(r"[,\s]+", text) if text else []:
            name, equals, title = item.partition("=")
            name = _ALIASES.get(name, name)
            if name not in _COLUMNS:
                await fail(process, f"bad -o argument '{item}', supported arguments: {','.join(_COLUMNS)}")
            columns.append((name, title if equals else _COLUMNS[name][0]))
    shown = columns or [(name, _COLUMNS[name][0]) for name in ("pid", "user", "time", "args")]

    def row(values: list[str]) -> str:
        cells = []
        for (name, _), value in zip(shown[:-1], values[:-1], strict=True):
            width = _COLUMNS[name][1]
            cells.append(value.rjust(width) if name in ("pid", "ppid", "pgid", "sid", "uid") else value.ljust(width))
        return " ".join([*cells, values[-1]])

    if any(title for _, title in shown):
        await process.print(row([title for _, title in shown]))
    for other in sorted(process.namespace.processes.values(), key=lambda found: found.pid):
        await process.print(row([_column(process, other, name) for name, _ in shown]))
    return 0


_FIRST_LOOK = 0.1
"""Seconds over which the first page of `top` measures."""


async def top(process: Process) -> int:
    """`top -b`: one page or `-n` of them. Without -b there is no screen to draw on, so it prints one page too."""
    options = await parse(process, "bn:d:p:Hmi")
    pages = int(options.get("n", 0 if "b" in options else 1))
    page = 0
    before = _look(process)
    while not pages or page < pages:
        await process.clock.sleep(float(options.get("d", 5)) if page else _FIRST_LOOK)
        page += 1
        after = _look(process)
        await _page(process, before, after)
        before = after
    return 0


def _look(process: Process) -> dict[int, float]:
    """Core seconds used by each process; by the whole node under 0, and under -1 the time."""
    seconds = {pid: other.meter.seconds for pid, other in process.namespace.processes.items()}
    cpu = process.namespace.cpu
    return {-1: cpu.processor.at, 0: cpu.processor.used, **seconds}


async def _page(process: Process, before: dict[int, float], after: dict[int, float]) -> None:
    cpu = process.namespace.cpu
    span = max(1e-6, after[-1] - before[-1]) * cpu.processor.cores

    def percent(number: int) -> float:
        return min(100.0, 100 * (after.get(number, 0.0) - before.get(number, 0.0)) / span)

    used, busy = cpu.memory_used() >> 10, round(percent(0))
    loads = " ".join(f"{load:.2f}" for load in cpu.loads())
    others = sorted(process.namespace.processes.values(), key=lambda found: (-percent(found.pid), found.pid))
    running = max(1, cpu.processor.running)
    await process.print(f"Mem: {used}K used, {(cpu.memory >> 10) - used}K free, 0K shrd, 0K buff, 0K cached")
    await process.print(f"CPU: {busy:3d}% usr   0% sys   0% nic {100 - busy:3d}% idle   0% io   0% irq   0% sirq")
    await process.print(f"Load average: {loads} {running}/{len(others)} {process.pid}")
    await process.print("  PID  PPID USER     STAT   VSZ %VSZ CPU %CPU COMMAND")
    for other in others:
        parent = other.parent.pid if other.parent else 0
        size = VIRTUAL + other.memory.size
        await process.print(
            f"{other.pid:5d} {parent:5d} {_column(process, other, 'user'):<8} {_column(process, other, 'stat'):<4} "
            f"{_kilobytes(size)} {100 * size // cpu.memory:3d}%   0 {percent(other.pid):3.0f}% {' '.join(other.argv)}"
        )


def _kilobytes(size: int) -> str:
    """Five characters: kilobytes, or megabytes with an m."""
    kilobytes = size >> 10
    return f"{kilobytes:5d}" if kilobytes < 100_000 else f"{kilobytes >> 10:4d}m"


COMMANDS: dict[str, Command] = {"ps": ps, "top": top}
