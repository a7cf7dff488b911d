"""From parsed JSON to the object a real API server would hold and answer.

Models what decoding into a Go struct and encoding it again does (sigs.k8s.io/json, the protobuf storage between
them, and runtime.DefaultUnstructuredConverter for strategic merge patches): unknown fields vanish and are reported
with their path, null is absent, empty values of `omitempty` fields vanish, structs and fields without omitempty
are always there (`status: {}`, `name: ""`, `endpoints: null`), quantities, times and base64 are rewritten in
canonical form, and wrong types are refused with Go's texts.

An object that is as it should be takes the quick way (`compiled`: one closure per type); at the first doubt it is
read again by `_Reader`, which knows where it is and what to say.

Left out: field order of the answer (that of the request is kept); Go's limits on depth.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from pocketkube import duration, quantity
from pocketkube.schema.gojson import word as _go_word
from pocketkube.schema.gotime import TimeError, parse_rfc3339
from pocketkube.schema.parse import Duplicates
from pocketkube.schema.types import UNSTRUCTURED, Field, Type

Decoder = Callable[[Any], Any]

_INT_BOUNDS: Final = {"int32": 2**31, "int64": 2**63}
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_DATE_TIME = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z")
_MAX_PROBLEMS: Final = 100  # upstream stops counting there


class DecodeError(ValueError):
    """The value cannot be decoded into the type; the message is Go's, without what the API server puts before it."""


class _Doubt(Exception):
    """Something the quick decoder leaves to the careful one."""


def decode(obj: Any, type_: Type) -> tuple[dict[str, Any], list[str]]:
    """The object as held by the server, and what strict decoding complains about, in document order.

    Complaints read `unknown field "spec.selectors"` or `duplicate field "spec.type"` (the latter only for bodies
    parsed with `loads_json(body, strict=True)`). Raises DecodeError for values of the wrong type. `obj` is not
    changed.
    """
    try:
        return type_.decoder(obj), []
    except _Doubt:
        reader = _Reader()
    return reader.read(type_, obj), reader.problems


def decode_patched(obj: Any, type_: Type) -> tuple[dict[str, Any], list[str]]:
    """As `decode`, for the outcome of a strategic merge patch: another upstream decoder, whose unknown fields come
    sorted and whose complaints about types are its own (`unrecognized type: int32`, `cannot restore slice from
    string`).
    """
    try:
        return type_.decoder(obj), []
    except _Doubt:
        reader = _PatchedReader()
    return reader.read(type_, obj), sorted(reader.problems)


def strict_text(problems: list[str]) -> str:
    """The one text of several complaints: `strict decoding error: unknown field "a", unknown field "b"`."""
    return f"strict decoding error: {', '.join(problems)}"


# --- the quick way --------------------------------------------------------------------------------------------------


def compiled(type_: Type) -> Decoder:
    """A closure that decodes values of the type and raises _Doubt about anything unusual."""
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
            raise _Doubt
        if not fields and type_.fields:
            prepare()
        result = {}
        for name, item in value.items():
            known = fields.get(name)
            if known is None:
                if not keeps_unknown:
                    raise _Doubt
                result[name] = item
            elif item is not None:
                decoder, keeps_empty = known
                if decoder is _string:  # most fields are; not calling it saves a quarter of the time
                    if type(item) is not str:
                        raise _Doubt
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
                raise _Doubt
            for item in value:
                if type(item) is not str:
                    raise _Doubt
            return list(value) or None

        return strings

    def items(value: Any) -> Any:
        if type(value) is not list or None in value:
            raise _Doubt
        decoder = element.decoder
        return [decoder(item) for item in value] or None

    return items


def _compiled_map(type_: Type) -> Decoder:
    assert type_.element is not None
    element = type_.element

    def entries(value: Any) -> Any:
        if type(value) is not dict:
            raise _Doubt
        decoder = element.decoder
        result = {}
        for key, item in value.items():
            if item is None:
                raise _Doubt
            result[key] = decoder(item)
        return result or None

    return entries


def _string(value: Any) -> Any:
    if type(value) is not str:
        raise _Doubt
    return value


def _bool(value: Any) -> Any:
    if type(value) is not bool:
        raise _Doubt
    return value


def _int32(value: Any) -> Any:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise _Doubt
    return value


def _int64(value: Any) -> Any:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise _Doubt
    return value


def _float64(value: Any) -> Any:
    if type(value) is not float and type(value) is not int:
        raise _Doubt
    return value


def _int_or_string(value: Any) -> Any:
    return value if type(value) is str else _int32(value)


def _quantity(value: Any) -> Any:
    if type(value) is not str and type(value) is not int and type(value) is not float:
        raise _Doubt
    try:
        return quantity.canonical(value)
    except quantity.InvalidQuantity:  # or one with blanks around it
        raise _Doubt from None


