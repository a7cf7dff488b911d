"""Values of awk: numbers are floats, strings are str, input that looks like a number is both (`Input`)."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DIRECTIVE = re.compile(r"%(?:(%)|([-+ #0]*)(\*|\d+)?(?:\.(\*|\d*))?([a-zA-Z]))")
_WIDEST = 65536


class Input(str):
    """A field, a record, an element that was split: compares as a number when it looks like one."""

    __slots__ = ()


Value = float | str
UNSET = Input("")
"""A variable nobody set: "" and 0."""


class AwkFailure(Exception):
    """Ends the program with status 2 and its text."""


def number(value: Value) -> float:
    if isinstance(value, float):
        return value
    found = _NUMBER.match(value)
    return float(found.group()) if found else 0.0


def is_numeric(value: Value) -> bool:
    """Whether it takes part in a comparison as a number."""
    if isinstance(value, float):
        return True
    if not isinstance(value, Input):
        return False
    return not value or _NUMBER.fullmatch(value.rstrip()) is not None


def text(value: Value, form: str = "%.6g") -> str:
    if not isinstance(value, float):
        return value
    if value.is_integer() and abs(value) < 9.2e18:
        return str(int(value))
    if math.isnan(value) or math.isinf(value):
        return {"inf": "inf", "-inf": "-inf"}.get(str(value), "nan")
    return form % value if form == "%.6g" else printf(form, [value])


def truth(value: Value) -> bool:
    if isinstance(value, float):
        return value != 0
    return number(value) != 0 if is_numeric(value) and value else bool(value)


def compare(left: Value, right: Value, form: str) -> int:
    """Less than 0, 0, more than 0."""
    if is_numeric(left) and is_numeric(right):
        a, b = number(left), number(right)
        return (a > b) - (a < b)
    first, second = text(left, form), text(right, form)
    return (first > second) - (first < second)


def integer(value: float) -> int:
    if math.isnan(value):
        return 0
    return int(max(min(value, 9.2e18), -9.2e18))


def printf(form: str, arguments: list[Value]) -> str:
    """Raises AwkFailure."""
    rest = iter(arguments)

    def one(found: re.Match[str]) -> str:
        percent, flags, width, precision, kind = found.groups()
        if percent:
            return "%"
        if width == "*":
            width = str(integer(number(next(rest, UNSET))))
            if width.startswith("-"):
                flags, width = flags + "-", width[1:]
        if precision == "*":
            precision = str(integer(number(next(rest, UNSET))))
        if int(width or 0) > _WIDEST or int(precision or 0) > _WIDEST:
            raise AwkFailure("out of memory")
        head = f"%{flags}{width or ''}" + ("" if precision is None else f".{precision or 0}")
        value = next(rest, UNSET)
        if kind in "di":
            return (head + "d") % integer(number(value))
        if kind in "ouxX":
            whole = integer(number(value)) % (1 << 64)
            return (head + kind.replace("u", "d")) % whole
        if kind in "eEfFgG":
            return (head + kind) % number(value)
        if kind == "c":
            if isinstance(value, float):
                code = integer(value)
                value = chr(code) if 0 <= code < 0x110000 else ""
            return (f"%{flags.replace('0', '')}{width or ''}s") % value[:1]
        if kind == "s":
            return (head.replace(flags, flags.replace("0", ""), 1) + "s") % text(value)
        raise AwkFailure(f"%{kind} is not a conversion of printf")

    return _DIRECTIVE.sub(one, form)
