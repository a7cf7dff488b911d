"""md5sum, sha1sum, sha256sum, sha512sum, base64, cksum, od, hexdump, xxd, cmp, strings: bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from pocketkube.images.coreutils.options import chunks, fail, name_of, parse, reason, whole
from pocketkube.kubelet.process import Command, Process


async def _digest(process: Process, algorithm: str, path: str) -> str:
    """Of a file, or of standard input for `-`. Raises OSError."""
    found = hashlib.new(algorithm)
    async for data in chunks(process, path):
        found.update(data)
    return found.hexdigest()


async def checksum(process: Process) -> int:
    algorithm = name_of(process).removesuffix("sum")
    options = await parse(process, "cswb", {"check": "c", "status": "s", "warn": "w", "quiet": "s"})
    status = 0
    for path in options.rest or ["-"]:
        try:
            if "c" in options:
                data = await whole(process, path)
            else:
                digest = await _digest(process, algorithm, path)
        except OSError as error:
            await process.error(f"{name_of(process)}: can't open '{path}': {reason(error)}")
            status = 1
            continue
        if "c" not in options:
            await process.print(f"{digest}  {path}")
            continue
        failed = total = 0
        for line in data.decode().splitlines():
            found = re.match(r"([0-9a-fA-F]+) [ *](.*)", line)
            if not found:
                continue
            total += 1
            try:
                same = await _digest(process, algorithm, found.group(2)) == found.group(1).lower()
            except OSError as error:
                await process.error(f"{name_of(process)}: can't open '{found.group(2)}': {reason(error)}")
                same = False
            failed += not same
            if "s" not in options:
                await process.print(f"{found.group(2)}: {'OK' if same else 'FAILED'}")
        if failed and "s" not in options:
            await process.error(f"{name_of(process)}: WARNING: {failed} of {total} computed checksums did NOT match")
        status = 1 if failed else status
    return status


async def base64_(process: Process) -> int:
    options = await parse(process, "dw:i", {"decode": "d", "wrap": "w"})
    path = options.rest[0] if options.rest else "-"
    try:
        data = await whole(process, path)
    except OSError as error:
        await fail(process, f"{path}: {reason(error)}")
        raise
    if "d" in options:
        try:
            await process.stdout.write(base64.b64decode(b"".join(data.split()), validate=True))
        except binascii.Error:
            await fail(process, "truncated input")
        return 0
    text = base64.b64encode(data).decode()
    width = int(options.get("w", 76))
    if not width:
        await process.print(text, end="")
    elif text:
        await process.print("\n".join(text[at : at + width] for at in range(0, len(text), width)))
    return 0


async def cksum(process: Process) -> int:
    for path in process.argv[1:] or ["-"]:
        data = await whole(process, path)
        size, length = len(data), b""
        while size:
            length += bytes([size & 0xFF])
            size >>= 8
        crc = 0
        for byte in data + length:
            crc ^= byte << 24
            for _ in range(8):
                crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
        await process.print(f"{crc ^ 0xFFFFFFFF} {len(data)}" + (f" {path}" if process.argv[1:] else ""))
    return 0


async def hexdump(process: Process) -> int:
    options = await parse(process, "Cvn:s:bcdox")
    data = await whole(process, options.rest[0] if options.rest else "-")
    data = data[int(options.get("s", "0"), 0) :]
    data = data[: int(options.get("n"))] if "n" in options else data
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        if "C" in options:
            pairs = "  ".join(" ".join(f"{byte:02x}" for byte in row[half : half + 8]) for half in (0, 8))
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            await process.print(f"{at:08x}  {pairs:<48}  |{text}|")
        else:
            words = [int.from_bytes(row[n : n + 2], "little") for n in range(0, len(row), 2)]
            await process.print(f"{at:07x} " + " ".join(f"{word:04x}" for word in words))
    if data:
        await process.print(f"{len(data):08x}" if "C" in options else f"{len(data):07x}")
    return 0


async def od(process: Process) -> int:
    options = await parse(process, "A:t*N:j:vcbdxo")
    data = await whole(process, options.rest[0] if options.rest else "-")
    data = data[int(options.get("j", 0)) :]
    data = data[: int(options.get("N"))] if "N" in options else data
    kind = (options.get("t") or ["o2"])[0]
    kind = "c" if "c" in options else "x2" if "x" in options else "o1" if "b" in options else kind
    base = options.get("A", "o")
    escapes = {0: "\\0", 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}

    def offset(at: int) -> str:
        return "" if base == "n" else f"{at:07o}" if base == "o" else f"{at:06x}" if base == "x" else f"{at:07d}"

    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        if kind == "c":
            cells = [f"{escapes.get(b) or (chr(b) if 32 <= b < 127 else f'{b:03o}'):>4}" for b in row]
        else:
            size = int(kind[1:] or 4)
            numbers = [int.from_bytes(row[n : n + size], "little") for n in range(0, len(row), size)]
            cells = [_od_cell(number, kind[0], size) for number in numbers]
        await process.print(offset(at) + "".join(cells))
    if base != "n":
        await process.print(offset(len(data)))
    return 0


def _od_cell(number: int, kind: str, size: int) -> str:
    if kind == "x":
        return f" {number:0{size * 2}x}"
    if kind == "o":
        return f" {number:0{-(-size * 8 // 3)}o}"
    if kind == "d" and number >> (size * 8 - 1):
        number -= 1 << size * 8
    return f" {number:{ {1: 4, 2: 6, 4: 11, 8: 20}.get(size, 11) }d}"


async def cmp(process: Process) -> int:
    options = await parse(process, "sl", {"quiet": "s", "silent": "s"})
    if len(options.rest) < 2:
        await fail(process, "missing operand", 2)
    names = options.rest[:2]
    try:
        first, second = [await whole(process, path) for path in names]
    except OSError as error:
        await process.error(f"cmp: {error.filename or names[0]}: {reason(error)}")
        return 2
    for at, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            if "s" not in options:
                await process.print(f"{names[0]} {names[1]} differ: byte {at + 1}, line {first[:at].count(10) + 1}")
            return 1
    if len(first) != len(second):
        if "s" not in options:
            await process.error(f"cmp: EOF on {names[0] if len(first) < len(second) else names[1]}")
        return 1
    return 0


async def diff(process: Process) -> int:
    import difflib

    options = await parse(process, "uqabBdilNrstTwU:L*", {"brief": "q", "unified": "u"})
    if len(options.rest) != 2:
        await fail(process, "missing operand", 2)
    names = options.rest
    try:
        texts = [(await whole(process, path)).decode("utf-8", "surrogateescape").splitlines() for path in names]
    except OSError as error:
        await process.error(f"diff: can't stat '{error.filename}': {reason(error)}")
        return 2
    if texts[0] == texts[1]:
        return 0
    if "q" in options:
        await process.print(f"Files {names[0]} and {names[1]} differ")
        return 1
    context = int(options.get("U", 3))
    for line in difflib.unified_diff(texts[0], texts[1], names[0], names[1], n=context, lineterm=""):
        await process.print(line)
    return 1


async def strings(process: Process) -> int:
    options = await parse(process, "n:afo")
    least = int(options.get("n", 4))
    data = await whole(process, options.rest[0] if options.rest else "-")
    for found in re.findall(rb"[\x20-\x7e\t]{%d,}" % least, data):
        await process.print(found.decode())
    return 0


COMMANDS: dict[str, Command] = {
    **dict.fromkeys(("md5sum", "sha1sum", "sha256sum", "sha512sum"), checksum),
    "base64": base64_, "cksum": cksum, "hexdump": hexdump, "od": od, "cmp": cmp, "diff": diff, "strings": strings,
}  # fmt: skip
