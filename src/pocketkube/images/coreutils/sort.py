"""sort, uniq: the order of lines."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cmp_to_key

from pocketkube.images.coreutils.options import Options, fail, lines, parse, whole
from pocketkube.kubelet.process import Command, Process


def _number(text: bytes) -> Decimal:
    found = re.match(rb"\s*(-?\d*\.?\d+|-?\d+)", text)
    try:
        return Decimal(found.group(1).decode()) if found else Decimal(0)
    except InvalidOperation:
        return Decimal(0)


_STEP = 200
"""Lines that are compared before others have their turn."""
_SUFFIX = {b"K": 1, b"k": 1, b"M": 2, b"G": 3, b"T": 4, b"P": 5}


class _Key:
    """`-k 2,3n`: fields (and characters) from, to, and how to compare them."""

    def __init__(self, text: str, options: Options, separator: str | None) -> None:
        found = re.fullmatch(r"(\d+)(?:\.(\d+))?([a-zA-Z]*)(?:,(\d+)(?:\.(\d+))?([a-zA-Z]*))?", text)
        if not found:
            raise ValueError(text)
        self.start, self.start_at = int(found.group(1)), int(found.group(2) or 1)
        self.end, self.end_at = (int(found.group(4)) if found.group(4) else None), int(found.group(5) or 0)
        own = found.group(3) + (found.group(6) or "")
        self.flags = (
            set(own) if own.strip("b") else set(own) | ({"n", "r", "f", "g", "h", "V", "M", "d"} & set(options.given))
        )
        self.separator = separator.encode() if separator else None

    def of(self, line: bytes) -> bytes:
        if self.separator is not None:
            fields = line.split(self.separator)
            chosen = fields[self.start - 1 : self.end]
            if chosen and self.end is not None and self.end_at:
                chosen[-1] = chosen[-1][: self.end_at]
            if chosen:
                chosen[0] = chosen[0][self.start_at - 1 :]
            return self.separator.join(chosen)
        fields = re.findall(rb"[ \t]*[^ \t]+|[ \t]+$", line)
        chosen = fields[self.start - 1 : self.end]
        text = b"".join(chosen)
        return text.lstrip() if "b" in self.flags or {"n", "g", "h"} & self.flags else text


def _compare(a: bytes, b: bytes, flags: set[str]) -> int:
    if {"n", "g"} & flags:
        left, right = _number(a), _number(b)
        result = (left > right) - (left < right)
    elif "h" in flags:
        keys = []
        for text in (a, b):
            found = re.match(rb"\s*-?[\d.]+([KkMGTP]?)", text)
            keys.append((_SUFFIX.get(found.group(1), 0) if found else 0, _number(text)))
        result = (keys[0] > keys[1]) - (keys[0] < keys[1])
    elif "V" in flags:
        parts = [
            [int(p) if p.isdigit() else p.decode(errors="replace") for p in re.split(rb"(\d+)", t)] for t in (a, b)
        ]
        left_key = [(isinstance(p, str), p) for p in parts[0]]
        right_key = [(isinstance(p, str), p) for p in parts[1]]
        result = (left_key > right_key) - (left_key < right_key)
    else:
        if "f" in flags:
            a, b = a.upper(), b.upper()
        result = (a > b) - (a < b)
    return -result if "r" in flags else result


async def sort(process: Process) -> int:
    long = {"unique": "u", "reverse": "r", "numeric-sort": "n", "key": "k", "field-separator": "t", "output": "o",
            "human-numeric-sort": "h", "version-sort": "V", "ignore-case": "f", "check": "c",
            "stable": "s"}  # fmt: skip
    options = await parse(process, "nrugMcszbdfiVhk*t:o:T:S:", long)
    try:
        keys = [_Key(text, options, options.get("t")) for text in options.get("k", [])]
    except ValueError as error:
        await fail(process, f"bad field specification '{error}'", 2)
        raise
    flags = set(options.given)
    end = b"\0" if "z" in options else b"\n"
    found: list[bytes] = []
    for path in options.rest or ["-"]:
        try:
            data = await whole(process, path)
        except OSError as error:
            import os

            await fail(process, f"{path}: {os.strerror(error.errno or 0)}", 2)
            raise
        if data:
            found += (data[:-1] if data.endswith(end) else data).split(end)

    def compare(a: bytes, b: bytes) -> int:
        for key in keys:
            result = _compare(key.of(a), key.of(b), key.flags)
            if result:
                return result
        if not keys:
            result = _compare(a, b, flags)
            if result:
                return result
        if {"s", "u"} & flags:
            return 0
        return _compare(a, b, {"r"} & flags)

    if "c" in options:
        for number, (a, b) in enumerate(itertools.pairwise(found), 2):
            if compare(a, b) > (-1 if "u" in options else 0):
                await fail(
                    process,
                    f"{options.rest[0] if options.rest else '-'}:{number}: disorder: {b.decode(errors='replace')}",
                )
            if not number % _STEP:
                await asyncio.sleep(0)
        return 0
    ordered = await _ordered(found, compare, unique="u" in options)
    data = b"".join(line + end for line in ordered)
    if "o" in options:
        process.fs.write_bytes(options.get("o"), data)
    elif data:
        await process.stdout.write(data)
    return 0


async def _ordered(lines: list[bytes], compare: Callable[[bytes, bytes], int], *, unique: bool) -> list[bytes]:
    """The lines in order, equal ones as they came. Many take seconds, so runs are sorted and merged in steps."""
    key = cmp_to_key(compare)
    runs = []
    for at in range(0, len(lines), _STEP):
        runs.append(sorted(lines[at : at + _STEP], key=key))
        await asyncio.sleep(0)
    ordered: list[bytes] = []
    for number, line in enumerate(heapq.merge(*runs, key=key)):
        if not (unique and ordered and compare(ordered[-1], line) == 0):
            ordered.append(line)
        if not number % _STEP:
            await asyncio.sleep(0)
    return ordered


async def uniq(process: Process) -> int:
    options = await parse(process, "cduif:s:w:z", {"count": "c", "repeated": "d", "unique": "u", "ignore-case": "i"})
    source = options.rest[0] if options.rest else "-"
    skip_fields, skip, width = (int(options.get(letter, 0)) for letter in "fsw")

    def key(line: bytes) -> bytes:
        text = line.rstrip(b"\n")
        for _ in range(skip_fields):
            text = re.sub(rb"^[ \t]*[^ \t]*", b"", text)
        text = text[skip:]
        text = text[:width] if width else text
        return text.lower() if "i" in options else text

    out = bytearray()

    def flush(line: bytes, count: int) -> None:
        if ("d" in options and count < 2) or ("u" in options and count > 1):
            return
        text = line if line.endswith(b"\n") else line + b"\n"
        out.extend(b"%7d %s" % (count, text) if "c" in options else text)

    current: bytes | None = None
    count = 0
    try:
        async for line in lines(process, source):
            if current is not None and key(line) == key(current):
                count += 1
                continue
            if current is not None:
                flush(current, count)
            current, count = line, 1
    except OSError as error:
        import os

        await fail(process, f"{source}: {os.strerror(error.errno or 0)}")
    if current is not None:
        flush(current, count)
    if len(options.rest) > 1:
        process.fs.write_bytes(options.rest[1], bytes(out))
    elif out:
        await process.stdout.write(bytes(out))
    return 0


COMMANDS: dict[str, Command] = {"sort": sort, "uniq": uniq}
