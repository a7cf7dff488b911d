"""ls: what is in a directory."""

from __future__ import annotations

import contextlib
import math
import posixpath
from datetime import UTC, datetime

from pocketkube.images.coreutils.listing import human, permissions
from pocketkube.images.coreutils.options import parse, reason
from pocketkube.images.coreutils.system import group_name, user_name
from pocketkube.kubelet.filesystem.tree import Stat
from pocketkube.kubelet.process import Command, Process

_HALF_YEAR = 15_778_476


async def ls(process: Process) -> int:
    long = {
        "all": "a", "almost-all": "A", "full-time": "e", "group-directories-first": "D", "color": "G",
        "human-readable": "h",
        "directory": "d", "recursive": "R", "inode": "i", "size": "s", "reverse": "r", "classify": "F",
    }  # fmt: skip
    process.argv[1:] = [word for word in process.argv[1:] if not word.startswith("--color")]
    options = await parse(process, "1aAbcCdDeFgGhHiklLmnopqQrRsStTuUvwxX", long)
    fs = process.fs
    status = 0
    files: list[tuple[str, Stat]] = []
    folders: list[tuple[str, Stat]] = []
    long_form = bool({"l", "g", "n", "o"} & set(options.given))
    for path in options.rest or ["."]:
        await process.turn()
        try:
            follow = not (long_form or "d" in options or "F" in options) or "L" in options or "H" in options
            try:
                found = fs.stat(path, follow)
            except FileNotFoundError:
                found = fs.stat(path, False)
        except OSError as error:
            await process.error(f"ls: {path}: {reason(error)}")
            status = 1
            continue
        is_folder = found.kind == "directory" and "d" not in options
        (folders if is_folder else files).append((path, found))
    listing = _Listing(process, options.given, long_form)
    if files:
        await listing.show(listing.sorted(files), total=False)
    several = len(folders) + bool(files) + bool(status) > 1 or "R" in options
    first = not files
    waiting = listing.sorted(folders)
    while waiting:
        path, _ = waiting.pop(0)
        if several:
            await process.print(f"{'' if first else chr(10)}{path}:")
        first = False
        try:
            names = fs.listdir(path)
        except OSError as error:
            await process.error(f"ls: can't open '{path}': {reason(error)}")
            status = 1
            continue
        if "a" in options:
            names = [".", "..", *names]
        elif "A" not in options:
            names = [name for name in names if not name.startswith(".")]
        entries = []
        for name in names:
            await process.turn()
            try:
                entries.append((name, fs.stat(posixpath.join(path, name), "L" in options)))
            except OSError:
                continue
        entries = listing.sorted(entries)
        await listing.show(entries, total=long_form or "s" in options, folder=path)
        if "R" in options:
            inner = [
                (posixpath.join(path, name), found)
                for name, found in entries
                if found.kind == "directory" and name not in (".", "..")
            ]
            waiting = inner + waiting
    return status


class _Listing:
    def __init__(self, process: Process, options: dict[str, object], long_form: bool) -> None:
        self.process = process
        self.options = options
        self.long_form = long_form

    def sorted(self, entries: list[tuple[str, Stat]]) -> list[tuple[str, Stat]]:
        if "U" in self.options:
            return entries
        reverse = "r" in self.options
        if "S" in self.options:
            ordered = sorted(entries, key=lambda entry: (-entry[1].size, entry[0]))
        elif "t" in self.options:
            field = "ctime" if "c" in self.options else "atime" if "u" in self.options else "mtime"
            ordered = sorted(entries, key=lambda entry: (-getattr(entry[1], field), entry[0]))
        elif "X" in self.options:
            ordered = sorted(entries, key=lambda entry: (posixpath.splitext(entry[0])[1], entry[0]))
        else:
            ordered = sorted(entries, key=lambda entry: entry[0])
        return ordered[::-1] if reverse else ordered

    async def show(self, entries: list[tuple[str, Stat]], *, total: bool, folder: str = "") -> None:
        process = self.process
        if total:
            blocks = sum(found.blocks for _, found in entries) // 2
            await process.print(f"total {human(blocks * 1024) if 'h' in self.options else blocks}")
        lines = []
        for name, found in entries:
            await process.turn()
            lines.append(self._prefix(found) + self._line(name, found, folder))
        terminal = getattr(process.fds.get(1), "terminal", None)
        if (
            not self.long_form
            and "1" not in self.options
            and (terminal is not None or "C" in self.options or "x" in self.options)
        ):
            lines = _in_columns(lines)
        if lines:
            await process.print("\n".join(lines))

    def _prefix(self, found: Stat) -> str:
        inode = f"{found.ino:7d} " if "i" in self.options else ""
        return inode + (f"{found.blocks // 2:6d} " if "s" in self.options else "")

    def _line(self, name: str, found: Stat, folder: str) -> str:
        shown = name + self._mark(found)
        if not self.long_form:
            return shown
        process = self.process
        numeric = "n" in self.options
        user = str(found.uid) if numeric else user_name(process, found.uid) or str(found.uid)
        group = str(found.gid) if numeric else group_name(process, found.gid) or str(found.gid)
        owners = "" if "g" in self.options else f"{user:<8} "
        owners += "" if "o" in self.options else f"{group:<8} "
        size = f"{found.rdev[0]:4d},{found.rdev[1]:4d}" if found.kind in ("device", "block") else f"{found.size:9d}"
        if "h" in self.options and found.kind not in ("device", "block"):
            size = f"{human(found.size):>9}"
        moment = datetime.fromtimestamp(found.mtime, UTC)
        age = process.clock.time() - found.mtime
        if "e" in self.options:
            when = moment.strftime("%a %b %e %H:%M:%S %Y")
        else:
            when = moment.strftime("%b %e %H:%M" if -900 <= age < _HALF_YEAR else "%b %e  %Y")
        line = f"{permissions(found)} {found.nlink:4d} {owners}{size} {when} {shown}"
        if found.kind == "symlink":
            with contextlib.suppress(OSError):
                line += f" -> {process.fs.readlink(posixpath.join(folder, name))}"
        return line

    def _mark(self, found: Stat) -> str:
        if "F" in self.options:
            if found.kind == "directory":
                return "/"
            if found.kind == "symlink":
                return "@"
            return "*" if found.kind == "file" and found.mode & 0o111 else ""
        return "/" if "p" in self.options and found.kind == "directory" else ""


def _in_columns(names: list[str], width: int = 80) -> list[str]:
    if not names:
        return []
    cell = max(map(len, names)) + 2
    columns = max(1, width // cell)
    rows = math.ceil(len(names) / columns)
    return ["".join(name.ljust(cell) for name in names[row::rows]).rstrip() for row in range(rows)]


COMMANDS: dict[str, Command] = {"ls": ls}
