"""Field errors as validation writes them: `spec.ports[0].port: Invalid value: 70000: must be ...`.

Models apimachinery/pkg/util/validation/field/errors.go: each function returns one `Cause` whose message
is upstream's text. Values are printed as Go prints them there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pocketkube.errors import Cause


def required(path: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", path, _join("Required value", detail))


def invalid(path: str, value: object, detail: str) -> Cause:
    return Cause("FieldValueInvalid", path, _join(f"Invalid value: {show(value)}", detail))


def type_invalid(path: str, value: object, detail: str) -> Cause:
    return Cause("FieldValueTypeInvalid", path, _join(f"Invalid value: {show(value)}", detail))


def not_supported(path: str, value: object, supported: Iterable[str], *, in_order: bool = False) -> Cause:
    """`supported` is printed sorted (sets upstream) unless `in_order` (slices upstream)."""
    names = list(supported) if in_order else sorted(supported)
    listed = ", ".join(show(s) for s in names)
    return Cause("FieldValueNotSupported", path, f"Unsupported value: {show(value)}: supported values: {listed}")


def duplicate(path: str, value: object, detail: str = "") -> Cause:
    return Cause("FieldValueDuplicate", path, _join(f"Duplicate value: {show(value)}", detail))


def not_found(path: str, value: object) -> Cause:
    return Cause("FieldValueNotFound", path, f"Not found: {show(value)}")


def forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", path, _join("Forbidden", detail))


def too_many(path: str, actual: int, most: int) -> Cause:
    noun = "item" if most == 1 else "items"
    return Cause("FieldValueTooMany", path, f"Too many: {actual}: must have at most {most} {noun}")


def too_long(path: str, most: int) -> Cause:
    noun = "byte" if most == 1 else "bytes"
    return Cause("FieldValueTooLong", path, f"Too long: may not be more than {most} {noun}")


def show(value: object) -> str:
    """A value as Go's field errors print it: strings quoted, numbers bare, structures as JSON, nil as null."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    text = json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":  # Go's encoder makes JSON safe to put into HTML
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _plain(value: Any) -> Any:
    return value if isinstance(value, dict | list | int | float | bool | type(None)) else str(value)


def _join(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head
