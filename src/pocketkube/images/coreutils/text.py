"""cut, tr, paste, seq: characters, fields and numbers."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal, InvalidOperation

from pocketkube.images.coreutils.options import chunks, fail, inputs, parse
from pocketkube.images.coreutils.text_output import unescape
from pocketkube.kubelet.process import Command, Process


def _ranges(text: str) -> list[tuple[int, int]]:
    """`1,3-5,7-` as zero-based half-open ranges. Raises ValueError."""
    out = []
    for item in text.split(","):
        found = re.fullmatch(r"(\d*)(-?)(\d*)", item)
        if not found or item in ("", "-") or item == "0":
            raise ValueError(item)
        first, dash, last = found.groups()
        start = int(first or 1) - 1
        stop = int(last) if last else (10**9 if dash else start + 1)
        out.append((start, stop))
    return out


async def cut(process: Process) -> int:
    options = await parse(process, "b:c:f:d:sO:n", {"bytes": "b", "characters": "c", "fields": "f", "delimiter": "d",
                                                   "only-delimited": "s", "output-delimiter": "O"})  # fmt: skip
    kind = options.last("b", "c", "f")
    if kind is None:
        await fail(process, "expected a list of bytes, characters, or fields")
    try:
        ranges = _ranges(options.get(kind or "f"))
    except ValueError:
        await fail(process, f"invalid range '{options.get(kind or 'f')}'")
        raise
    delimiter = options.get("d", "\t")
    glue = options.get("O", delimiter if kind == "f" else "")
    status = 0
    async for _, data in inputs(process, options.rest):
        out = []
        for raw in data.decode("utf-8", "surrogateescape").splitlines() if data else []:
            items: list[str] | str = raw
            if kind == "f":
                if delimiter not in raw:
                    if "s" not in options:
                        out.append(raw)
                    continue
                items = raw.split(delimiter)
            chosen = [at for at in range(len(items)) if any(start <= at < stop for start, stop in ranges)]
            out.append(glue.join(items[at] for at in chosen))
        if out:
            await process.stdout.write(("\n".join(out) + "\n").encode("utf-8", "surrogateescape"))
    return status


_TR_CLASSES = {
    "alpha": [*range(65, 91), *range(97, 123)],
    "digit": list(range(48, 58)),
    "alnum": [*range(48, 58), *range(65, 91), *range(97, 123)],
    "upper": list(range(65, 91)),
    "lower": list(range(97, 123)),
    "space": [9, 10, 11, 12, 13, 32],
    "blank": [9, 32],
    "punct": [*range(33, 48), *range(58, 65), *range(91, 97), *range(123, 127)],
    "cntrl": [*range(32), 127],
    "xdigit": [*range(48, 58), *range(65, 71), *range(97, 103)],
}


def _tr_set(text: str) -> list[int]:
    text = re.sub(r"\[:(\w+):\]", lambda found: "".join(map(chr, _TR_CLASSES.get(found.group(1), []))), text)
    data, _ = unescape(text.replace("\\-", "\\055"), zero_octal=False)
    out: list[int] = []
    at = 0
    while at < len(data):
        if at + 2 < len(data) and data[at + 1] == 45:
            out += range(data[at], data[at + 2] + 1)
            at += 3
        else:
            out.append(data[at])
            at += 1
    return out


async def tr(process: Process) -> int:
    options = await parse(process, "cCdst", {"delete": "d", "complement": "c", "squeeze-repeats": "s"}, stop=True)
    sets = [_tr_set(word) for word in options.rest]
    if not sets or (len(sets) < 2 and not {"d", "s"} & set(options.given)):
        await fail(process, "missing operand")
    complement = "c" in options or "C" in options
    first = [byte for byte in range(256) if byte not in set(sets[0])] if complement else sets[0]
    squeeze = set(sets[-1] if len(sets) > 1 else first) if "s" in options else set()
    table = list(range(256))
    if "d" not in options and len(sets) > 1 and sets[1]:
        for at, byte in enumerate(first):
            table[byte] = sets[1][min(at, len(sets[1]) - 1)]
    dropped = bytes(set(first)) if "d" in options else b""
    last = -1
    async for data in chunks(process, "-"):
        data = data.translate(bytes(table), dropped)
        if squeeze:
            out = bytearray()
            for byte in data:
                if byte != last or byte not in squeeze:
                    out.append(byte)
                last = byte
            data = bytes(out)
        if data:
            await process.stdout.write(data)
    return 0


async def paste(process: Process) -> int:
    options = await parse(process, "d:s", {"delimiters": "d", "serial": "s"})
    glue, _ = unescape(options.get("d", "\t"), zero_octal=False)
    columns = [
        data.split(b"\n")[: -1 if data.endswith(b"\n") else None] async for _, data in inputs(process, options.rest)
    ]
    if "s" in options:
        for column in columns:
            await process.stdout.write(glue[:1].join(column) + b"\n")
        return 0
    for at in range(max(map(len, columns), default=0)):
        row = [column[at] if at < len(column) else b"" for column in columns]
        await process.stdout.write(glue[:1].join(row) + b"\n")
    return 0


async def seq(process: Process) -> int:
    words = process.argv[1:]
    separator, width, form = "\n", False, ""
    while words and re.fullmatch(r"-[wsf].*", words[0]):
        word = words.pop(0)
        if word.startswith("-w"):
            width = True
        elif word.startswith("-s"):
            separator = word[2:] or (words.pop(0) if words else "\n")
        else:
            form = word[2:] or (words.pop(0) if words else "")
    try:
        numbers = [Decimal(word) for word in words]
    except InvalidOperation:
        bad = next(word for word in words if not re.fullmatch(r"[-+]?\d*\.?\d*", word))
        await fail(process, f"invalid number '{bad}'")
        raise
    if not 1 <= len(numbers) <= 3:
        await fail(process, "missing operand")
    first, step, last = (
        (Decimal(1), Decimal(1), numbers[0]) if len(numbers) == 1
        else (numbers[0], Decimal(1), numbers[1]) if len(numbers) == 2
        else (numbers[0], numbers[1], numbers[2])
    )  # fmt: skip
    if not step:
        await fail(process, "zero increment")
    places = max((-int(number.as_tuple().exponent) for number in (first, step)), default=0)
    places = max(places, 0)
    wide = max(len(f"{first:.{places}f}"), len(f"{last:.{places}f}")) if width else 0
    out: list[str] = []
    at = first
    while at <= last if step > 0 else at >= last:
        out.append(form % float(at) if form else f"{at:.{places}f}".zfill(wide))
        at += step
        if len(out) >= 4096:
            await process.print(separator.join(out), end=separator)
            out.clear()
            await asyncio.sleep(0)
    await process.print(separator.join(out), end="\n" if out or not separator.endswith("\n") else "")
    return 0


COMMANDS: dict[str, Command] = {"cut": cut, "tr": tr, "paste": paste, "seq": seq}
