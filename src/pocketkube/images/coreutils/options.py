"""What every command needs: getopt, error texts as BusyBox words them, reading named files or standard input."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from pocketkube.kubelet.process import Process, ProcessExit

CHUNK = 65536


def name_of(process: Process) -> str:
    return process.argv[0].rsplit("/", 1)[-1] if process.argv else ""


def reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


class Options:
    """`options["n"]` is True or its value, a list of values for letters marked `*`; `rest` are the operands."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.order: list[str] = []
        self.rest: list[str] = []

    def __contains__(self, letter: str) -> bool:
        return letter in self.given

    def get(self, letter: str, default: Any = None) -> Any:
        return self.given.get(letter, default)

    def last(self, *letters: str) -> str | None:
        """Which of these was given last."""
        return next((letter for letter in reversed(self.order) if letter in letters), None)


async def parse(process: Process, spec: str, long: dict[str, str] | None = None, *, stop: bool = False) -> Options:
    """getopt(3) with permutation: `a:b*c` are a (with a value), b (with values, repeatable) and c.

    `long` maps long names to letters; `stop` ends options at the first operand. A bad option exits with status 1.
    """
    kinds: dict[str, str] = {}
    for at, letter in enumerate(spec):
        if letter not in ":*":
            kinds[letter] = spec[at + 1 : at + 2] if spec[at + 1 : at + 2] in (":", "*") else ""
    options = Options()
    words = list(process.argv[1:])

    def record(letter: str, value: Any) -> None:
        options.order.append(letter)
        if kinds[letter] == "*":
            options.given.setdefault(letter, []).append(value)
        else:
            options.given[letter] = value

    while words:
        word = words.pop(0)
        if word == "--":
            options.rest += words
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            candidates = [full for full in long or {} if full == name] or [
                full for full in long or {} if full.startswith(name)
            ]
            if len({(long or {})[full] for full in candidates}) != 1:
                await usage(process, f"unrecognized option '--{name}'")
            letter = (long or {})[candidates[0]]
            if kinds[letter]:
                if not equals:
                    if not words:
                        await usage(process, f"option '--{name}' requires an argument")
                    value = words.pop(0)
                record(letter, value)
            else:
                record(letter, value if equals else True)
        elif word.startswith("-") and len(word) > 1:
            cluster = word[1:]
            while cluster:
                letter, cluster = cluster[0], cluster[1:]
                if letter not in kinds:
                    await usage(process, f"unrecognized option: {letter}")
                if not kinds[letter]:
                    record(letter, True)
                    continue
                if not cluster and not words:
                    await usage(process, f"option requires an argument: {letter}")
                record(letter, cluster or words.pop(0))
                cluster = ""
        else:
            options.rest.append(word)
            if stop:
                options.rest += words
                break
    return options


async def usage(process: Process, text: str = "") -> None:
    """Complain about the command line and exit."""
    name = name_of(process)
    if text:
        await process.error(f"{name}: {text}")
    await process.error(f"BusyBox v1.36.1 multi-call binary.\n\nUsage: {name} [OPTIONS] [ARGS]")
    raise ProcessExit(1)


async def fail(process: Process, text: str, status: int = 1) -> None:
    """`name: text` on standard error, then exit."""
    await process.error(f"{name_of(process)}: {text}")
    raise ProcessExit(status)


async def chunks(process: Process, path: str) -> AsyncIterator[bytes]:
    """The bytes of a file, or of standard input for `-`. Raises OSError."""
    if path == "-":
        while data := await process.stdin.read(CHUNK):
            yield data
        return
    with process.fs.open(path) as file:
        while data := await file.read(CHUNK):
            yield data


_MOST = 64 << 20
_LONGEST_LINE = 4 << 20
_LINE = 48
"""Bytes a program may hold, of a line, and what splitting off a line costs: there is no limit of memory a container,
and the cluster's is everybody's."""


async def lines(process: Process, path: str) -> AsyncIterator[bytes]:
    """The lines of a file or standard input, newline included where there is one. Raises OSError."""
    pending = b""
    async for data in chunks(process, path):
        if len(pending) > _LONGEST_LINE:
            await _out_of_memory(process)
        pieces = (pending + data).split(b"\n")
        pending = pieces.pop()
        for piece in pieces:
            yield piece + b"\n"
    if pending:
        yield pending


async def whole(process: Process, path: str) -> bytes:
    """All of a file, or of standard input for `-`: what the process holds of memory until it reads the next. Many small
    lines count as more, for they will be split. Raises OSError."""
    process.memory.let_go()
    found = bytearray()
    cost = 0
    async for data in chunks(process, path):
        found += data
        size = len(data) + _LINE * data.count(b"\n")
        cost += size
        await hold(process, size, cost)
    return bytes(found)


async def hold(process: Process, more: int, all_in_all: int) -> None:
    """So many bytes more are held in memory, or the process ends: out of memory."""
    try:
        process.memory.hold(more)
    except MemoryError:
        all_in_all = _MOST + 1
    if all_in_all > _MOST:
        await _out_of_memory(process)


async def _out_of_memory(process: Process) -> NoReturn:
    process.memory.exhaust()
    await process.error(f"{name_of(process)}: out of memory")
    raise ProcessExit(1)


async def inputs(process: Process, paths: list[str]) -> AsyncIterator[tuple[str, bytes]]:
    """(path, whole content) of each; one that cannot be read is told of and skipped."""
    for path in paths or ["-"]:
        try:
            yield path, await whole(process, path)
        except OSError as error:
            await process.error(f"{name_of(process)}: {path}: {reason(error)}")
