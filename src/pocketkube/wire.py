"""Protobuf on the wire: the fields of a message, without what they mean.

Left out: groups (wire types 3 and 4, unused), packed numbers, writing fixed sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}

Value = int | bytes


class MalformedProtobuf(ValueError):
    """The bytes are no message of the kind they claim to be."""


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Field numbers and raw values, as they stand in a message. Raises MalformedProtobuf."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _read_varint(data, position)
            yield number, value
            continue
        if wire == _BYTES:
            length, position = _read_varint(data, position)
        elif wire in _SIZES:
            length = _SIZES[wire]
        else:
            raise MalformedProtobuf(f"proto: illegal wireType {wire}")
        if number == 0:
            raise MalformedProtobuf(f"proto: illegal tag 0 (wire type {wire})")
        if position + length > len(data):
            raise MalformedProtobuf("unexpected EOF")
        yield number, data[position : position + length]
        position += length


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(data):
            raise MalformedProtobuf("unexpected EOF")
        if shift >= 64:
            raise MalformedProtobuf("proto: integer overflow")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & (2**64 - 1), position
        shift += 7


def as_bytes(value: Value) -> bytes:
    """The value of a field that is a text, bytes or a message. Raises MalformedProtobuf."""
    if isinstance(value, int):
        raise MalformedProtobuf("proto: wrong wireType = 0")
    return value


def number(field: int, value: int) -> bytes:
    """A field that is a number and not negative."""
    return _varint(field << 3 | _VARINT) + _varint(value)


def message(field: int, data: bytes) -> bytes:
    """A field that is a message, or bytes."""
    return _varint(field << 3 | _BYTES) + _varint(len(data)) + data


def text(field: int, value: str) -> bytes:
    return message(field, value.encode())


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
