"""RDB, the file Redis keeps its keys in: strings, lists, sets and hashes, uncompressed, without a checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

MAGIC = b"REDIS0011"
_STRING, _LIST, _SET, _HASH = 0, 1, 2, 4
_AUX, _DATABASE, _SIZES, _EXPIRY_MS, _END = 0xFA, 0xFE, 0xFB, 0xFC, 0xFF


_AT_ONCE = 1000
"""Texts of a piece."""
ITEM = 80
"""Bytes that each text costs beside its own, about: many small ones take far more memory than they have bytes."""


class BadFile(Exception):
    """Not a file of this kind, or one with what is not known here."""


def _length(number: int) -> bytes:
    if number < 64:
        return bytes([number])
    if number < 1 << 14:
        return struct.pack(">H", number | 0x4000)
    return b"\x80" + struct.pack(">I", number)


def _string(data: bytes) -> bytes:
    return _length(len(data)) + data


def dump(keys: dict[bytes, Any], expiry: dict[bytes, float], version: str) -> Iterator[bytes]:
    """In pieces."""
    yield MAGIC + bytes([_AUX]) + _string(b"redis-ver") + _string(version.encode())
    yield bytes([_DATABASE, 0, _SIZES]) + _length(len(keys)) + _length(len(expiry))
    for key, value in list(keys.items()):
        head = bytes([_EXPIRY_MS]) + struct.pack("<Q", int(expiry[key] * 1000)) if key in expiry else b""
        match value:
            case bytes():
                yield head + bytes([_STRING]) + _string(key) + _string(value)
            case dict():
                parts = [part for pair in value.items() for part in pair]  # clients go on while this is written
                yield head + bytes([_HASH]) + _string(key) + _length(len(value))
                yield from _strings(parts)
            case _:
                kind, parts = (_SET if isinstance(value, set) else _LIST), list(value)
                yield head + bytes([kind]) + _string(key) + _length(len(parts))
                yield from _strings(parts)
    yield bytes([_END]) + b"\0" * 8


def _strings(parts: list[bytes]) -> Iterator[bytes]:
    for start in range(0, len(parts), _AT_ONCE):
        yield b"".join(map(_string, parts[start : start + _AT_ONCE]))


class _Reader:
    def __init__(self, data: bytes, most: int) -> None:
        self.data = data
        self.at = 0
        self.left = most

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise BadFile("Short read")
        self.at += size
        return self.data[self.at - size : self.at]

    def length(self) -> int:
        first = self.take(1)[0]
        if first >> 6 == 0:
            return first
        if first >> 6 == 1:
            return (first & 0x3F) << 8 | self.take(1)[0]
        if first == 0x80:
            number: int = struct.unpack(">I", self.take(4))[0]
            return number
        raise BadFile("an encoding that is not known here")

    def string(self) -> bytes:
        found = self.take(self.length())
        self.left -= len(found) + ITEM
        if self.left < 0:
            raise BadFile("Out Of Memory")
        return found


def load(data: bytes, most: int) -> Iterator[tuple[bytes, Any, float | None]]:
    """(key, value, when it expires). `most`: bytes that may be held. Raises BadFile."""
    if not data.startswith(b"REDIS"):
        raise BadFile("Wrong signature trying to load DB from file")
    reader = _Reader(data, most)
    reader.take(len(MAGIC))
    until: float | None = None
    while (kind := reader.take(1)[0]) != _END:
        match kind:
            case 0xFA:
                reader.string()
                reader.string()
            case 0xFE:
                reader.length()
            case 0xFB:
                reader.length()
                reader.length()
            case 0xFC:
                until = struct.unpack("<Q", reader.take(8))[0] / 1000
            case 0:
                yield reader.string(), reader.string(), until
                until = None
            case 1 | 2 | 4:
                key, count = reader.string(), reader.length()
                if kind == _HASH:
                    yield key, {reader.string(): reader.string() for _ in range(count)}, until
                else:
                    items = [reader.string() for _ in range(count)]
                    yield key, items if kind == _LIST else set(items), until
                until = None
            case _:
                raise BadFile(f"Unknown RDB encoding type {kind}")
