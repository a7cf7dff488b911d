"""echo, printf, yes, true, false: what the shell has built in too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from pocketkube.kubelet.process import Command, Process

_SIMPLE = {"a": 7, "b": 8, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
_DIRECTIVE = re.compile(r"%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(?:ll|l|h|z)?([diouxXeEfFgGcsb%])")
_POINT = re.compile(r"%[-+ #0]*(?:\*|\d+)?(\.)")


def unescape(text: str, *, zero_octal: bool) -> tuple[bytes, bool]:
    """(bytes, whether `\\c` ended the output). Octal is `\\0nnn` where `zero_octal` (echo, %b), else `\\nnn`."""
    out = bytearray()
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character != "\\" or position >= len(text):
            out += character.encode("utf-8", "surrogateescape")
            continue
        letter = text[position]
        if letter == "c":
            return bytes(out), True
        octal = re.compile(r"0[0-7]{0,3}|[0-7]{1,3}" if zero_octal else r"[0-7]{1,3}").match(text, position)
        hexadecimal = re.compile(r"x([0-9a-fA-F]{1,2})").match(text, position)
        if octal:
            out.append(int(octal.group(), 8) & 0xFF)
            position = octal.end()
        elif hexadecimal:
            out.append(int(hexadecimal.group(1), 16))
            position = hexadecimal.end()
        elif letter in _SIMPLE:
            out.append(_SIMPLE[letter])
            position += 1
        else:
            out += b"\\" + letter.encode("utf-8", "surrogateescape")
            position += 1
    return bytes(out), False


def echo_bytes(words: list[str]) -> bytes:
    newline, escapes = True, False
    while words and re.fullmatch(r"-[neE]+", words[0]):
        for letter in words[0][1:]:
            newline = newline and letter != "n"
            escapes = letter == "e" if letter in "eE" else escapes
        words = words[1:]
    text = " ".join(words)
    if not escapes:
        return text.encode("utf-8", "surrogateescape") + (b"\n" if newline else b"")
    data, ended = unescape(text, zero_octal=True)
    return data if ended or not newline else data + b"\n"


_WIDEST = 65536
"""Columns of one value: a longer one keeps everybody waiting."""


def printf_bytes(argv: list[str]) -> tuple[bytes, list[str]]:
    """`printf FORMAT [ARG]...`: (output, error texts)."""
    form, arguments = argv[0], iter(argv[1:])
    used = [0]
    errors: list[str] = []
    out = bytearray()
    while True:
        before = used[0]
        data, ended = _round(form, arguments, used, errors)
        out += data
        if ended or used[0] == before or used[0] >= len(argv) - 1:
            return bytes(out), errors


def _round(form: str, arguments: Iterator[str], used: list[int], errors: list[str]) -> tuple[bytearray, bool]:
    out = bytearray()
    position = 0

    def take() -> str | None:
        value = next(arguments, None)
        used[0] += value is not None
        return value

    while position < len(form):
        found = _DIRECTIVE.match(form, position)
        if form[position] != "%":
            end = form.find("%", position)
            end = len(form) if end < 0 else end
            data, ended = unescape(form[position:end], zero_octal=False)
            out += data
            if ended:
                return out, True
            position = end
            continue
        if not found:
            errors.append(f"{form[position:]}: invalid format")
            return out, True
        position = found.end()
        flags, width, precision, kind = found.groups()
        if kind == "%":
            out += b"%"
            continue
        if width == "*":
            width = str(_integer(take() or "0", errors))
        if precision == "*":
            precision = str(_integer(take() or "0", errors))
        if precision is None and _POINT.match(found.group()):
            precision = "0"
        if any(abs(int(number or 0)) > _WIDEST for number in (width, precision)):
            errors.append(f"{found.group()}: invalid format")
            return out, True
        limit = "" if precision is None else f".{precision}"
        value = take()
        if kind in "diouxX":
            number = _integer(value or "0", errors)
            kind = "d" if kind in "iu" else kind
            if number < 0 and kind in "oxX":
                number &= 2**64 - 1
            out += (f"%{flags}{width or ''}{limit}{kind}" % number).encode()
        elif kind in "eEfFgG":
            out += (f"%{flags}{width or ''}{limit}{kind}" % _real(value or "0", errors)).encode()
        else:
            data, ended = unescape(value or "", zero_octal=True) if kind == "b" else _raw(value or "", kind)
            data = data[: int(precision)] if precision is not None else data
            wide = int(width or 0)
            out += data.ljust(abs(wide)) if "-" in flags or wide < 0 else data.rjust(wide)
            if ended:
                return out, True
    return out, False


def _raw(value: str, kind: str) -> tuple[bytes, bool]:
    return ((value[:1] or "\0") if kind == "c" else value).encode("utf-8", "surrogateescape"), False


def _integer(text: str, errors: list[str]) -> int:
    if text[:1] in ("'", '"'):
        return ord(text[1]) if len(text) > 1 else 0
    found = re.match(r"\s*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)", text)
    if not found or found.end() != len(text):
        errors.append(f"invalid number '{text}'")
    if not found:
        return 0
    digits = found.group(2)
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") and len(digits) > 1 else 10
    return int(found.group(1) + digits, base)


def _real(text: str, errors: list[str]) -> float:
    try:
        return float(text)
    except ValueError:
        errors.append(f"invalid number '{text}'")
        return 0.0


async def echo(process: Process) -> int:
    await process.stdout.write(echo_bytes(process.argv[1:]))
    return 0


async def printf(process: Process) -> int:
    words = process.argv[1:]
    if words and words[0] == "--":
        words.pop(0)
    if not words:
        await process.error("Usage: printf FORMAT [ARG]...")
        return 1
    data, errors = printf_bytes(words)
    if data:
        await process.stdout.write(data)
    for text in errors:
        await process.error(f"printf: {text}")
    return 1 if errors else 0


async def true(process: Process) -> int:
    return 0


async def false(process: Process) -> int:
    return 1


async def yes(process: Process) -> int:
    line = (" ".join(process.argv[1:] or ["y"]) + "\n").encode()
    block = line * max(1, 4096 // len(line))
    while True:
        await process.stdout.write(block)
        await asyncio.sleep(0)


COMMANDS: dict[str, Command] = {"echo": echo, "printf": printf, "true": true, "false": false, "yes": yes}
