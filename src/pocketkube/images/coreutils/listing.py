"""stat, du, df, mount, readlink, realpath, basename, dirname: what there is, and where."""

from __future__ import annotations

import math
import posixpath
import re
from datetime import UTC, datetime

from pocketkube.images.coreutils.options import fail, parse, reason
from pocketkube.images.coreutils.system import group_name, user_name
from pocketkube.kubelet.filesystem.tree import Stat
from pocketkube.kubelet.process import Command, Process

_LETTERS = {"file": "-", "directory": "d", "symlink": "l", "device": "c", "block": "b"}


_KINDS = {
    "directory": "directory", "symlink": "symbolic link", "device": "character special file",
    "block": "block special file",
}  # fmt: skip


def permissions(found: Stat) -> str:
    """`drwxr-xr-x`."""
    out = [_LETTERS.get(found.kind, "?")]
    for shift in (6, 3, 0):
        for bit, letter in ((4, "r"), (2, "w"), (1, "x")):
            out.append(letter if found.mode >> shift & bit else "-")
    for at, bit, letter in ((3, 0o4000, "s"), (6, 0o2000, "s"), (9, 0o1000, "t")):
        if found.mode & bit:
            out[at] = letter if out[at] == "x" else letter.upper()
    return "".join(out)


def human(size: float) -> str:
    """`1.5K`, as BusyBox's make_human_readable_str."""
    if size < 1024:
        return str(int(size))
    for unit in "KMGTP":
        size /= 1024
        if size < 1024 or unit == "P":
            return f"{size:.1f}{unit}"
    raise AssertionError(size)


def _stat_value(process: Process, path: str, found: Stat, code: str) -> str:
    moment = {"x": found.atime, "y": found.mtime, "z": found.ctime}
    match code:
        case "n":
            return path
        case "N":
            return f"'{path}' -> '{process.fs.readlink(path)}'" if found.kind == "symlink" else path
        case "s":
            return str(found.size)
        case "a":
            return f"{found.mode:o}"
        case "A":
            return permissions(found)
        case "f":
            return f"{found.st_mode:x}"
        case "F":
            return _KINDS.get(found.kind) or ("regular file" if found.size else "regular empty file")
        case "u" | "g":
            return str(found.uid if code == "u" else found.gid)
        case "U":
            return user_name(process, found.uid) or "UNKNOWN"
        case "G":
            return group_name(process, found.gid) or "UNKNOWN"
        case "h":
            return str(found.nlink)
        case "i":
            return str(found.ino)
        case "b":
            return str(found.blocks)
        case "B":
            return "512"
        case "o":
            return "4096"
        case "d" | "D":
            return f"{found.dev}" if code == "d" else f"{found.dev:x}"
        case "t" | "T":
            return f"{found.rdev[code == 'T']:x}"
        case "m":
            return _mount_point(process, path)
        case "x" | "y" | "z":
            return datetime.fromtimestamp(moment[code], UTC).strftime("%Y-%m-%d %H:%M:%S.%f000 +0000")
        case "X" | "Y" | "Z":
            return str(int(moment[code.lower()]))
        case "%":
            return "%"
    return "?"


def _mount_point(process: Process, path: str) -> str:
    try:
        real = process.fs.realpath(path)
    except OSError:
        return "/"
    targets = [target for _, target, _, _ in process.fs.mounts()]
    return max(
        (target for target in targets if (real + "/").startswith(target.rstrip("/") + "/")), key=len, default="/"
    )


_STAT = """  File: %N
  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F
Device: %Dh/%dd\tInode: %-10i  Links: %-5h
Access: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)
Access: %x
Modify: %y
Change: %z
"""


_DIRECTIVE = re.compile(r"%([-0 ]*)(\d*)(?:\.\d+)?([a-zA-Z%])")


