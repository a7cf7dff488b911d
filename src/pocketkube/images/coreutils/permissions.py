"""chmod, chown, chgrp, and the modes they read."""

from __future__ import annotations

import re
from collections import deque

from pocketkube.images.coreutils.options import fail, name_of, parse, reason
from pocketkube.images.coreutils.system import _names
from pocketkube.kubelet.process import Command, Process


def parse_mode(text: str, current: int, umask: int, *, folder: bool = False) -> int | None:
    """`755`, `u+x,go-w`, `a=rX`; None for what is no mode."""
    if re.fullmatch(r"[0-7]{1,4}", text):
        return int(text, 8)
    for clause in text.split(","):
        found = re.fullmatch(r"([ugoa]*)((?:[-+=][rwxXst]*|[-+=][ugo])+)", clause)
        if not found:
            return None
        who = found.group(1)
        shifts = [shift for letter, shift in (("u", 6), ("g", 3), ("o", 0)) if letter in who or "a" in who or not who]
        for operator, letters in re.findall(r"([-+=])([rwxXstugo]*)", found.group(2)):
            bits = 0
            for letter in letters:
                if letter in "ugo":
                    bits |= current >> {"u": 6, "g": 3, "o": 0}[letter] & 7
                elif letter == "X":
                    bits |= 1 if folder or current & 0o111 else 0
                else:
                    bits |= {"r": 4, "w": 2, "x": 1}.get(letter, 0)
            mask = 0
            for shift in shifts:
                mask |= bits << shift
            if not who:
                mask &= ~umask
            if "s" in letters:
                mask |= (0o4000 if 6 in shifts else 0) | (0o2000 if 3 in shifts else 0)
            if "t" in letters:
                mask |= 0o1000
            if operator == "+":
                current |= mask
            elif operator == "-":
                current &= ~mask
            else:
                clear = 0
                for shift in shifts:
                    clear |= 7 << shift
                current = current & ~clear | mask
    return current & 0o7777


async def _each(process: Process, paths: list[str], deep: bool, change: object) -> int:
    status = 0
    waiting = deque(paths)
    while waiting:
        await process.turn()
        path = waiting.popleft()
        try:
            change(path)  # type: ignore[operator]
            if deep and process.fs.is_dir(path) and not process.fs.is_symlink(path):
                waiting += [f"{path.rstrip('/')}/{name}" for name in process.fs.listdir(path)]
        except OSError as error:
            await process.error(f"{name_of(process)}: {path}: {reason(error)}")
            status = 1
    return status


async def chmod(process: Process) -> int:
    words = process.argv[1:]
    deep = False
    while words and re.fullmatch(r"-[Rvcf]+", words[0]):
        deep = deep or "R" in words[0]
        words.pop(0)
    if len(words) < 2:
        await fail(process, "missing operand")
    text = words[0]
    if parse_mode(text, 0, 0) is None:
        await fail(process, f"invalid mode '{text}'")

    def change(path: str) -> None:
        found = process.fs.stat(path)
        process.fs.chmod(path, parse_mode(text, found.mode, process.umask, folder=found.kind == "directory") or 0)

    return await _each(process, words[1:], deep, change)


async def chown(process: Process) -> int:
    options = await parse(process, "RhLHPcfv", {"recursive": "R", "no-dereference": "h"})
    if len(options.rest) < 2:
        await fail(process, "missing operand")
    owner, _, group = options.rest[0].replace(".", ":", 1).partition(":")
    if name_of(process) == "chgrp":
        owner, group = "", options.rest[0]
    uid = await _number(process, owner, "/etc/passwd", "user")
    gid = await _number(process, group, "/etc/group", "group")
    return await _each(
        process, options.rest[1:], "R" in options, lambda path: process.fs.chown(path, uid, gid, "h" not in options)
    )


async def _number(process: Process, text: str, path: str, what: str) -> int:
    if not text:
        return -1
    if text.isdecimal():
        return int(text)
    found = {name: number for number, name in _names(process, path).items()}
    if text not in found:
        await fail(process, f"unknown {what} {text}")
    return found[text]


COMMANDS: dict[str, Command] = {"chmod": chmod, "chown": chown, "chgrp": chown}
