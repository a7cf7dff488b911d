"""comm, fold, expand, unexpand, shuf, split, xxd, dos2unix, unix2dos: lines and bytes in other shapes."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator

from pocketkube.images.coreutils.options import chunks, fail, inputs, lines, name_of, parse, reason
from pocketkube.kubelet.process import Command, Process

_TAB = 8
_LARGEST = 8 << 20


async def comm(process: Process) -> int:
    """`comm [-123] A B`: both must be sorted."""
    options = await parse(process, "123")
    if len(options.rest) != 2:
        await fail(process, "requires two files")
    sides = [_plain(process, path) for path in options.rest]
    heads = [await anext(side, None) for side in sides]
    indent = [b"", b"\t" * ("1" not in options), b"\t" * (("1" not in options) + ("2" not in options))]
    while any(head is not None for head in heads):
        await process.turn()
        left, right = heads
        first = right is None or (left is not None and left < right)
        column = 0 if first else 2 if left == right else 1
        if str(column + 1) not in options:
            await process.stdout.write(indent[column] + ((right if column else left) or b"") + b"\n")
        for side in (0, 1) if column == 2 else (column,):
            heads[side] = await anext(sides[side], None)
    return 0


async def _plain(process: Process, path: str) -> AsyncIterator[bytes]:
    try:
        async for line in lines(process, path):
            yield line.rstrip(b"\n")
    except OSError as error:
        await fail(process, f"can't open '{path}': {reason(error)}")


async def fold(process: Process) -> int:
    options = await parse(process, "bsw:", {"bytes": "b", "spaces": "s", "width": "w"})
    if not options.get("w", "80").isdecimal() or not 0 < int(options.get("w", 80)) < 1 << 16:
        await fail(process, f"invalid number '{options.get('w')}'")
    width = int(options.get("w", 80))
    for path in options.rest or ["-"]:
        async for line in lines(process, path):
            text, at = line.rstrip(b"\n"), 0
            while len(text) - at > width:
                space = text.rfind(b" ", at, at + width) + 1 if "s" in options else 0
                end = space or at + width
                await process.stdout.write(text[at:end] + b"\n")
                at = end
                await process.turn()
            await process.stdout.write(line[at:])
    return 0


async def expand(process: Process) -> int:
    options = await parse(process, "it:", {"initial": "i", "tabs": "t"})
    size = int(options.get("t", _TAB)) if str(options.get("t", _TAB)).isdecimal() else _TAB
    for path in options.rest or ["-"]:
        async for line in lines(process, path):
            if line.count(b"\t") * size > _LARGEST:
                await fail(process, "out of memory")
            body = line
            if "i" in options:
                head = re.match(rb"[ \t]*", line)
                cut = head.end() if head else 0
                body = line[:cut].expandtabs(size) + line[cut:]
            else:
                body = line.expandtabs(size)
            await process.stdout.write(body)
    return 0


async def unexpand(process: Process) -> int:
    options = await parse(process, "at:f", {"all": "a", "tabs": "t", "first-only": "f"})
    size = max(min(int(options.get("t")), 1024), 1) if str(options.get("t", "")).isdecimal() else _TAB
    for path in options.rest or ["-"]:
        async for line in lines(process, path):
            head = re.match(rb"[ \t]*", line)
            blanks = len((head.group() if head else b"")[: _LARGEST // size].expandtabs(size))
            rest = line[head.end() if head else 0 :]
            await process.stdout.write(b"\t" * (blanks // size) + b" " * (blanks % size) + rest)
    return 0


async def shuf(process: Process) -> int:
    options = await parse(process, "n:ei:zo:", {"head-count": "n", "echo": "e", "input-range": "i"})
    if "i" in options:
        found = re.fullmatch(r"(\d{1,7})-(\d{1,7})", options.get("i"))
        if not found:
            await fail(process, f"{options.get('i')}: invalid range")
            raise AssertionError
        items = [str(number).encode() for number in range(int(found.group(1)), int(found.group(2)) + 1)]
    elif "e" in options:
        items = [word.encode("utf-8", "surrogateescape") for word in options.rest]
    else:
        items = []
        async for _, data in inputs(process, options.rest[:1]):
            items = data.split(b"\n")[: -1 if data.endswith(b"\n") else None]
    random.shuffle(items)
    count = int(options.get("n", len(items))) if str(options.get("n", 0)).isdecimal() else len(items)
    if items[:count]:
        await process.stdout.write(b"\n".join(items[:count]) + b"\n")
    return 0


async def split(process: Process) -> int:
    """`split [-l LINES | -b BYTES] [-a SUFFIX_LENGTH] [FILE [PREFIX]]`."""
    options = await parse(process, "l:b:a:")
    source, prefix = [*options.rest, "-", "x"][:2] if options.rest else ("-", "x")
    if len(options.rest) == 1:
        prefix = "x"
    found = re.fullmatch(r"(\d+)([kKmMgG]?)b?", str(options.get("b", options.get("l", "1000"))))
    if not found or not int(found.group(1)):
        await fail(process, f"invalid number '{options.get('b', options.get('l'))}'")
        raise AssertionError
    size = int(found.group(1)) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[found.group(2).lower()]
    number = filled = 0
    letters = min(int(options.get("a", 2)), 20) if str(options.get("a", 2)).isdecimal() else 2
    file = None
    pieces = chunks(process, source) if "b" in options else lines(process, source)
    async for data in pieces:
        while data:
            if file is None:
                if number >= 26**letters:
                    await fail(process, "suffixes exhausted")
                file, number, filled = (
                    process.fs.open(process.path(prefix + _suffix(number, letters)), "w"),
                    number + 1,
                    0,
                )
            taken = data[: size - filled] if "b" in options else data
            await file.write(taken)
            filled += len(taken) if "b" in options else 1
            data = data[len(taken) :]
            if filled >= size:
                file.close()
                file = None
        await process.turn()
    if file is not None:
        file.close()
    return 0


def _suffix(number: int, length: int) -> str:
    out = ""
    for _ in range(length):
        number, letter = divmod(number, 26)
        out = chr(ord("a") + letter) + out
    return out


async def xxd(process: Process) -> int:
    """`xxd [-p] [-r] [-c COLUMNS] [-l LENGTH] [FILE]`."""
    options = await parse(process, "pric:l:s:g:u")
    data = b""
    async for _, found in inputs(process, options.rest[:1]):
        data = found
    if "r" in options:
        text = data.decode("ascii", "replace")
        if "p" not in options:
            text = "".join(line.partition(":")[2].split("  ")[0] for line in text.splitlines())
        digits = "".join(re.findall(r"[0-9a-fA-F]", text))
        await process.stdout.write(bytes.fromhex(digits[: len(digits) // 2 * 2]))
        return 0
    data = data[int(options.get("s", 0)) :]
    data = data[: int(options.get("l"))] if "l" in options else data
    columns = min(max(int(options.get("c", 30 if "p" in options else 16)), 1), 256)
    for at in range(0, len(data), columns):
        row = data[at : at + columns]
        await process.turn()
        if "p" in options:
            await process.print(row.hex())
            continue
        pairs = " ".join(row[n : n + 2].hex() for n in range(0, len(row), 2))
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        await process.print(f"{at:08x}: {pairs:<{columns * 2 + (columns + 1) // 2 - 1}}  {shown}")
    return 0


async def line_ends(process: Process) -> int:
    """dos2unix, unix2dos: the files themselves, or standard input to output."""
    to_dos = name_of(process) == "unix2dos"
    options = await parse(process, "ud")
    to_dos = "d" in options or (to_dos and "u" not in options)
    for path in options.rest or ["-"]:
        async for _, data in inputs(process, [path]):
            made = data.replace(b"\r\n", b"\n")
            made = made.replace(b"\n", b"\r\n") if to_dos else made
            if path == "-":
                await process.stdout.write(made)
            else:
                process.fs.write_bytes(process.path(path), made)
    return 0


COMMANDS: dict[str, Command] = {
    "comm": comm, "fold": fold, "expand": expand, "unexpand": unexpand, "shuf": shuf, "split": split, "xxd": xxd,
    "dos2unix": line_ends, "unix2dos": line_ends,
}  # fmt: skip