def _time(value: Any) -> Any:
    # Times written by a server need no rewriting; others go the careful way.
    if type(value) is not str or not _DATE_TIME.fullmatch(value):
        raise _Doubt
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise _Doubt from None
    return value


def _doubtful(value: Any) -> Any:
    raise _Doubt


def _bytes(value: Any) -> Any:
    if type(value) is not str or not _BASE64.fullmatch(value):
        raise _Doubt
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


# --- the careful way ------------------------------------------------------------------------------------------------


class _Reader:
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
        if _is_number(value):
            bound = _INT_BOUNDS[type_.kind]
            if isinstance(value, int) and -bound <= value < bound:
                return value
            return self._mismatch(type_, value, f"number {value!r}")
        return self._mismatch(type_, value)

    def _read_float64(self, type_: Type, value: Any) -> Any:
        return value if _is_number(value) else self._mismatch(type_, value)

    def _read_bytes(self, type_: Type, value: Any) -> Any:
        if not isinstance(value, str):
            return self._mismatch(type_, value)
        try:
            return decode_base64(value)
        except ValueError as error:
            self._note(str(error))
            return ""

    # -- types that read their JSON themselves: what they refuse ends the decoding

    def _read_intstr(self, type_: Type, value: Any) -> Any:
        if isinstance(value, str):
            return value
        if _is_number(value):
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


class _PatchedReader(_Reader):
    """The converter behind strategic merge patches: the first wrong type ends it, and it names no field."""

    def _mismatch(self, type_: Type, value: Any, word: str = "") -> Any:
        raise DecodeError(self._refusal(type_, value))

    def _refusal(self, type_: Type, value: Any) -> str:
        go_kind = _go_kind(value)
        match type_.kind:
            case "struct":
                return f"cannot restore struct from: {go_kind}"
            case "list" | "bytes":
                return f"cannot restore slice from {go_kind}"
            case "map":
                return f"cannot restore map from {go_kind}"
        # Go would convert an int to a string (as a character) or a float to an int, which JSON must not.
        convertible = {"int64": ("string",), "float64": ("int32", "int64")}
        if type_.kind in convertible.get(go_kind, ()):
            return f"cannot convert {go_kind} to {type_.name}"
        return f"unrecognized type: {type_.kind}"

    def _integer(self, type_: Type, value: Any) -> Any:
        if _is_number(value) and value == int(value):
            bound = _INT_BOUNDS[type_.kind]
            return (int(value) + bound) % (2 * bound) - bound  # it does not look whether the number fits
        return self._mismatch(type_, value)

    def _read_bytes(self, type_: Type, value: Any) -> Any:
        if not isinstance(value, str):
            return self._mismatch(type_, value)
        try:
            return decode_base64(value)
        except ValueError as error:
            raise DecodeError(f"error decoding from json: {error}") from None

    def _unmarshal_text(self, word: str, type_name: str) -> str:
        return f"json: cannot unmarshal {word} into Go value of type {type_name}"


def decode_base64(text: str) -> str:
    """The text in canonical base64 (line breaks removed). Raises ValueError with Go's text.

    Models encoding/base64's CorruptInputError: the offset it reports is that of the first byte that cannot be.
    """
    if _BASE64.fullmatch(text):
        return base64.b64encode(base64.b64decode(text)).decode()  # spare bits of the last character become zero
    data = text.encode()
    bad = _bad_base64(data)
    if bad is not None:
        raise ValueError(f"illegal base64 data at input byte {bad}")
    return base64.b64encode(base64.b64decode(data)).decode()


_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _bad_base64(data: bytes) -> int | None:
    """The offset Go complains about, None where all is well; line breaks may stand anywhere."""
    letters = [(offset, byte) for offset, byte in enumerate(data) if byte not in b"\r\n"]
    for index, (offset, byte) in enumerate(letters):
        if byte in _ALPHABET:
            continue
        place = index % 4
        if byte != ord("=") or place < 2:
            return offset
        rest = letters[index + 1 :]
        if place == 2:
            if not rest:
                return len(data)
            if rest[0][1] != ord("="):
                return rest[0][0] - 1
            rest = rest[1:]
        return rest[0][0] if rest else None
    # Input that ends within a group is reported as far back as the group has letters.
    return len(data) - len(letters) % 4 if len(letters) % 4 else None


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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _go_kind(value: Any) -> str:
    """The Go kind of a decoded JSON value."""
    for python, go in (
        (bool, "bool"),
        (str, "string"),
        (int, "int64"),
        (float, "float64"),
        (dict, "map"),
        (list, "slice"),
    ):
        if isinstance(value, python):
            return go
    return "interface"
