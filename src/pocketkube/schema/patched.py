"""The decoder behind strategic merge patches.

Models runtime.DefaultUnstructuredConverter.FromUnstructured: the first wrong type ends it, no complaint names a
field, and the texts are its own.
"""

from __future__ import annotations

from typing import Any

from pocketkube.schema import gobase64
from pocketkube.schema.reader import INT_BOUNDS, DecodeError, Reader, is_number
from pocketkube.schema.types import Type


class PatchedReader(Reader):
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
        if is_number(value) and value == int(value):
            bound = INT_BOUNDS[type_.kind]
            return (int(value) + bound) % (2 * bound) - bound  # it does not look whether the number fits
        return self._mismatch(type_, value)

    def _read_bytes(self, type_: Type, value: Any) -> Any:
        if not isinstance(value, str):
            return self._mismatch(type_, value)
        try:
            return gobase64.canonical(value)
        except ValueError as error:
            raise DecodeError(f"error decoding from json: {error}") from None

    def _unmarshal_text(self, word: str, type_name: str) -> str:
        return f"json: cannot unmarshal {word} into Go value of type {type_name}"


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
