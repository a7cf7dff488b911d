"""The careful decoder: knows where it is, and says what is wrong in the words of Go's JSON decoder.

Models sigs.k8s.io/json decoding into the API's Go structs, the types with a decoding of their own included
(IntOrString, Quantity, Time, MicroTime, Duration).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pocketkube import duration, quantity
from pocketkube.schema import gobase64
from pocketkube.schema.gojson import word as _go_word
from pocketkube.schema.gotime import TimeError, parse_rfc3339
from pocketkube.schema.parse import Duplicates
from pocketkube.schema.types import UNSTRUCTURED, Type

INT_BOUNDS: Final = {"int32": 2**31, "int64": 2**63}
_MAX_PROBLEMS: Final = 100  # upstream stops counting there


class DecodeError(ValueError):
    """The value cannot be decoded into the type; the message is Go's, without what the API server puts before it."""


class Reader:
    """Go's JSON decoder: notes the first wrong type and goes on; a refusal by a type of its own form ends it at
    once."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._error: str | None = None
        self._struct = ""  # the Go struct that holds the field being read
        self._fields: list[str] = []  # Go's path to it: field names only
        self._path: list[str] = []  # the path in complaints: with indices and map keys

    def read(self, type_: Type, value: Any) -> Any:
        result = self._value(type_, value)
        if self._error is not None:
            raise DecodeError(self._error)
        return result

    def _value(self, type_: Type, value: Any) -> Any:
        match type_.kind:
            case "struct":
                return self._read_struct(type_, value)
            case "list":
                return self._read_list(type_, value)
            case "map":
                return self._read_map(type_, value)
            case "any":
                return _plain(value)
            case kind:
                reader: Callable[[Type, Any], Any] = getattr(self, f"_read_{kind}")
                return reader(type_, value)

    # -- containers

    def _read_struct(self, type_: Type, value: Any) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(type_, value)
        result: dict[str, Any] = {}
        outer = self._struct, len(self._fields)
        for name, item, again in _pairs(value):
            self._path.append(f".{name}" if self._path else name)
            if again:
                self._complain("duplicate")
            field = type_.fields.get(name)
            if field is None:
                if type_ is UNSTRUCTURED:
                    result[name] = _plain(item)
                else:
                    self._complain("unknown")
            elif item is None:
                if again and field.pointer | (field.type.kind in ("list", "map")):
                    result.pop(name, None)
            else:
                self._struct = type_.struct_name
                self._fields.append(field.embedded + name)
                decoded = self._value(field.type, item)
                del self._fields[outer[1] :]
                result.pop(name, None)
                if decoded or (field.keeps_empty and decoded is not None):
                    result[name] = decoded
            self._struct = outer[0]
            self._path.pop()
        for field in type_.always:
            if result.get(field.name) is None:
                result[field.name] = field.zero()
        return result

    def _read_list(self, type_: Type, value: Any) -> Any:
        if not isinstance(value, list):
            return self._mismatch(type_, value)
        result = []
        for index, item in enumerate(value):
            self._path.append(f"[{index}]")
            result.append(self._element(type_, item))
            self._path.pop()
        return result or None

    def _read_map(self, type_: Type, value: Any) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(type_, value)
        result = {}
        for key, item, again in _pairs(value):
            self._path.append(f".{key}" if self._path else key)
            if again:
                self._complain("duplicate")
            result[key] = self._element(type_, item)
            self._path.pop()
        return result or None

    def _element(self, type_: Type, item: Any) -> Any:
        assert type_.element is not None
        if item is None:
            return None if type_.pointer_elements else type_.element.zero()
        return self._value(type_.element, item)

    # -- scalars

    def _read_string(self, type_: Type, value: Any) -> Any:
        return value if isinstance(value, str) else self._mismatch(type_, value)

    def _read_bool(self, type_: Type, value: Any) -> Any:
        return value if isinstance(value, bool) else self._mismatch(type_, value)

    def _read_int32(self, type_: Type, value: Any) -> Any:
        return self._integer(type_, value)

    def _read_int64(self, type_: Type, value: Any) -> Any:
        return self._integer(type_, value)

    def _integer(self, type_: Type, value: Any) -> Any:
        if is_number(value):
            bound = INT_BOUNDS[type_.kind]
            if isinstance(value, int) and -bound <= value < bound:
                return value
            return self._mismatch(type_, value, f"number {value!r}")
        return self._mismatch(type_, value)

    def _read_float64(self, type_: Type, value: Any) -> Any:
        return value if is_number(value) else self._mismatch(type_, value)

    def _read_bytes(self, type_: Type, value: Any) -> Any:
        if not isinstance(value, str):
            return self._mismatch(type_, value)
        try:
            return gobase64.canonical(value)
        except ValueError as error:
            self._note(str(error))
            return ""

    # -- types that read their JSON themselves: what they refuse ends the decoding

    def _read_intstr(self, type_: Type, value: Any) -> Any:
        if isinstance(value, str):
            return value
        if is_number(value):
            if isinstance(value, int) and -(2**31) <= value < 2**31:
                return value
            raise DecodeError(self._unmarshal_text(f"number {value!r}", "int32"))
        raise DecodeError(self._unmarshal_text(_go_word(value), "int32"))

    def _read_quantity(self, type_: Type, value: Any) -> Any:
        if isinstance(value, dict | list | bool):
            raise DecodeError(quantity.FORMAT_WRONG)
        try:
            return quantity.canonical(value.strip() if isinstance(value, str) else value)
        except quantity.InvalidQuantity as error:
            raise DecodeError(str(error)) from None

    def _read_time(self, type_: Type, value: Any) -> Any:
        return duration.format_time(self._moment(value, "2006-01-02T15:04:05Z07:00"))

    def _read_microtime(self, type_: Type, value: Any) -> Any:
        return duration.format_micro_time(self._moment(value, "2006-01-02T15:04:05.000000Z07:00"))

    def _moment(self, value: Any, layout: str) -> Any:
        if not isinstance(value, str):
            raise DecodeError(self._unmarshal_text(_go_word(value), "string"))
        try:
            return parse_rfc3339(value, layout)
        except TimeError as error:
            raise DecodeError(str(error)) from None

    def _read_duration(self, type_: Type, value: Any) -> Any:
        if not isinstance(value, str):
            raise DecodeError(self._unmarshal_text(_go_word(value), "string"))
        if not re.fullmatch(r"[+-]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+", value):
            raise DecodeError(f'time: invalid duration "{value}"')
        return value

    # -- complaints

    def _mismatch(self, type_: Type, value: Any, word: str = "") -> Any:
        self._note(self._unmarshal_text(word or _go_word(value), type_.name))
        return type_.zero()

    def _unmarshal_text(self, word: str, type_name: str) -> str:
        if not self._struct:
            return f"json: cannot unmarshal {word} into Go value of type {type_name}"
        where = f"{self._struct}.{'.'.join(self._fields)}"
        return f"json: cannot unmarshal {word} into Go struct field {where} of type {type_name}"

    def _note(self, error: str) -> None:
        if self._error is None:
            self._error = error

    def _complain(self, what: str) -> None:
        text = f'{what} field "{"".join(self._path)}"'
        if len(self.problems) < _MAX_PROBLEMS and text not in self.problems:
            self.problems.append(text)


def _pairs(value: dict[str, Any]) -> list[tuple[str, Any, bool]]:
    """Name, value and whether the name came before; parsers keep repeated names only when asked to be strict."""
    if not isinstance(value, Duplicates):
        return [(name, item, False) for name, item in value.items()]
    seen: set[str] = set()
    result = []
    for name, item in value.pairs:
        result.append((name, item, name in seen))
        seen.add(name)
    return result


def _plain(value: Any) -> Any:
    """A copy without the parser's notes on repeated names."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
