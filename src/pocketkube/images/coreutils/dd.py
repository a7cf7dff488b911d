"""dd: blocks from here to there, and how many."""

from __future__ import annotations

import re

from pocketkube.images.coreutils.listing import human
from pocketkube.images.coreutils.options import fail, reason
from pocketkube.kubelet.process import Command, Process

_DD_UNITS = {
    "": 1,
    "c": 1,
    "w": 2,
    "b": 512,
    "k": 1024,
    "K": 1024,
    "kB": 1000,
    "M": 2**20,
    "MB": 10**6,
    "G": 2**30,
    "GB": 10**9,
}


def _dd_number(text: str) -> int | None:
    found = re.fullmatch(r"(\d+)([a-zA-Z]*)", text)
    return int(found.group(1)) * _DD_UNITS[found.group(2)] if found and found.group(2) in _DD_UNITS else None


_LARGEST = 64 << 20
"""Bytes of one block."""


async def dd(process: Process) -> int:
    values: dict[str, str] = {}
    for word in process.argv[1:]:
        name, equals, value = word.partition("=")
        if not equals or name not in (
            "if",
            "of",
            "bs",
            "ibs",
            "obs",
            "count",
            "skip",
            "seek",
            "conv",
            "status",
            "iflag",
            "oflag",
        ):
            await fail(process, f"invalid argument '{word}'")
        values[name] = value
    numbers: dict[str, int] = {}
    for name in ("bs", "ibs", "count", "skip", "seek"):
        if name in values:
            number = _dd_number(values[name])
            if number is None:
                await fail(process, f"invalid number '{values[name]}'")
            numbers[name] = number or 0
    size = numbers.get("bs") or numbers.get("ibs") or 512
    process.memory.claim(size)
    if size > _LARGEST:
        await fail(process, "out of memory")
    flags = set(values.get("conv", "").split(","))
    source = target = None
    try:
        if "if" in values:
            source = process.fs.open(values["if"])
    except OSError as error:
        await fail(process, f"can't open '{values['if']}': {reason(error)}")
    try:
        if "of" in values:
            keep = "notrunc" in flags or numbers.get("seek")
            if keep and not process.fs.exists(values["of"]):
                process.fs.open(values["of"], "w").close()
            target = process.fs.open(values["of"], "r+" if keep else "w")
            if numbers.get("seek"):
                target.seek(numbers["seek"] * size)
                if "notrunc" not in flags:
                    target.truncate()
    except OSError as error:
        if not isinstance(error, OSError) or error.errno != 29:
            await fail(process, f"can't open '{values['of']}': {reason(error)}")
    reader, writer = source or process.stdin, target or process.stdout
    started = process.clock.monotonic()
    full = partial = total = 0
    out_full = out_partial = 0
    failed = ""
    for _ in range(numbers.get("skip", 0)):
        if not await reader.read(size):
            break
    while "count" not in numbers or full + partial < numbers["count"]:
        data = await _block(reader, size, whole=source is not None or "fullblock" in values.get("iflag", ""))
        if not data:
            break
        full, partial = (full + 1, partial) if len(data) == size else (full, partial + 1)
        if "sync" in flags:
            data = data.ljust(size, b"\0")
        try:
            await writer.write(data)
        except OSError as error:
            failed = f"error writing '{values.get('of', 'standard output')}': {reason(error)}"
            break
        total += len(data)
        out_full, out_partial = (out_full + 1, out_partial) if len(data) == size else (out_full, out_partial + 1)
    for opened in (source, target):
        if opened is not None:
            opened.close()
    if failed:
        await process.error(f"dd: {failed}")
    if values.get("status") != "none":
        await process.error(f"{full}+{partial} records in\n{out_full}+{out_partial} records out")
        if values.get("status") != "noxfer":
            spent = max(process.clock.monotonic() - started, 1e-6)
            await process.error(
                f"{total} bytes ({human(total)}B) copied, {spent:.6f} seconds, {human(total / spent)}B/s"
            )
    return 1 if failed else 0


async def _block(reader: object, size: int, *, whole: bool) -> bytes:
    data: bytes = await reader.read(size)  # type: ignore[attr-defined]
    while whole and data and len(data) < size:
        more: bytes = await reader.read(size - len(data))  # type: ignore[attr-defined]
        if not more:
            break
        data += more
    return data


COMMANDS: dict[str, Command] = {"dd": dd}
