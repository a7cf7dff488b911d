"""The quick decoder: one closure per type, for objects that are as they should be.

It does what `reader` does for valid objects (a test holds the two together), knows neither paths nor texts, and
raises Doubt about anything unusual, which is then read again with care.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from pocketkube import quantity
from pocketkube.schema import gobase64
from pocketkube.schema.types import UNSTRUCTURED, Field, Type

Decoder = Callable[[Any], Any]

_DATE_TIME = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z")


class Doubt(Exception):
    """Something the quick decoder leaves to the careful one."""


def compiled(type_: Type) -> Decoder:
    """A closure that decodes values of the type and raises Doubt about anything unusual."""
    match type_.kind:
        case "struct":
            return _compiled_struct(type_)
        case "list":
            return _compiled_list(type_)
        case "map":
            return _compiled_map(type_)
        case _:
            return _LEAVES[type_.kind]


def _compiled_struct(type_: Type) -> Decoder:
    # Filled on first use: types may contain themselves.
    fields: dict[str, tuple[Decoder, bool]] = {}
    always: list[tuple[str, Field]] = []
    keeps_unknown = type_ is UNSTRUCTURED

    def prepare() -> None:
        always.extend((field.name, field) for field in type_.always)
        fields.update((name, (field.type.decoder, field.keeps_empty)) for name, field in type_.fields.items())

    def struct(value: Any) -> Any:
        if type(value) is not dict:
            raise Doubt
        if not fields and type_.fields:
            prepare()
        result = {}
        for name, item in value.items():
            known = fields.get(name)
            if known is None:
                if not keeps_unknown:
                    raise Doubt
                result[name] = item
            elif item is not None:
                decoder, keeps_empty = known
                if decoder is _string:  # most fields are; not calling it saves a quarter of the time
                    if type(item) is not str:
                        raise Doubt
                    decoded = item
                else:
                    decoded = decoder(item)
                if decoded or keeps_empty:
                    result[name] = decoded
        for name, field in always:
            if result.get(name) is None:
                result[name] = field.zero()
        return result

    return struct


def _compiled_list(type_: Type) -> Decoder:
    assert type_.element is not None
    element = type_.element
    if element.kind == "string":

        def strings(value: Any) -> Any:
            if type(value) is not list:
                raise Doubt
            for item in value:
                if type(item) is not str:
                    raise Doubt
            return list(value) or None

        return strings

    def items(value: Any) -> Any:
        if type(value) is not list or None in value:
            raise Doubt
        decoder = element.decoder
        return [decoder(item) for item in value] or None

    return items


def _compiled_map(type_: Type) -> Decoder:
    assert type_.element is not None
    element = type_.element

    def entries(value: Any) -> Any:
        if type(value) is not dict:
            raise Doubt
        decoder = element.decoder
        result = {}
        for key, item in value.items():
            if item is None:
                raise Doubt
            result[key] = decoder(item)
        return result or None

    return entries


def _string(value: Any) -> Any:
    if type(value) is not str:
        raise Doubt
    return value


def _bool(value: Any) -> Any:
    if type(value) is not bool:
        raise Doubt
    return value


def _int32(value: Any) -> Any:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise Doubt
    return value


def _int64(value: Any) -> Any:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise Doubt
    return value


def _float64(value: Any) -> Any:
    if type(value) is not float and type(value) is not int:
        raise Doubt
    return value


def _int_or_string(value: Any) -> Any:
    return value if type(value) is str else _int32(value)


def _quantity(value: Any) -> Any:
    if type(value) is not str and type(value) is not int and type(value) is not float:
        raise Doubt
    try:
        return quantity.canonical(value)
    except quantity.InvalidQuantity:  # or one with blanks around it
        raise Doubt from None


def _time(value: Any) -> Any:
    # Times written by a server need no rewriting; others go the careful way.
    if type(value) is not str or not _DATE_TIME.fullmatch(value):
        raise Doubt
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise Doubt from None
    return value


def _doubtful(value: Any) -> Any:
    raise Doubt


def _bytes(value: Any) -> Any:
    if type(value) is not str or not gobase64.PATTERN.fullmatch(value):
        raise Doubt
    return value


def _any(value: Any) -> Any:
    return value


_LEAVES: Final[dict[str, Decoder]] = {
    "string": _string,
    "bool": _bool,
    "int32": _int32,
    "int64": _int64,
    "float64": _float64,
    "intstr": _int_or_string,
    "quantity": _quantity,
    "time": _time,
    "microtime": _doubtful,
    "duration": _doubtful,
    "bytes": _bytes,
    "any": _any,
}
