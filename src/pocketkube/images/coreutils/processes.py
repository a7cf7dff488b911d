"""ps, top: the processes of the container."""

from __future__ import annotations

import posixpath
import re
from datetime import UTC, datetime

from pocketkube.images.coreutils.options import fail, parse
from pocketkube.images.coreutils.system import group_name, user_name
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
            return "0:00"
        case "etime":
            return _elapsed(viewer.clock.time() - other.started)
        case "lstart" | "start":
            started = datetime.fromtimestamp(other.started, UTC)
            return started.strftime("%a %b %e %H:%M:%S %Y" if name == "lstart" else "%H:%M:%S")
        case "stat":
            return "R" if other is viewer else "S"
        case "tty":
            return "?"
        case "pcpu" | "pmem":
            return "0.0"
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


async def top(process: Process) -> int:
    """`top -b`: one page or `-n` of them. Without -b there is no screen to draw on, so it prints one page too."""
    options = await parse(process, "bn:d:p:Hmi")
    pages = int(options.get("n", 0 if "b" in options else 1))
    page = 0
    while not pages or page < pages:
        if page:
            await process.clock.sleep(float(options.get("d", 5)))
        page += 1
        await process.print("Mem: 2097152K used, 6291456K free, 0K shrd, 0K buff, 0K cached")
        await process.print("CPU:   0% usr   0% sys   0% nic 100% idle   0% io   0% irq   0% sirq")
        await process.print(f"Load average: 0.00 0.00 0.00 1/{len(process.namespace.processes)} {process.pid}")
        await process.print("  PID  PPID USER     STAT   VSZ %VSZ CPU %CPU COMMAND")
        for other in sorted(process.namespace.processes.values(), key=lambda found: found.pid):
            parent = other.parent.pid if other.parent else 0
            state = _column(process, other, "stat")
            user = _column(process, other, "user")
            await process.print(
                f"{other.pid:5d} {parent:5d} {user:<8} {state:<4}  4400   0%   0   0% {' '.join(other.argv)}"
            )
    return 0


COMMANDS: dict[str, Command] = {"ps": ps, "top": top}
