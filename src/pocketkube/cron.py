"""Cron schedules: when a CronJob is due.

Models github.com/robfig/cron v3 as CronJobs use it (ParseStandard): five fields, the macros, `@every`, `TZ=` before
them, month and day names. Own code, not a library (croniter, cronsim): what is wrong with a schedule is told in the
words of the API server, 7 is no Sunday, `*/2` is a star no longer when days are combined, and a moment that the clocks
show twice is due twice. A schedule is every minute whose local time fits it; times the clocks skip never come.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from pocketkube import duration

YEARS: Final = 5
"""How far ahead a schedule is looked for: the 31st of February never comes."""
_LONGEST: Final = 2**63 / 1e9
"""Seconds that a Go duration cannot hold."""
_UNITS: Final = ("ns", "us", "µs", "μs", "ms", "s", "m", "h")
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS: Final = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_DAYS: Final = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_BOUNDS: Final[tuple[tuple[int, int, Mapping[str, int]], ...]] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_ZONE_PART: Final = re.compile(r"[A-Za-z._0-9+-]+")


class Schedule(Protocol):
    def next(self, after: datetime) -> datetime | None:
        """The first time later than `after` (aware), in UTC; None when there is none in five years."""
        ...


@dataclass(frozen=True)
class Every:
    """`@every 90s`: whole seconds, one at least."""

    seconds: int

    def next(self, after: datetime) -> datetime | None:
        try:
            return after.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=self.seconds)
        except OverflowError:
            return None


@dataclass(frozen=True)
class Fields:
    """The values allowed of each field, and whether the days are restricted."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    """One of the two day fields is a star: both must fit. Else one is enough."""
    zone: tzinfo

    def next(self, after: datetime) -> datetime | None:
        try:
            return self._search(after)
        except OverflowError:  # there is no year 10000
            return None

    def _search(self, after: datetime) -> datetime | None:
        moment = after.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE
        last = after.astimezone(self.zone).year + YEARS
        while True:
            local = moment.astimezone(self.zone)
            if local.year > last:
                return None
            if local.month not in self.months or not self._is_day(local):
                midnight = datetime(local.year, local.month, local.day, tzinfo=self.zone) + timedelta(days=1)
                moment = max(midnight.astimezone(UTC), moment + _MINUTE)
            elif local.hour not in self.hours:
                moment += _HOUR - timedelta(minutes=local.minute)
            elif local.minute not in self.minutes:
                moment += _MINUTE
            else:
                return moment

    def _is_day(self, local: datetime) -> bool:
        fits = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return all(fits) if self.any_day else any(fits)


def zone(name: str) -> tzinfo:
    """The time zone of that name as Go's time.LoadLocation finds it; "" is UTC. Raises ValueError with Go's text."""
    if name in ("", "UTC"):
        return UTC
    if not all(_ZONE_PART.fullmatch(part) and part not in (".", "..") for part in name.split("/")):
        raise ValueError(f"unknown time zone {name}")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone, no such path, a folder
        raise ValueError(f"unknown time zone {name}") from None


def parse(text: str, default: tzinfo = UTC) -> Schedule:
    """A schedule. Raises ValueError with upstream's text."""
    if not text:
        raise ValueError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        named, space, text = text.partition(" ")
        name = named.partition("=")[2]
        if not space:  # upstream stumbles here, and this is what it says
            start = named.index("=") + 1
            raise ValueError(f"invalid schedule format: runtime error: slice bounds out of range [{start}:-1]")
        try:
            default = zone(name)
        except ValueError as error:
            raise ValueError(f"provided bad location {name}: {error}") from None
        text = text.strip()
    if text.startswith("@every "):
        return _every(text)
    if text.startswith("@") and text not in _MACROS:
        raise ValueError(f"unrecognized descriptor: {text}")
    words = _MACROS.get(text, text).split()
    if len(words) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(words)}: [{' '.join(words)}]")
    minutes, hours, days, months, weekdays = (_field(w, *b) for w, b in zip(words, _BOUNDS, strict=True))
    return Fields(minutes[0], hours[0], days[0], months[0], weekdays[0], days[1] or weekdays[1], default)


def _every(text: str) -> Every:
    given = text.removeprefix("@every ")
    try:
        seconds = duration.go_seconds(given)
        if abs(seconds) >= _LONGEST:
            raise ValueError
    except ValueError:
        raise ValueError(f"failed to parse duration {text}: time: {_why_no_duration(given)}") from None
    return Every(max(1, int(seconds)))


def _why_no_duration(text: str) -> str:
    """As Go's time.ParseDuration tells it, which stops at the first part that is wrong."""
    rest = text.lstrip("+-")
    while found := re.match(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)", rest):
        unit, rest = found[2], rest[found.end() :]
        if not unit:
            return f'missing unit in duration "{text}"'
        if unit not in _UNITS:
            return f'unknown unit "{unit}" in duration "{text}"'
    return f'invalid duration "{text}"'


def _field(text: str, low: int, high: int, names: Mapping[str, int]) -> tuple[frozenset[int], bool]:
    """(values, whether the field is a star) of a comma-separated list."""
    values: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        found, is_star = _range(part, low, high, names)
        values.update(found)
        star = star or is_star
    return frozenset(values), star


def _range(text: str, low: int, high: int, names: Mapping[str, int]) -> tuple[range, bool]:
    ends, *steps = text.split("/")
    first, *rest = ends.split("-")
    star = first in ("*", "?")
    if star:
        start, end = low, high
    else:
        start = end = _number(first, names)
        if len(rest) == 1:
            end = _number(rest[0], names)
        elif rest:
            raise ValueError(f"too many hyphens: {text}")
    step = 1
    if len(steps) == 1:
        step = _number(steps[0], {})
        if not rest:
            end = high
        star = star and step <= 1
    elif steps:
        raise ValueError(f"too many slashes: {text}")
    if start < low:
        raise ValueError(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise ValueError(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step), star


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    digits = re.fullmatch(r"[+-]?0*([0-9]+)", text)
    if digits is None or len(digits[1]) > 18:
        why = "invalid syntax" if digits is None else "value out of range"
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": {why}')
    number = int(text[0].strip("0123456789") + digits[1])
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
