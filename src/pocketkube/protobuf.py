"""Request bodies in protobuf (`application/vnd.kubernetes.protobuf`), which newer kubectl sends: to JSON-shaped dicts.

Models apimachinery's protobuf serializer for reading: the `k8s\\0` prefix, runtime.Unknown around the object, and the
wire fields of the built-in types from data/openapi/protobuf-fields.json. As the Go structs go: a scalar that is no
pointer and zero is absent, a pointer to zero stays (`replicas: 0`). What comes out still goes through `schema.decode`.

Left out: writing protobuf (clients that send it accept JSON answers); streams; groups (wire types 3 and 4, unused).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import orjson

from pocketkube import duration
from pocketkube.schema.types import UnknownKind, field_table

MAGIC: Final = b"k8s\x00"
_META: Final = "k8s.io/apimachinery/pkg/apis/meta/v1"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Wire = int | bytes


class MalformedProtobuf(ValueError):
    """The bytes are no message of the kind they claim to be."""


def decode_object(body: bytes) -> dict[str, Any]:
    """The object in a request body, with its apiVersion and kind.

    Raises MalformedProtobuf; UnknownKind (schema) for kinds the packaged table does not have.
    """
    if not body.startswith(MAGIC):
        raise MalformedProtobuf(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    api_version = kind = ""
    raw = b""
    for number, value in _fields(body[len(MAGIC) :]):
        if number == 1:
            for inner, text in _fields(_bytes(value)):
                if inner == 1:
                    api_version = _text(text)
                elif inner == 2:
                    kind = _text(text)
        elif number == 2:
            raw = _bytes(value)
    return {"kind": kind, "apiVersion": api_version, **decode_message(raw, _go_name(api_version, kind))}


def decode_message(data: bytes, go_name: str) -> dict[str, Any]:
    """One message of a Go type (`k8s.io/api/core/v1.Pod`)."""
    result: dict[str, Any] = {}
    for number, value in _fields(data):
        field = _message(go_name).get(number)
        if field is not None:
            field.read(result, value)
    return result


def _go_name(api_version: str, kind: str) -> str:
    table = field_table()
    package = table["gv"].get(api_version)
    for go_name in (f"{package}.{kind}", f"{_META}.{kind}"):
        if package and isinstance(table["types"].get(go_name), dict):
            return go_name
    raise UnknownKind(f'no kind "{kind}" is registered for version "{api_version}"')


# --- the wire -------------------------------------------------------------------------------------------------------


def _fields(data: bytes) -> Iterator[tuple[int, Wire]]:
    """Field numbers and raw values, as they stand in a message."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire == _BYTES:
            length, position = _varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise MalformedProtobuf(f"proto: illegal wireType {wire}")
        if number == 0:
            raise MalformedProtobuf(f"proto: illegal tag 0 (wire type {wire})")
        if position + length > len(data):
            raise MalformedProtobuf("unexpected EOF")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
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


def _bytes(value: Wire) -> bytes:
    if isinstance(value, int):
        raise MalformedProtobuf("proto: wrong wireType = 0")
    return value


def _text(value: Wire) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _signed(value: Wire) -> int:
    if not isinstance(value, int):
        raise MalformedProtobuf("proto: wrong wireType = 2")
    return value - 2**64 if value >= 2**63 else value


def _signed32(value: Wire) -> int:
    low = _signed(value) & (2**32 - 1)
    return low - 2**32 if low >= 2**31 else low


# --- the types ------------------------------------------------------------------------------------------------------

Read = Callable[[Wire], Any]


class _Field(NamedTuple):
    name: str
    expression: Any

    def read(self, result: dict[str, Any], value: Wire) -> None:
        """Put the value where it belongs; repeated fields come one element at a time."""
        word, *arguments = self.expression if isinstance(self.expression, list) else ("", self.expression)
        if not self.name:
            result.update(decode_message(_bytes(value), arguments[0]))
        elif word == "list":
            result.setdefault(self.name, []).append(_reader(arguments[0])(value))
        elif word == "map":
            key, item = self._entry(_bytes(value), arguments[1])
            result.setdefault(self.name, {})[key] = item
        else:
            decoded = _reader(arguments[0])(value)
            if word == "ptr" or decoded or isinstance(decoded, dict):
                result[self.name] = decoded

    def _entry(self, data: bytes, element: Any) -> tuple[str, Any]:
        entry = dict(_fields(data))
        read = _reader(element)
        return _text(entry.get(1, b"")), read(entry[2]) if 2 in entry else _empty(element)


