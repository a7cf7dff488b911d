"""RESP, the protocol of Redis (version 2): values as bytes and back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

LARGEST = 4 << 20
"""Bytes of one argument; the real one takes 512 MiB."""
_MOST = 10_000
"""Arguments of one command."""
_DEEPEST = 16
"""Arrays within each other; no command has any, and each costs a frame of the stack."""
_INLINE = 16 << 10
"""Bytes of a command without lengths; the real one takes 64 KiB."""
_PIECE = 64 << 10
Value = None | int | str | bytes | list[Any] | Exception
"""str is a status (`+OK`), an Exception an error."""


class ProtocolFailure(Exception):
    """`ERR Protocol error: ...`: the connection ends."""


class Simple(str):
    """A status."""

    __slots__ = ()


class RedisError(Exception):
    """An error with its code: `ERR ...`, `WRONGTYPE ...`."""


def encode(value: Value) -> bytes:
    match value:
        case None:
            return b"$-1\r\n"
        case bool() | int():
            return b":%d\r\n" % value
        case Exception():
            return b"-" + str(value).encode("utf-8", "surrogateescape") + b"\r\n"
        case str():
            return b"+" + value.encode() + b"\r\n"
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(value), value)
        case list():
            return b"*%d\r\n" % len(value) + b"".join(map(encode, value))
    raise TypeError(type(value).__name__)


def pieces(value: Value) -> Iterator[bytes]:
    """As `encode`, in pieces: a reply may name one large value ten thousand times."""
    held = bytearray()
    for part in _parts(value):
        held += part
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _parts(value: Value) -> Iterator[bytes]:
    if isinstance(value, list):
        yield b"*%d\r\n" % len(value)
        for one in value:
            yield from _parts(one) if isinstance(one, list) else (encode(one),)
    else:
        yield encode(value)


def command(words: list[bytes]) -> bytes:
    return encode(list(words))


class Parser:
    """Values of a stream of bytes: `feed` them, `take` what is whole."""

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def size(self) -> int:
        """Bytes that are not taken yet."""
        return len(self._data)

    def feed(self, data: bytes) -> None:
        self._data += data

    def take(self, *, inline: bool = False) -> tuple[Value] | None:
        """The next value in a tuple, None when there is not all of it. `inline`: a line without a mark is a command.
        Raises ProtocolFailure."""
        found = self._value(0, inline)
        if found is None:
            if len(self._data) > LARGEST * 2:
                raise ProtocolFailure("too big mbulk count string")
            return None
        value, end = found
        del self._data[:end]
        return (value,)

    def _value(self, at: int, inline: bool = False, depth: int = 0) -> tuple[Value, int] | None:
        stop = self._data.find(b"\n", at)
        if stop < 0:
            if len(self._data) - at > _INLINE and inline:
                raise ProtocolFailure("too big inline request")
            return None
        line, end = bytes(self._data[at:stop]).rstrip(b"\r"), stop + 1
        mark, rest = line[:1], line[1:]
        if mark == b"+":
            return Simple(rest.decode(errors="replace")), end
        if mark == b"-":
            return RedisError(rest.decode(errors="replace")), end
        if mark in (b":", b"$", b"*"):
            if not re.fullmatch(rb"-?\d{1,20}", rest):
                kind = "bulk" if mark == b"$" else "multibulk"
                raise ProtocolFailure(f"invalid {kind} length")
            number = int(rest)
            if mark == b":":
                return number, end
            if mark == b"$":
                return self._bulk(number, end)
            return self._array(number, end, depth)
        if not inline:
            raise ProtocolFailure(f"expected '$', got '{line[:1].decode(errors='replace')}'")
        if len(line) > _INLINE:
            raise ProtocolFailure("too big inline request")
        try:
            return [
                word.encode("utf-8", "surrogateescape") for word in shlex.split(line.decode("utf-8", "surrogateescape"))
            ], end
        except ValueError:
            raise ProtocolFailure("unbalanced quotes in request") from None

    def _bulk(self, size: int, at: int) -> tuple[Value, int] | None:
        if size < 0:
            return None, at
        if size > LARGEST:
            raise ProtocolFailure("invalid bulk length")
        if len(self._data) < at + size + 2:
            return None
        return bytes(self._data[at : at + size]), at + size + 2

    def _array(self, size: int, at: int, depth: int) -> tuple[Value, int] | None:
        if size < 0:
            return None, at
        if size > _MOST or depth >= _DEEPEST:
            raise ProtocolFailure("invalid multibulk length")
        out: list[Value] = []
        for _ in range(size):
            found = self._value(at, depth=depth + 1)
            if found is None:
                return None
            out.append(found[0])
            at = found[1]
        return out, at
