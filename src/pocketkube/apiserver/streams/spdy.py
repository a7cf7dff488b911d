"""SPDY/3.1 frames: bytes to frames and back, without any input or output.

Models the part of the SPDY/3.1 draft that moby/spdystream speaks, which is what Kubernetes' clients are built on:
streams with headers, data, resets, pings, go-away. Left out: flow control (spdystream has none: SETTINGS and
WINDOW_UPDATE are ignored), priorities, associated streams, server push. No Python library of SPDY is maintained.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pocketkube.apiserver.streams.spdy_dictionary import DICTIONARY

VERSION: Final = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY, HEADERS = 1, 2, 3, 6, 7, 8
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL = 1, 3, 5
"""Why a stream is reset."""
FIN: Final = 1
LARGEST_CONTROL: Final = 1 << 16
"""Bytes of a control frame, and of a header block once inflated."""
_CONTROL: Final = 0x8000_0000
_ID: Final = 0x7FFF_FFFF


class SpdyError(Exception):
    """What arrived is not SPDY/3.1; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """SYN_STREAM: the other side opens a stream. Header names are in lower case, as on the wire."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Replied:
    """SYN_REPLY: the other side takes a stream that was opened to it."""

    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of a DATA frame; `fin` only with the last piece of the last frame."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last: int


Frame = Opened | Replied | Data | Reset | Ping | GoAway


class Decoder:
    """One direction of a connection: `feed` bytes as they come, in pieces of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._left = 0
        """Bytes of the current DATA frame that have not arrived; its pieces are handed on at once."""
        self._stream, self._fin = 0, False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Raises SpdyError."""
        buffer = self._buffer
        buffer += data
        while buffer:
            if self._left:
                piece = bytes(buffer[: self._left])
                del buffer[: len(piece)]
                self._left -= len(piece)
                yield Data(self._stream, piece, self._fin and not self._left)
                continue
            if len(buffer) < 8:
                return
            first, second = struct.unpack_from(">II", buffer)
            flags, length = second >> 24, second & 0xFF_FFFF
            if first & _CONTROL:
                if length > LARGEST_CONTROL:
                    raise SpdyError(f"a control frame of {length} bytes is too large")
                if len(buffer) < 8 + length:
                    return
                payload = bytes(buffer[8 : 8 + length])
                del buffer[: 8 + length]
                frame = self._control(first, flags, payload)
                if frame is not None:
                    yield frame
                continue
            del buffer[:8]
            self._stream, self._fin, self._left = first, bool(flags & FIN), length
            if not length:
                yield Data(first, b"", self._fin)

    def _control(self, first: int, flags: int, payload: bytes) -> Frame | None:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != VERSION:
            raise SpdyError(f"version {version} of SPDY is not supported, only {VERSION}")
        try:
            if kind == SYN_STREAM:
                (stream,) = struct.unpack_from(">I", payload)
                return Opened(stream & _ID, self._headers(payload[10:]), bool(flags & FIN))
            if kind == SYN_REPLY:
                (stream,) = struct.unpack_from(">I", payload)
                return Replied(stream & _ID, self._headers(payload[4:]), bool(flags & FIN))
            if kind == HEADERS:
                self._headers(payload[4:])  # not used by Kubernetes, but part of the compressed stream
            elif kind == RST_STREAM:
                stream, status = struct.unpack_from(">II", payload)
                return Reset(stream & _ID, status)
            elif kind == PING:
                return Ping(*struct.unpack_from(">I", payload))
            elif kind == GOAWAY:
                (last,) = struct.unpack_from(">I", payload)
                return GoAway(last & _ID)
        except struct.error:
            raise SpdyError(f"a control frame of type {kind} is cut short") from None
        return None

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            text = self._inflate.decompress(block, LARGEST_CONTROL)
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be inflated: {error}") from None
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"a header block is larger than {LARGEST_CONTROL} bytes")
        found: dict[str, str] = {}
        (count,) = struct.unpack_from(">I", text)
        at = 4
        for _ in range(count):
            name, at = _text(text, at)
            value, at = _text(text, at)
            found[name.lower()] = value
        return found


class Encoder:
    """The other direction. Frames must be sent in the order they were made: headers are one compressed stream."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        match frame:
            case Data(stream, data, fin):
                return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data
            case Opened(stream, headers, fin):
                payload = struct.pack(">IIH", stream, 0, 0) + self._headers(headers)
                return _control(SYN_STREAM, payload, FIN if fin else 0)
            case Replied(stream, headers, fin):
                return _control(SYN_REPLY, struct.pack(">I", stream) + self._headers(headers), FIN if fin else 0)
            case Reset(stream, status):
                return _control(RST_STREAM, struct.pack(">II", stream, status))
            case Ping(number):
                return _control(PING, struct.pack(">I", number))
            case GoAway(last):
                return _control(GOAWAY, struct.pack(">II", last, 0))

    def _headers(self, headers: Mapping[str, str]) -> bytes:
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">II", _CONTROL | VERSION << 16 | kind, flags << 24 | len(payload)) + payload


def _text(block: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", block, at)
    end = at + 4 + length
    if end > len(block):
        raise struct.error
    return block[at + 4 : end].decode("latin-1"), end
