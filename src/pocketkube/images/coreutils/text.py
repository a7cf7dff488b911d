"""sort, uniq, cut, tr, paste, seq, expr, column's absence: lines and fields."""

from __future__ import annotations

import asyncio
import itertools
import re
from decimal import Decimal, InvalidOperation
from functools import cmp_to_key

from pocketkube.images.coreutils.options import Options, chunks, fail, inputs, lines, name_of, parse, whole
from pocketkube.images.coreutils.text_output import unescape
from pocketkube.kubelet.process import Command, Process, ProcessExit


def _number(text: bytes) -> Decimal:
    found = re.match(rb"\s*(-?\d*\.?\d+|-?\d+)", text)
    try:
        return Decimal(found.group(1).decode()) if found else Decimal(0)
    except InvalidOperation:
        return Decimal(0)


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
        return 0
    ordered = sorted(found, key=cmp_to_key(compare))
    if "u" in options:
        ordered = [line for at, line in enumerate(ordered) if not at or compare(ordered[at - 1], line)]
    data = b"".join(line + end for line in ordered)
    if "o" in options:
        process.fs.write_bytes(options.get("o"), data)
    elif data:
        await process.stdout.write(data)
    return 0


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


class _Expression:
    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self) -> str:
        if self.at >= len(self.words):
            raise ValueError("syntax error")
        self.at += 1
        return self.words[self.at - 1]

    def level(self, number: int) -> str:
        operators: tuple[tuple[str, ...], ...] = (
            ("|",), ("&",), ("=", "==", "!=", "<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"), (":",),
        )  # fmt: skip
        if number == len(operators):
            return self.primary()
        left = self.level(number + 1)
        while self.peek() in operators[number]:
            operator = self.take()
            left = self.apply(left, operator, self.level(number + 1))
        return left

    def apply(self, left: str, operator: str, right: str) -> str:
        if operator == "|":
            return left if left not in ("", "0") else right if right else "0"
        if operator == "&":
            return left if left not in ("", "0") and right not in ("", "0") else "0"
        if operator == ":":
            found = re.match(basic(right), left)
            if re.search(r"\\\(", right):
                return (found.group(1) or "") if found else ""
            return str(found.end()) if found else "0"
        numeric = re.fullmatch(r"-?\d+", left) and re.fullmatch(r"-?\d+", right)
        if operator in ("=", "==", "!=", "<", ">", "<=", ">="):
            a, b = (int(left), int(right)) if numeric else (left, right)
            table = {"=": a == b, "==": a == b, "!=": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}  # type: ignore[operator]
            return str(int(table[operator]))
        if not numeric:
            raise ValueError("non-numeric argument")
        x, y = int(left), int(right)
        if operator in "/%":
            if not y:
                raise ValueError("division by zero")
            quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
            return str(quotient if operator == "/" else x - y * quotient)
        return str({"+": x + y, "-": x - y, "*": x * y}[operator])

    def primary(self) -> str:
        word = self.take()
        if word == "(":
            result = self.level(0)
            if self.take() != ")":
                raise ValueError("syntax error")
            return result
        match word:
            case "length":
                return str(len(self.take()))
            case "match":
                return self.apply(self.take(), ":", self.take())
            case "substr":
                text, start, length = self.take(), int(self.take()), int(self.take())
                return text[max(0, start - 1) : max(0, start - 1 + length)]
            case "index":
                text, letters = self.take(), self.take()
                return str(next((at for at, letter in enumerate(text, 1) if letter in letters), 0))
        return word


def basic(pattern: str) -> str:
    """A POSIX basic regular expression as a Python one; `^` anchors are left to the caller."""
    out = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\" and at + 1 < len(pattern):
            following = pattern[at + 1]
            at += 2
            if following in "(){}|+?":
                out.append(following)
            elif following in "<>":
                out.append(r"\b")
            elif following in "wWsSbB" or following.isdigit():
                out.append("\\" + following)
            elif following in "nt":
                out.append({"n": "\n", "t": "\t"}[following])
            else:
                out.append(re.escape(following))
            continue
        if character == "[":
            text, at = bracket(pattern, at)
            out.append(text)
            continue
        at += 1
        if character in "(){}|+?":
            out.append("\\" + character)
        elif character == "*" and (not out or out[-1] in ("^", "(", "|")):
            out.append(r"\*")
        elif character == "^" and at > 1 and not (out and out[-1] in ("(", "|")):
            out.append(r"\^")
        elif character == "$" and at < len(pattern) and not pattern.startswith(("\\)", "\\|"), at):
            out.append(r"\$")
        else:
            out.append(character)
    return "".join(out)


def extended(pattern: str) -> str:
    """A POSIX extended regular expression as a Python one."""
    out = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "[":
            text, at = bracket(pattern, at)
            out.append(text)
        elif character == "\\" and at + 1 < len(pattern):
            following = pattern[at + 1]
            if following in "<>":
                out.append(r"\b")
            elif following in "wWsSbBdD" or following.isdigit():
                out.append("\\" + following)
            elif following in "nt":
                out.append({"n": "\n", "t": "\t"}[following])
            else:
                out.append(re.escape(following))
            at += 2
        else:
            literal = character == "{" and not re.compile(r"\{\d*,?\d*\}").match(pattern, at)
            out.append("\\{" if literal else character)
            at += 1
    return "".join(out)


def bracket(pattern: str, at: int) -> tuple[str, int]:
    """`[...]` from its opening: as Python writes it, and where it ends."""
    stop = at + 1
    if pattern[stop : stop + 1] == "^":
        stop += 1
    if pattern[stop : stop + 1] == "]":
        stop += 1
    while stop < len(pattern) and pattern[stop] != "]":
        if pattern.startswith("[:", stop) and (close := pattern.find(":]", stop)) > 0:
            stop = close + 1
        stop += 1
    if stop >= len(pattern):
        raise re.error("unterminated bracket")
    inside = pattern[at + 1 : stop]
    negated = inside.startswith("^")
    inside = inside[negated:]
    named = {"space": r"\s", "digit": "0-9", "alpha": "a-zA-Z", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z",
             "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f"}  # fmt: skip
    out = []
    position = 0
    while position < len(inside):
        found = re.compile(r"\[:(\w+):\]").match(inside, position)
        if found:
            out.append(named.get(found.group(1), ""))
            position = found.end()
            continue
        character = inside[position]
        if character == "\\" and inside[position + 1 : position + 2] in ("n", "t", "]", "\\"):
            out.append("\\" + inside[position + 1])
            position += 2
            continue
        out.append("\\" + character if character in "\\[]^&|~" else character)
        position += 1
    return f"[{'^' if negated else ''}{''.join(out)}]", stop + 1


async def expr(process: Process) -> int:
    words = process.argv[1:]
    if not words:
        await fail(process, "too few arguments", 2)
    expression = _Expression(words)
    try:
        result = expression.level(0)
        if expression.at < len(words):
            raise ValueError("syntax error")
    except ValueError as error:
        await process.error(f"{name_of(process)}: {error}")
        raise ProcessExit(2) from None
    await process.print(result)
    return 1 if result in ("", "0") else 0


COMMANDS: dict[str, Command] = {
    "sort": sort, "uniq": uniq, "cut": cut, "tr": tr, "paste": paste, "seq": seq, "expr": expr,
}  # fmt: skip
