"""RFC 3339 times as Go's time.Parse reads them, with its error texts.

Models time.Parse for the two layouts of the API (metav1.Time, metav1.MicroTime): each element of the layout takes
its part of the text, and the first that cannot says so. Left out: leap seconds (Go refuses them too).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

# Layout element, what may stand there, and (for numbers) the range Go checks while parsing.
_ELEMENTS: Final = (
    ("2006", re.compile(r"[0-9]{4}"), None),
    ("-", re.compile("-"), None),
    ("01", re.compile(r"[0-9]{2}"), ("month", 1, 12)),
    ("-", re.compile("-"), None),
    ("02", re.compile(r"[0-9]{2}"), None),
    ("T", re.compile("T"), None),
    ("15", re.compile(r"[0-9]{2}|[0-9]"), ("hour", 0, 23)),
    (":", re.compile(":"), None),
    ("04", re.compile(r"[0-9]{2}"), ("minute", 0, 59)),
    (":", re.compile(":"), None),
    ("05", re.compile(r"[0-9]{2}"), ("second", 0, 59)),
)
_OFFSET = re.compile(r"Z|[+-][0-9]{2}:[0-9]{2}")
_FRACTION = re.compile(r"[.,]([0-9]+)")
RFC3339: Final = "2006-01-02T15:04:05Z07:00"
RFC3339_MICRO: Final = "2006-01-02T15:04:05.000000Z07:00"


class TimeError(ValueError):
    """No such time; the message is Go's."""


def parse_rfc3339(text: str, layout: str = RFC3339) -> datetime:
    """The moment in UTC, to the microsecond. Raises TimeError."""
    position = 0
    numbers: list[int] = []
    for element, pattern, bounds in _ELEMENTS:
        match = pattern.match(text, position)
        if match is None:
            raise _cannot(text, layout, text[position:], element)
        position = match.end()
        if match[0].isdigit():
            numbers.append(int(match[0]))
        if bounds and not bounds[1] <= int(match[0]) <= bounds[2]:
            raise TimeError(f'parsing time "{text}": {bounds[0]} out of range')
    fraction = _FRACTION.match(text, position)
    if layout == RFC3339_MICRO and (fraction is None or len(fraction[1]) != 6):
        raise _cannot(text, layout, text[position:], ".000000")
    if fraction:
        position = fraction.end()
    offset = _OFFSET.match(text, position)
    if offset is None:
        raise _cannot(text, layout, text[position:], "Z07:00")
    if extra := text[offset.end() :]:
        raise TimeError(f'parsing time "{text}": extra text: "{extra}"')
    microseconds = int(fraction[1][:6].ljust(6, "0")) if fraction else 0
    try:
        year, month, day, hour, minute, second = numbers
        return datetime(year, month, day, hour, minute, second, microseconds, UTC) - _shift(offset[0])
    except (ValueError, OverflowError):
        raise TimeError(f'parsing time "{text}": day out of range') from None


def _shift(offset: str) -> timedelta:
    if offset == "Z":
        return timedelta()
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    return timedelta(minutes=-minutes if offset[0] == "-" else minutes)


def _cannot(text: str, layout: str, rest: str, element: str) -> TimeError:
    return TimeError(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{element}"')
