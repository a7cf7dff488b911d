"""mountpoint, fallocate, fsync, tree, flock, stty, groups, who, pgrep, pkill, unlink, link, logger, nologin, reset.

Left out: flock's waiting for other containers; what stty does not know it refuses.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
import weakref

from pocketkube.images.coreutils.options import fail, name_of, parse, reason, usage
from pocketkube.images.coreutils.signals import signal_number
from pocketkube.images.coreutils.system import run
from pocketkube.kubelet.filesystem.tree import DIRECTORY, SYMLINK
from pocketkube.kubelet.pid_namespace import PidNamespace
from pocketkube.kubelet.process import Command, Process

_CORNER, _BRANCH, _LINE = "\u2514\u2500\u2500", "\u251c\u2500\u2500", "\u2502   "
_SIZE = re.compile(r"(\d+)([kKmMgG]?)(?:i?B)?")


async def mountpoint(process: Process) -> int:
    """`mountpoint [-q] PATH`: 0 when something is mounted there."""
    options = await parse(process, "qdnx")
    if len(options.rest) != 1:
        await usage(process)
    path = options.rest[0]
    try:
        if process.fs.stat(path).kind != DIRECTORY:
            await fail(process, f"{path}: Not a directory")
    except OSError as error:
        await fail(process, f"{path}: {reason(error)}")
    absolute = posixpath.normpath(process.path(path))
    found = any(target == absolute for _, target, _, _ in process.fs.mounts())
    if "q" not in options:
        await process.print(f"{path} is {'' if found else 'not '}a mountpoint")
    return 0 if found else 1


async def fallocate(process: Process) -> int:
    """`fallocate [-o OFFSET] -l LENGTH FILE`: makes it as long as that at least."""
    options = await parse(process, "l:o:", {"length": "l", "offset": "o"})
    found = [_SIZE.fullmatch(str(options.get(letter, "0"))) for letter in "lo"]
    if len(options.rest) != 1 or "l" not in options or not all(found):
        await usage(process)
    length, offset = (
        int(one.group(1)) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[one.group(2).lower()]
        for one in found
        if one
    )
    path = options.rest[0]
    try:
        if not process.fs.exists(path):
            process.fs.open(path, "a").close()
        if process.fs.stat(path).size < offset + length:
            process.fs.truncate(path, offset + length)
    except OSError as error:
        await fail(process, f"fallocate '{path}': {reason(error)}")
    return 0


async def fsync(process: Process) -> int:
    status = 0
    for path in process.argv[1:]:
        if path != "-d" and not process.fs.exists(path):
            await process.error(f"fsync: {path}: No such file or directory")
            status = 1
    return status


async def tree(process: Process) -> int:
    """`tree [PATH]...`: at most 10,000 names."""
    folders = files = 0

    async def walk(path: str, indent: str) -> None:
        nonlocal folders, files
        names = [name for name in sorted(process.fs.listdir(path)) if not name.startswith(".")]
        for at, name in enumerate(names):
            await process.turn()
            if folders + files >= 10_000 or len(indent) > 400:
                return
            last = at == len(names) - 1
            full = f"{path.rstrip('/')}/{name}"
            found = process.fs.stat(full, follow=False)
            arrow = f" -> {process.fs.readlink(full)}" if found.kind == SYMLINK else ""
            await process.print(f"{indent}{_CORNER if last else _BRANCH} {name}{arrow}")
            if found.kind == DIRECTORY:
                folders += 1
                try:
                    await walk(full, indent + ("    " if last else _LINE))
                except OSError:
                    continue
            else:
                files += 1

    for path in process.argv[1:] or ["."]:
        await process.print(path)
        try:
            await walk(process.path(path), "")
        except OSError as error:
            await process.error(f"tree: {path}: {reason(error)}")
    await process.print(f"\n{folders} directories, {files} files")
    return 0


_LOCKS: weakref.WeakKeyDictionary[PidNamespace, dict[str, asyncio.Lock]] = weakref.WeakKeyDictionary()


async def flock(process: Process) -> int:
    """`flock [-sxun] FILE PROG ARGS`, `flock FILE -c COMMAND`: one at a time in a container."""
    options = await parse(process, "sxnuw:", stop=True)
    if len(options.rest) < 2:
        await usage(process)
    path, *words = options.rest
    try:
        if not process.fs.exists(path):
            process.fs.open(path, "a").close()
    except OSError as error:
        await fail(process, f"can't open '{path}': {reason(error)}")
    locks = _LOCKS.setdefault(process.namespace, {})
    lock = locks.setdefault(posixpath.normpath(process.path(path)), asyncio.Lock())
    if lock.locked() and "n" in options:
        return 1
    async with lock:
        return await process.run(["/bin/sh", "-c", *words[1:2]] if words[0] == "-c" else words)


async def stty(process: Process) -> int:
    """`stty [-a | size | sane | [-]echo | [-]icanon | raw | cooked]`."""
    terminal = getattr(process.fds.get(0), "terminal", None)
    if terminal is None:
        await process.error("stty: standard input: Not a tty")
        return 1
    width, height = terminal.size
    words = process.argv[1:]
    if not words or words == ["-a"]:
        await process.print(f"speed 38400 baud; rows {height}; columns {width}; line = 0;")
        signs = [("icanon", terminal.canonical), ("echo", terminal.echo), ("isig", terminal.signals)]
        await process.print(" ".join(("" if on else "-") + name for name, on in signs))
        return 0
    for word in words:
        on = not word.startswith("-")
        match word.lstrip("-"):
            case "size":
                await process.print(f"{height} {width}")
            case "echo":
                terminal.echo = on
            case "icanon":
                terminal.canonical = on
            case "isig":
                terminal.signals = on
            case "sane" | "cooked" | "raw" as mode:
                cooked = mode != "raw" if on else mode == "raw"
                terminal.canonical = terminal.signals = cooked
                terminal.echo = terminal.echo or mode == "sane"
            case _:
                await fail(process, f"invalid argument '{word}'")
    return 0


async def groups(process: Process) -> int:
    return await run(process, ["id", "-Gn", *process.argv[1:]])


async def who(process: Process) -> int:
    """Nobody logs in to a container."""
    if name_of(process) == "who":
        await process.print("USER\t\tTTY\t\tIDLE\tTIME\t\t HOST")
    return 0


async def pgrep(process: Process) -> int:
    """`pgrep [-flnovx] PATTERN`, `pkill [-SIGNAL] [-fnovx] PATTERN`."""
    words, number = list(process.argv), 15
    kills = name_of(process) == "pkill"
    if kills and len(words) > 1 and (sent := signal_number(words[1][1:])) is not None and words[1].startswith("-"):
        number = sent
        words.pop(1)
    process.argv = words
    options = await parse(process, "flnovxas:P:")
    if len(options.rest) != 1 and "s" not in options and "P" not in options:
        await usage(process)
    from pocketkube.images.coreutils.regex import extended, unsuitable
    from pocketkube.regex import BadPattern, posix

    try:
        pattern = posix(extended(options.rest[0] if options.rest else ""))
    except BadPattern as bad:
        await fail(process, unsuitable(bad))
        raise
    found = []
    for other in process.namespace.processes.values():
        if other is process or ("P" in options and str(other.parent.pid if other.parent else 0) != options.get("P")):
            continue
        name = " ".join(other.argv) if "f" in options else other.argv[0].rsplit("/", 1)[-1]
        match = pattern.fullmatch(name) if "x" in options else pattern.search(name)
        if (match is not None) != ("v" in options):
            found.append(other)
    found = found[-1:] if "n" in options else found[:1] if "o" in options else found
    for other in found:
        if kills:
            other.signal(number)
        else:
            shown = f" {' '.join(other.argv)}" if {"l", "a"} & set(options.given) else ""
            await process.print(f"{other.pid}{shown}")
    return 0 if found else 1


async def unlink(process: Process) -> int:
    if len(process.argv) != 2:
        await usage(process)
    try:
        process.fs.unlink(process.argv[1])
    except OSError as error:
        await fail(process, f"can't remove file '{process.argv[1]}': {reason(error)}")
    return 0


async def link(process: Process) -> int:
    if len(process.argv) != 3:
        await usage(process)
    existing, path = process.argv[1:]
    try:
        process.fs.link(existing, path)
    except OSError as error:
        await fail(process, f"can't create link '{path}' to '{existing}': {reason(error)}")
    return 0


async def logger(process: Process) -> int:
    """There is no syslogd to hear it; -s says it on standard error."""
    options = await parse(process, "sp:t:")
    if "s" in options:
        await process.error(f"{options.get('t', 'root')}: {' '.join(options.rest)}")
    return 0


async def nologin(process: Process) -> int:
    await process.print("This account is not available")
    return 1


async def reset(process: Process) -> int:
    await process.print("\033c\033(B\033[m\033[J\033[?25h", end="")
    return 0


COMMANDS: dict[str, Command] = {
    "mountpoint": mountpoint, "fallocate": fallocate, "fsync": fsync, "tree": tree, "flock": flock, "stty": stty,
    "groups": groups, "who": who, "users": who, "pgrep": pgrep, "pkill": pgrep, "unlink": unlink, "link": link,
    "logger": logger, "nologin": nologin, "reset": reset,
}  # fmt: skip