def _empty(element: Any) -> Any:
    """The value of a map entry that has none on the wire."""
    kind = _resolved(element)
    if isinstance(kind, str) and kind in ("int32", "int64", "bool"):
        return _reader(element)(0)
    return _reader(element)(b"")


@cache
def _message(go_name: str) -> dict[int, _Field]:
    shape = _resolved(go_name)
    if not isinstance(shape, dict):
        raise MalformedProtobuf(f"{go_name} is no message")
    return {int(number): _Field(name, _flattened(expression)) for number, (name, expression, *_) in shape.items()}


def _resolved(expression: Any) -> Any:
    """What is behind a name: a message's fields, a container, a scalar or one of the types with a form of their own."""
    while isinstance(expression, str) and expression in (types := field_table()["types"]):
        expression = types[expression]
    return expression


def _flattened(expression: Any) -> Any:
    """A named list or map (core/v1.ResourceList) stands for what it is."""
    resolved = _resolved(expression)
    return resolved if isinstance(resolved, list) else expression


@cache
def _reader(expression: str) -> Read:
    shape = _resolved(expression)
    if isinstance(shape, dict):
        return lambda value: decode_message(_bytes(value), expression)
    if isinstance(shape, str) and shape in _READERS:
        return _READERS[shape]
    if isinstance(shape, list):
        # A named list inside a map (authorization's ExtraValue) is a message with one repeated field.
        element = _reader(shape[1])
        return lambda value: [element(item) for number, item in _fields(_bytes(value)) if number == 1]
    return _text  # string types of other packages (types.UID)


def _quantity(value: Wire) -> str:
    return _text(dict(_fields(_bytes(value))).get(1, b"")) or "0"


def _int_or_string(value: Wire) -> int | str:
    fields = dict(_fields(_bytes(value)))
    return _text(fields.get(3, b"")) if fields.get(1) else _signed32(fields.get(2, 0))


def _moment(value: Wire) -> float | None:
    """Seconds since the epoch; the zero time, which JSON writes as null, is an empty message."""
    fields = dict(_fields(_bytes(value)))
    return _signed(fields.get(1, 0)) if fields else None


def _time(value: Wire) -> str | None:
    moment = _moment(value)
    return None if moment is None else duration.format_time(moment)


def _micro_time(value: Wire) -> str | None:
    moment = _moment(value)
    if moment is None:
        return None
    nanoseconds = _signed32(dict(_fields(_bytes(value))).get(2, 0))
    return duration.format_time(moment).replace("Z", f".{nanoseconds // 1000:06d}Z")


def _raw(value: Wire) -> Any:
    """RawExtension, FieldsV1 and apiextensions' JSON hold JSON text in their first field."""
    text = dict(_fields(_bytes(value))).get(1)
    try:
        return orjson.loads(_bytes(text)) if text else None
    except orjson.JSONDecodeError as error:
        raise MalformedProtobuf(str(error)) from None


def _duration(value: Wire) -> str:
    return duration.format_go_duration(_signed(dict(_fields(_bytes(value))).get(1, 0)))


def _float64(value: Wire) -> float:
    number: float = struct.unpack("<d", _bytes(value))[0]
    return number


_READERS: Final[dict[Any, Read]] = {
    "string": _text,
    "bool": lambda value: bool(_signed(value)),
    "int32": _signed32,
    "int64": _signed,
    "float64": _float64,
    "[]byte": lambda value: base64.b64encode(_bytes(value)).decode(),
    "!quantity": _quantity,
    "!intstr": _int_or_string,
    "!time": _time,
    "!microtime": _micro_time,
    "!raw": _raw,
    "!duration": _duration,
}
