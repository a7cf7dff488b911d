"""A protobuf writer for tests, independent of the decoder: it is told wire shapes and knows no field table."""

from __future__ import annotations

from collections.abc import Iterable

MAGIC = b"k8s\x00"


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def chunk(field: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def message(*fields: bytes) -> bytes:
    return b"".join(fields)


def string_map(field: int, entries: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(chunk(field, message(chunk(1, key), chunk(2, value))) for key, value in entries)


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    """runtime.Unknown: type metadata in field 1, the object in field 2, then empty contentEncoding and contentType."""
    type_meta = message(chunk(1, api_version), chunk(2, kind))
    return MAGIC + message(chunk(1, type_meta), chunk(2, raw), chunk(3, ""), chunk(4, ""))


def timestamp(seconds: int, nanoseconds: int = 0) -> bytes:
    return message(integer(1, seconds), integer(2, nanoseconds))