async def stat(process: Process) -> int:
    options = await parse(
        process, "Lftc:", {"dereference": "L", "format": "c", "file-system": "f", "terse": "t", "printf": "c"}
    )
    if not options.rest:
        await fail(process, "missing operand")
    status = 0
    form = options.get("c")
    escapes = any(word.startswith("--printf") for word in process.argv)
    for path in options.rest:
        await process.turn()
        try:
            if "f" in options:
                await _stat_filesystem(process, path, form)
                continue
            found = process.fs.stat(path, "L" in options)
        except OSError as error:
            await process.error(f"stat: can't stat '{path}': {reason(error)}")
            status = 1
            continue

        def one(match: re.Match[str], path: str = path, found: Stat = found) -> str:
            flags, width, code = match.groups()
            text = _stat_value(process, path, found, code)
            if not width:
                return text
            return text.ljust(int(width)) if "-" in flags else text.rjust(int(width), "0" if "0" in flags else " ")

        text = form if form is not None else "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %o" if "t" in options else _STAT
        out = _DIRECTIVE.sub(one, text)
        if escapes:
            out = out.replace("\\n", "\n").replace("\\t", "\t")
        await process.print(out, end="" if (form is None and "t" not in options) or escapes else "\n")
    return status


def fstype_of(process: Process, path: str) -> str:
    """The type of the file system that `path` is on."""
    where = _mount_point(process, path)
    return next((fstype for _, target, fstype, _ in process.fs.mounts() if target == where), "overlay")


async def _stat_filesystem(process: Process, path: str, form: str | None) -> None:
    usage = process.fs.statvfs(path)
    kind = fstype_of(process, path)
    values = {
        "n": path, "T": kind, "S": str(usage.bsize), "s": str(usage.bsize), "b": str(usage.blocks),
        "f": str(usage.bfree),
        "a": str(usage.bavail), "c": str(usage.files), "d": str(usage.ffree), "l": "255", "i": "0", "t": "0", "%": "%",
    }  # fmt: skip
    text = form or (
        '  File: "%n"\n    ID: 0        Namelen: %l     Type: %T\nBlock size: %s\n'
        "Blocks: Total: %b Free: %f Available: %a\nInodes: Total: %c Free: %d"
    )
    await process.print(re.sub(r"%([a-zA-Z%])", lambda found: values.get(found.group(1), "?"), text))


