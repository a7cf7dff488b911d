"""cat, head, tail, wc, tee, tac, rev, nl: files from begin to end."""

from __future__ import annotations

import re

from pocketkube.images.coreutils.options import CHUNK, chunks, fail, lines, name_of, parse, reason, whole
from pocketkube.kubelet.process import Command, Process

_POLL = 0.1
"""Seconds between two looks of `tail -f`: the kernel's inotify has no counterpart here."""
_MULTIPLIERS = {
    "": 1,
    "b": 512,
    "k": 1024,
    "K": 1024,
    "m": 2**20,
    "M": 2**20,
    "g": 2**30,
    "G": 2**30,
    "kB": 1000,
    "KB": 1000,
}


async def cat(process: Process) -> int:
    options = await parse(process, "etvAubn")
    status = 0
    number = 0
    marks = bool({"e", "v", "t", "A"} & set(options.given))
    for path in options.rest or ["-"]:
        try:
            if marks or "n" in options or "b" in options:
                async for line in lines(process, path):
                    if marks:
                        line = _visible(
                            line, ends="e" in options or "A" in options, tabs="t" in options or "A" in options
                        )
                    if "n" in options or ("b" in options and line.strip(b"\n$")):
                        number += 1
                        line = b"%6d\t%s" % (number, line)
                    await process.stdout.write(line)
            else:
                async for data in chunks(process, path):
                    await process.stdout.write(data)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            verb = "read error" if error.errno == 21 else f"can't open '{path}'"
            await process.error(f"cat: {verb}: {reason(error)}")
            status = 1
    return status


def _visible(line: bytes, *, ends: bool, tabs: bool) -> bytes:
    out = bytearray()
    for byte in line:
        if byte == 10:
            out += b"$\n" if ends else b"\n"
        elif byte == 9 and not tabs:
            out.append(byte)
        else:
            if byte >= 128:
                out += b"M-"
                byte -= 128
            out += b"^" + bytes([byte ^ 64]) if byte < 32 or byte == 127 else bytes([byte])
    return bytes(out)


async def _count(process: Process, text: str) -> int:
    found = re.fullmatch(r"([-+]?\d+)([bkKmMgG]?B?)", text)
    if not found:
        await fail(process, f"invalid number '{text}'")
    assert found is not None
    return int(found.group(1)) * _MULTIPLIERS.get(found.group(2), 1)


def _old_style(process: Process) -> None:
    """`head -5` is `head -n 5`."""
    process.argv[1:] = [
        word if not re.fullmatch(r"-\d+", word) or process.argv[at] in ("-n", "-c") else f"-n{word[1:]}"
        for at, word in enumerate(process.argv[1:])
    ]


async def head(process: Process) -> int:
    _old_style(process)
    options = await parse(process, "n:c:qv", {"lines": "n", "bytes": "c", "quiet": "q", "silent": "q", "verbose": "v"})
    by_bytes = options.last("n", "c") == "c"
    count = await _count(process, options.get("c") if by_bytes else options.get("n", "10"))
    paths = options.rest or ["-"]
    status = 0
    for number, path in enumerate(paths):
        try:
            parts = chunks(process, path) if by_bytes else lines(process, path)
            if ("v" in options or len(paths) > 1) and "q" not in options:
                title = "standard input" if path == "-" else path
                if path != "-":
                    process.fs.open(path).close()
                await process.print(f"{chr(10) if number else ''}==> {title} <==")
            if count < 0:
                data = await whole(process, path)
                kept = data[:count] if by_bytes else b"".join(data.splitlines(keepends=True)[:count])
                await process.stdout.write(kept)
                continue
            left = count
            if left:
                async for part in parts:
                    part = part[:left] if by_bytes else part
                    await process.stdout.write(part)
                    left -= len(part) if by_bytes else 1
                    if left <= 0:
                        break
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            await process.error(f"head: {path}: {reason(error)}")
            status = 1
    return status


