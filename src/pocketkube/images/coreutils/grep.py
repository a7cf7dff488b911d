"""grep, egrep, fgrep: lines that match."""

from __future__ import annotations

import re

from pocketkube.images.coreutils.options import Options, lines, name_of, parse, reason
from pocketkube.images.coreutils.regex import basic, extended, unsuitable
from pocketkube.kubelet.process import Command, Process, ProcessExit
from pocketkube.regex import BadPattern, Pattern, posix


async def grep(process: Process) -> int:
    long = {
        "ignore-case": "i", "invert-match": "v", "count": "c", "line-number": "n", "quiet": "q", "silent": "q",
        "files-with-matches": "l", "files-without-match": "L", "only-matching": "o", "recursive": "r", "regexp": "e",
        "extended-regexp": "E", "fixed-strings": "F", "word-regexp": "w", "line-regexp": "x", "no-messages": "s",
        "no-filename": "h", "with-filename": "H", "max-count": "m", "after-context": "A", "before-context": "B",
        "context": "C", "file": "f", "basic-regexp": "G", "text": "a", "include": "I",
    }  # fmt: skip
    process.argv[1:] = [word for word in process.argv[1:] if not word.startswith("--color")]
    options = await parse(process, "ivcnqlLorRe*EFwxshHm:A:B:C:f:GabzI:", long)
    words = list(options.rest)
    patterns = list(options.get("e", []))
    if "f" in options:
        patterns += [line.decode().rstrip("\n") async for line in lines(process, options.get("f"))]
    elif not patterns:
        if not words:
            await process.error(
                f"Usage: {name_of(process)} [-HhnlLoqvsrRiwFE] [-m N] [-A|B|C N] "
                "{ PATTERN | -e PATTERN... | -f FILE... } [FILE]..."
            )
            return 2
        patterns = [words.pop(0)]
    patterns = [part for pattern in patterns for part in pattern.split("\n")]
    expression = await _compile(process, patterns, options)
    deep = "r" in options or "R" in options
    paths = words or (["."] if deep else ["-"])
    files: list[str] = []
    status = [False, False]
    for path in paths:
        files += await _files(process, path, options, status) if deep else [path]
    named = ("H" in options or len(paths) > 1 or deep) and "h" not in options
    for path in files:
        await process.turn()
        try:
            if await _grep_file(process, path, expression, options, named):
                status[0] = True
                if "q" in options:
                    return 0
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            status[1] = True
            if "s" not in options:
                await process.error(f"{name_of(process)}: {path}: {reason(error)}")
    return 2 if status[1] and not (status[0] and "q" in options) else 0 if status[0] else 1


async def _compile(process: Process, patterns: list[str], options: Options) -> Pattern:
    name = name_of(process)
    if "F" in options or name == "fgrep":
        parts = [re.escape(pattern) for pattern in patterns]
    elif "E" in options or name == "egrep":
        parts = [extended(pattern) if pattern else "" for pattern in patterns]
    else:
        parts = [basic(pattern) for pattern in patterns]
    text = "|".join(f"(?:{part})" for part in parts) if len(parts) > 1 else parts[0]
    if "x" in options:
        text = rf"\A(?:{text})\Z"
    elif "w" in options:
        text = _as_word(text)
    try:
        return posix(text, fold="i" in options)
    except BadPattern as error:
        await process.error(f"{name}: bad regex '{patterns[0]}': {unsuitable(error)}")
        raise ProcessExit(2) from None


def _as_word(text: str) -> str:
    """No letter, digit or underscore before and after: at the end of a pattern that is itself none, `\\B` says so."""
    first, last = text[1:2] if text.startswith("\\") else text[:1], text[-1:]
    edges = [r"\B" if re.match(r"[-/:@#%&~,;=<>!' ]", edge) else r"\b" for edge in (first, last)]
    return f"{edges[0]}(?:{text}){edges[1]}"


async def _files(process: Process, path: str, options: Options, status: list[bool]) -> list[str]:
    fs = process.fs
    if not fs.is_dir(path):
        return [path]
    out = []
    for name in fs.listdir(path):
        await process.turn()
        inner = f"{path.rstrip('/')}/{name}" if path != "." else f"./{name}"
        if fs.is_symlink(inner) and "R" not in options:
            continue
        out += await _files(process, inner, options, status)
    return out


async def _grep_file(process: Process, path: str, expression: Pattern, options: Options, named: bool) -> bool:
    title = "(standard input)" if path == "-" else path
    prefix = f"{title}:" if named else ""
    limit = int(options.get("m", 10**12))
    before = int(options.get("B", options.get("C", 0)))
    after = int(options.get("A", options.get("C", 0)))
    quiet = bool({"q", "l", "L", "c"} & set(options.given))
    earlier: list[tuple[int, str]] = []
    shown_until = 0
    remaining = count = number = 0
    async for raw in lines(process, path):
        number += 1
        line = raw.decode("utf-8", "surrogateescape").rstrip("\n")
        found = expression.search(line)
        if bool(found) == ("v" in options):
            if remaining:
                remaining -= 1
                await _show(process, prefix, number, line, options, "-")
                shown_until = number
            elif before:
                earlier = [*earlier, (number, line)][-before:]
            continue
        count += 1
        if "q" in options or "l" in options:
            break
        if not quiet:
            if (before or after) and shown_until and (earlier[0][0] if earlier else number) > shown_until + 1:
                await process.print("--")
            for past, text in earlier:
                await _show(process, prefix, past, text, options, "-")
            earlier = []
            if "o" in options:
                for match in expression.finditer(line) if "v" not in options else ():
                    if match.group():
                        await _show(process, prefix, number, match.group(), options, ":")
            else:
                await _show(process, prefix, number, line, options, ":")
            shown_until, remaining = number, after
        if count >= limit:
            break
    if "c" in options:
        await process.print(f"{prefix}{count}")
    elif ("l" in options and count) or ("L" in options and not count):
        await process.print(title)
    return count > 0


async def _show(process: Process, prefix: str, number: int, line: str, options: Options, mark: str) -> None:
    head = prefix[:-1] + mark if prefix else ""
    numbered = f"{number}{mark}" if "n" in options else ""
    await process.stdout.write(f"{head}{numbered}{line}\n".encode("utf-8", "surrogateescape"))


COMMANDS: dict[str, Command] = {"grep": grep, "egrep": grep, "fgrep": grep}