async def df(process: Process) -> int:
    options = await parse(
        process, "PhHkmTtaiB:", {"human-readable": "h", "inodes": "i", "portability": "P", "all": "a"}
    )
    fs = process.fs
    mounts = fs.mounts()
    status = 0
    chosen = []
    for path in options.rest:
        try:
            fs.stat(path)
        except OSError as error:
            await process.error(f"df: {path}: {reason(error)}")
            status = 1
            continue
        where = _mount_point(process, path)
        chosen.append(next(mount for mount in reversed(mounts) if mount[1] == where))
    if not options.rest:
        chosen = mounts
    unit = 2**20 if "m" in options else 1024
    title = "1M-blocks" if "m" in options else "1024-blocks" if "P" in options else "1K-blocks"
    header = (
        "Inodes      Used Available"
        if "i" in options
        else ("     Size      Used Available" if {"h", "H"} & set(options.given) else f"{title}      Used Available")
    )
    capacity = "Capacity" if "P" in options else "IUse%" if "i" in options else "Use%"
    kind_title = "Type       " if "T" in options else ""
    await process.print(f"Filesystem           {kind_title}{header:>29} {capacity} Mounted on")
    for source, target, fstype, _ in chosen:
        usage = fs.statvfs(target)
        if not usage.blocks and not options.rest and "a" not in options:
            continue
        if "i" in options:
            total, used, free = usage.files, usage.files - usage.ffree, usage.ffree
            numbers = [str(total), str(used), str(free)]
        else:
            total, free = usage.blocks * usage.bsize, usage.bavail * usage.bsize
            used = (usage.blocks - usage.bfree) * usage.bsize
            show = human if {"h", "H"} & set(options.given) else (lambda size: str(int(size) // unit))
            numbers = [show(total), show(used), show(free)]
        percent = math.ceil(100 * used / (used + free)) if used + free else 0
        name = f"{source:<20}" if len(source) <= 20 else f"{source}\n{'':20}"
        kind = f"{fstype:<10} " if "T" in options else ""
        await process.print(f"{name} {kind}{numbers[0]:>9} {numbers[1]:>9} {numbers[2]:>9} {percent:3d}% {target}")
    return status


async def du(process: Process) -> int:
    options = await parse(
        process, "aHLdlsxhmkcbd:", {"all": "a", "summarize": "s", "human-readable": "h", "max-depth": "d", "total": "c"}
    )
    fs = process.fs
    deepest = 0 if "s" in options else int(options.get("d", 10**6))
    status = 0

    async def show(blocks: int, path: str) -> None:
        size = blocks * 512
        text = (
            human(size)
            if "h" in options
            else str(-(-size // (2**20 if "m" in options else 1 if "b" in options else 1024)))
        )
        await process.print(f"{text}\t{path}")

    async def walk(path: str, depth: int) -> int:
        nonlocal status
        await process.turn()
        try:
            found = fs.stat(path, False)
            blocks = found.blocks
            if found.kind == "directory":
                for name in fs.listdir(path):
                    blocks += await walk(posixpath.join(path, name), depth + 1)
        except OSError as error:
            await process.error(f"du: {path}: {reason(error)}")
            status = 1
            return 0
        if depth <= deepest and (found.kind == "directory" or "a" in options or depth == 0):
            await show(blocks, path)
        return blocks

    total = 0
    for path in options.rest or ["."]:
        total += await walk(path, 0)
    if "c" in options:
        await show(total, "total")
    return status


async def mount(process: Process) -> int:
    given = await parse(process, "t:")
    if given.rest:
        await fail(process, "permission denied (are you root?)")
    wanted = given.get("t")
    for source, target, fstype, options in process.fs.mounts():
        if wanted in (None, fstype):
            await process.print(f"{source} on {target} type {fstype} ({options})")
    return 0


async def umount(process: Process) -> int:
    await fail(process, f"can't unmount {process.argv[-1]}: Operation not permitted")
    return 1


async def readlink(process: Process) -> int:
    options = await parse(process, "fnevms", {"canonicalize": "f", "no-newline": "n"})
    status = 0
    for path in options.rest:
        await process.turn()
        try:
            if "f" in options or "e" in options or "m" in options:
                text = canonical(process, path)
            else:
                text = process.fs.readlink(path)
        except OSError as error:
            if "v" in options:
                await process.error(f"readlink: {path}: {reason(error)}")
            status = 1
            continue
        await process.print(text, end="" if "n" in options else "\n")
    return status


def canonical(process: Process, path: str) -> str:
    """The real path; the last name need not exist. Raises OSError."""
    try:
        return process.fs.realpath(path)
    except FileNotFoundError:
        above, name = posixpath.split(path.rstrip("/"))
        return posixpath.join(process.fs.realpath(above or "."), name)


async def realpath(process: Process) -> int:
    status = 0
    for path in [word for word in process.argv[1:] if not word.startswith("-")]:
        await process.turn()
        try:
            await process.print(canonical(process, path))
        except OSError as error:
            await process.error(f"realpath: {path}: {reason(error)}")
            status = 1
    return status


async def basename(process: Process) -> int:
    words = process.argv[1:]
    suffix = ""
    if words and words[0] == "-s":
        suffix, words = words[1], words[2:]
        paths = words
    elif words and words[0] == "-a":
        paths = words[1:]
    else:
        words = words[1:] if words[:1] == ["--"] else words
        paths, suffix = words[:1], words[1] if len(words) > 1 else ""
    if not paths:
        await fail(process, "missing operand")
    for path in paths:
        name = posixpath.basename(path.rstrip("/")) or ("/" if path else "")
        await process.print(name.removesuffix(suffix) if name != suffix else name)
    return 0


async def dirname(process: Process) -> int:
    for path in process.argv[1:]:
        above = posixpath.dirname(path.rstrip("/") or "/")
        await process.print(above.rstrip("/") or ("/" if path.startswith("/") else "."))
    return 0


async def pwd(process: Process) -> int:
    await process.print(process.cwd)
    return 0


COMMANDS: dict[str, Command] = {
    "stat": stat,
    "df": df,
    "du": du,
    "mount": mount,
    "umount": umount,
    "readlink": readlink,
    "realpath": realpath,
    "basename": basename,
    "dirname": dirname,
    "pwd": pwd,
}