async def tail(process: Process) -> int:
    _old_style(process)
    long = {"lines": "n", "bytes": "c", "follow": "f", "quiet": "q", "verbose": "v", "retry": "F"}
    options = await parse(process, "n:c:fFqvs:", long)
    by_bytes = options.last("n", "c") == "c"
    text = options.get("c") if by_bytes else options.get("n", "10")
    count = abs(await _count(process, text))
    from_start = text.startswith("+")
    follow = "f" in options or "F" in options
    paths = options.rest or ["-"]
    titles = ("v" in options or len(paths) > 1) and "q" not in options
    status = 0
    sizes: dict[str, int] = {}
    for number, path in enumerate(paths):
        try:
            data = await whole(process, path)
        except OSError as error:
            await process.error(f"tail: can't open '{path}': {reason(error)}")
            status = 1
            continue
        if titles:
            await process.print(f"{chr(10) if number else ''}==> {'standard input' if path == '-' else path} <==")
        sizes[path] = len(data)
        pieces = [data[at : at + 1] for at in range(0)] if by_bytes else data.splitlines(keepends=True)
        if by_bytes:
            kept = data[max(0, count - 1) :] if from_start else data[len(data) - count if count < len(data) else 0 :]
        else:
            kept = b"".join(
                pieces[max(0, count - 1) :] if from_start else pieces[len(pieces) - count :][-count:] if count else []
            )
        await process.stdout.write(kept)
    if status and not sizes:
        await process.error("tail: no files")
        return 1
    sizes.pop("-", None)
    last = list(sizes)[-1] if sizes else ""
    while follow and (sizes or "F" in options):
        await process.clock.sleep(_POLL)
        for path, seen in sizes.items():
            try:
                with process.fs.open(path) as file:
                    size = file.stat().size
                    if size < seen:
                        seen = 0
                    file.seek(seen)
                    data = await file.read(CHUNK)
                    if data and titles and path != last:
                        await process.print(f"\n==> {path} <==")
                        last = path
                    while data:
                        await process.stdout.write(data)
                        seen += len(data)
                        data = await file.read(CHUNK)
            except BrokenPipeError:
                raise
            except OSError:
                continue
            sizes[path] = seen
    return status


async def wc(process: Process) -> int:
    options = await parse(process, "clmwL", {"bytes": "c", "lines": "l", "words": "w", "chars": "m"})
    wanted = [letter for letter in "lwmcL" if letter in options] or ["l", "w", "c"]
    totals = dict.fromkeys("lwmcL", 0)
    status = 0
    paths = options.rest
    single = len(wanted) == 1 and len(paths) < 2
    for path in paths or ["-"]:
        try:
            data = await whole(process, path)
        except OSError as error:
            await process.error(f"wc: {path}: {reason(error)}")
            status = 1
            continue
        longest = max((len(line.decode(errors="replace")) for line in data.split(b"\n")), default=0)
        counts = {
            "l": data.count(b"\n"),
            "w": len(data.split()),
            "m": len(data.decode(errors="replace")),
            "c": len(data),
            "L": longest,
        }
        for letter, value in counts.items():
            totals[letter] = max(totals[letter], value) if letter == "L" else totals[letter] + value
        await _print_counts(process, counts, wanted, path if paths else "", single)
    if len(paths) > 1:
        await _print_counts(process, totals, wanted, "total", False)
    return status


async def _print_counts(process: Process, counts: dict[str, int], wanted: list[str], name: str, single: bool) -> None:
    numbers = [str(counts[letter]) if single else f"{counts[letter]:9d}" for letter in wanted]
    text = " ".join(numbers)
    await process.print(f"{text} {name}" if name else text)


async def tee(process: Process) -> int:
    options = await parse(process, "ai", {"append": "a"})
    status = 0
    files = []
    for path in options.rest:
        try:
            files.append(process.fs.open(path, "a" if "a" in options else "w"))
        except OSError as error:
            await process.error(f"tee: {path}: {reason(error)}")
            status = 1
    try:
        async for data in chunks(process, "-"):
            for file in files:
                await file.write(data)
            await process.stdout.write(data)
    finally:
        for file in files:
            file.close()
    return status


async def _by_line(process: Process, change: object) -> int:
    status = 0
    for path in (await parse(process, "")).rest or ["-"]:
        try:
            data = await whole(process, path)
        except OSError as error:
            await process.error(f"{name_of(process)}: {path}: {reason(error)}")
            status = 1
            continue
        await process.stdout.write(change(data))  # type: ignore[operator]
    return status


async def tac(process: Process) -> int:
    return await _by_line(process, lambda data: b"".join(reversed(data.splitlines(keepends=True))))


async def rev(process: Process) -> int:
    def backwards(data: bytes) -> bytes:
        return "\n".join(line[::-1] for line in data.decode("utf-8", "surrogateescape").split("\n")).encode(
            "utf-8", "surrogateescape"
        )

    return await _by_line(process, backwards)


async def nl(process: Process) -> int:
    options = await parse(process, "b:w:s:v:i:")
    every = options.get("b", "t") == "a"
    width, separator, number = int(options.get("w", 6)), options.get("s", "\t"), int(options.get("v", 1))
    for path in options.rest or ["-"]:
        async for line in lines(process, path):
            if every or line.strip(b"\n"):
                await process.stdout.write(f"{number:{width}d}{separator}".encode() + line)
                number += int(options.get("i", 1))
            else:
                await process.stdout.write(b" " * (width + len(separator)) + line)
    return 0


COMMANDS: dict[str, Command] = {
    "cat": cat, "head": head, "tail": tail, "wc": wc, "tee": tee, "tac": tac, "rev": rev, "nl": nl,
}  # fmt: skip
