"""Request bodies in protobuf (`application/vnd.kubernetes.protobuf`), which newer kubectl sends: to JSON-shaped dicts.

Models apimachinery's protobuf serializer for reading: the `k8s\\0` prefix, runtime.Unknown around the object, and the
wire fields of the built-in types from data/openapi/protobuf-fields.json. As the Go structs go: a scalar that is no
pointer and zero is absent, a pointer to zero stays (`replicas: 0`). What comes out still goes through `schema.decode`.

Left out: writing protobuf (clients that send it accept JSON answers); streams; groups (wire types 3 and 4, unused).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import orjson

from pocketkube import duration
from pocketkube.schema.types import UnknownKind, field_table
from pocketkube.wire import MalformedProtobuf as MalformedProtobuf
from pocketkube.wire import Value as Wire
from pocketkube.wire import as_bytes, fields

MAGIC: Final = b"k8s\x00"
_META: Final = "k8s.io/apimachinery/pkg/apis/meta/v1"


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
    for number, value in fields(body[len(MAGIC) :]):
        if number == 1:
            for inner, text in fields(as_bytes(value)):
                if inner == 1:
                    api_version = _text(text)
                elif inner == 2:
                    kind = _text(text)
        elif number == 2:
            raw = as_bytes(value)
    return {"kind": kind, "apiVersion": api_version, **decode_message(raw, _go_name(api_version, kind))}


def decode_message(data: bytes, go_name: str) -> dict[str, Any]:
    """One message of a Go type (`k8s.io/api/core/v1.Pod`)."""
    result: dict[str, Any] = {}
    for number, value in fields(data):
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


# --- fields ---------------------------------------------------------------------------------------------------------


def _text(value: Wire) -> str:
    return as_bytes(value).decode("utf-8", "replace")


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
            result.update(decode_message(as_bytes(value), arguments[0]))
        elif word == "list":
            result.setdefault(self.name, []).append(_reader(arguments[0])(value))
        elif word == "map":
            key, item = self._entry(as_bytes(value), arguments[1])
            result.setdefault(self.name, {})[key] = item
        else:
            decoded = _reader(arguments[0])(value)
            if word == "ptr" or decoded or isinstance(decoded, dict):
                result[self.name] = decoded

    def _entry(self, data: bytes, element: Any) -> tuple[str, Any]:
        entry = dict(fields(data))
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
        return lambda value: decode_message(as_bytes(value), expression)
    if isinstance(shape, str) and shape in _READERS:
        return _READERS[shape]
    if isinstance(shape, list):
        # A named list inside a map (authorization's ExtraValue) is a message with one repeated field.
        element = _reader(shape[1])
        return lambda value: [element(item) for number, item in fields(as_bytes(value)) if number == 1]
    return _text  # string types of other packages (types.UID)


def _quantity(value: Wire) -> str:
    return _text(dict(fields(as_bytes(value))).get(1, b"")) or "0"


def _int_or_string(value: Wire) -> int | str:
    held = dict(fields(as_bytes(value)))
    return _text(held.get(3, b"")) if held.get(1) else _signed32(held.get(2, 0))


def _moment(value: Wire) -> float | None:
    """Seconds since the epoch; the zero time, which JSON writes as null, is an empty message."""
    held = dict(fields(as_bytes(value)))
    return _signed(held.get(1, 0)) if held else None


def _time(value: Wire) -> str | None:
    moment = _moment(value)
    return None if moment is None else duration.format_time(moment)


def _micro_time(value: Wire) -> str | None:
    moment = _moment(value)
    if moment is None:
        return None
    nanoseconds = _signed32(dict(fields(as_bytes(value))).get(2, 0))
    return duration.format_time(moment).replace("Z", f".{nanoseconds // 1000:06d}Z")


def _raw(value: Wire) -> Any:
    """RawExtension, FieldsV1 and apiextensions' JSON hold JSON text in their first field."""
    text = dict(fields(as_bytes(value))).get(1)
    try:
        return orjson.loads(as_bytes(text)) if text else None
    except orjson.JSONDecodeError as error:
        raise MalformedProtobuf(str(error)) from None


def _duration(value: Wire) -> str:
    return duration.format_go_duration(_signed(dict(fields(as_bytes(value))).get(1, 0)))


def _float64(value: Wire) -> float:
    number: float = struct.unpack("<d", as_bytes(value))[0]
    return number


_READERS: Final[dict[Any, Read]] = {
    "string": _text,
    "bool": lambda value: bool(_signed(value)),
    "int32": _signed32,
    "int64": _signed,
    "float64": _float64,
    "[]byte": lambda value: base64.b64encode(as_bytes(value)).decode(),
    "!quantity": _quantity,
    "!intstr": _int_or_string,
    "!time": _time,
    "!microtime": _micro_time,
    "!raw": _raw,
    "!duration": _duration,
}
