"""The functions awk has built in, as far as they need no more than values: text, numbers, bits and time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from pocketkube.images.coreutils.awk_values import AwkFailure, Value, integer, number, printf, text
from pocketkube.regex import Match, Pattern

_MASK = (1 << 53) - 1


def replacement(template: str, found: Match, *, groups: bool = False) -> str:
    """`&` is what was found, `\\&` an ampersand; with `groups`, `\\1` is a group (gensub)."""
    out = []
    at = 0
    while at < len(template):
        character = template[at]
        at += 1
        if character == "&":
            out.append(found.group())
        elif (
            character == "\\" and at < len(template) and (template[at] in "&\\" or (groups and template[at].isdigit()))
        ):
            following = template[at]
            at += 1
            if following.isdigit():
                out.append(found.group(int(following)) if int(following) < len(found.spans) else "")
            else:
                out.append(following)
        else:
            out.append(character)
    return "".join(out)


def substitute(pattern: Pattern, template: str, subject: str, *, which: int, groups: bool = False) -> tuple[str, int]:
    """The new text, and how often it was replaced. `which`: that match only, 0 for all."""
    out: list[str] = []
    size = last = count = seen = 0
    end = -1
    for found in pattern.finditer(subject):
        if found.start() == found.end() == end:
            continue  # nothing right behind a match is no match
        end = found.end()
        seen += 1
        if which and seen != which:
            continue
        made = subject[last : found.start()] + replacement(template, found, groups=groups)
        size += len(made)
        if size > 8 << 20:
            raise AwkFailure("out of memory")
        out.append(made)
        last = found.end()
        count += 1
        if which:
            break
    return "".join(out) + subject[last:], count


def _substr(string: str, start: float, length: float = math.inf) -> str:
    if math.isnan(start) or math.isnan(length):
        return ""
    first = round(start) if not math.isinf(start) else start
    last = first + (round(length) if not math.isinf(length) else length)
    begin = int(max(first, 1)) - 1 if not math.isinf(first) else len(string)
    return string[begin : max(int(last) - 1, 0) if not math.isinf(last) else None]


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _bits(operation: Callable[[int, int], int]) -> Callable[..., Value]:
    def function(*values: Value) -> Value:
        if len(values) < 2:
            raise AwkFailure("cmd. line:1: Too few arguments")
        result = integer(number(values[0])) & _MASK
        for value in values[1:]:
            result = operation(result, integer(number(value)) & _MASK)
        return float(result & _MASK)

    return function


def _strftime(now: float, form: str = "%c", stamp: Value | None = None, *rest: Value) -> str:
    moment = time.gmtime(number(stamp) if stamp is not None else now)
    return time.strftime(form.encode("ascii", "ignore").decode(), moment)


def _mktime(form: str) -> float:
    import calendar

    parts = form.split()
    try:
        return float(calendar.timegm(tuple(map(int, parts[:6])))) if len(parts) >= 6 else -1.0
    except (ValueError, OverflowError):
        return -1.0


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "substr": lambda string, start, *length: _substr(text(string), number(start), *map(number, length)),
    "index": lambda string, part: float(text(string).find(text(part)) + 1),
    "sprintf": lambda form, *values: printf(text(form), list(values)),
    "sin": lambda value: math.sin(number(value)),
    "cos": lambda value: math.cos(number(value)),
    "atan2": lambda y, x: math.atan2(number(y), number(x)),
    "exp": lambda value: _exp(number(value)),
    "log": lambda value: _log(number(value)),
    "sqrt": lambda value: math.sqrt(number(value)) if number(value) >= 0 else math.nan,
    "int": lambda value: float(math.trunc(number(value))) if math.isfinite(number(value)) else number(value),
    "tolower": lambda string: text(string).lower(),
    "toupper": lambda string: text(string).upper(),
    "and": _bits(lambda a, b: a & b),
    "or": _bits(lambda a, b: a | b),
    "xor": _bits(lambda a, b: a ^ b),
    "lshift": lambda value, count: float((integer(number(value)) << (integer(number(count)) & 63)) & _MASK),
    "rshift": lambda value, count: float((integer(number(value)) & _MASK) >> (integer(number(count)) & 63)),
    "compl": lambda value: float(~integer(number(value)) & _MASK),
    "mktime": lambda form: _mktime(text(form)),
}
"""Those that need nothing of the running program."""


def strftime(now: float, values: list[Value]) -> str:
    return _strftime(now, *[text(value) if not at else value for at, value in enumerate(values)])  # type: ignore[arg-type]
