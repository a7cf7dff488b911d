"""Times and durations as Kubernetes writes them.

Models apimachinery's duration.HumanDuration (the AGE column), metav1.Time (RFC 3339, whole seconds) and
metav1.MicroTime (six decimals). Times are timezone-aware datetimes or seconds since the epoch, always UTC when written.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 24

_RFC3339 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})T(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]+))?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
_GO_UNITS: Final = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_GO_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|s|us|µs|μs|ns)")


def human(seconds: float) -> str:
    """kubectl's AGE: two or three significant figures, `<invalid>` when the clocks differ by two seconds or more."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    minutes, hours = whole // _MINUTE, whole // _HOUR
    if minutes < 10:
        return _pair(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // _DAY
    if days < 8:
        return _pair(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def format_time(moment: datetime | float) -> str:
    """metav1.Time: `2026-11-21T02:30:00Z`; fractions of a second are cut off."""
    return _utc(moment).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def format_micro_time(moment: datetime | float) -> str:
    """metav1.MicroTime: `2026-11-21T02:30:00.123456Z`."""
    return _utc(moment).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """An RFC 3339 time (any fraction, any offset) in UTC. Raises ValueError."""
    match = _RFC3339.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    fraction = (match["fraction"] or "0")[:6].ljust(6, "0")
    moment = datetime.strptime(f"{match['date']}T{match['time']}.{fraction}", "%Y-%m-%dT%H:%M:%S.%f")
    try:
        return moment.replace(tzinfo=_zone(match["zone"])).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one written time to another."""
    return (parse_time(later) - parse_time(earlier)).total_seconds()


def _utc(moment: datetime | float) -> datetime:
    return moment.astimezone(UTC) if isinstance(moment, datetime) else datetime.fromtimestamp(moment, UTC)


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def format_go_duration(nanoseconds: int) -> str:
    """A Go duration as its String method prints it: `1h30m0s`, `1.5s`, `300ms`, `0s`."""
    size = abs(nanoseconds)
    sign = "-" if nanoseconds < 0 else ""
    if size < 1_000_000_000:
        for unit, scale in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if size >= scale:
                return f"{sign}{_decimal(size, scale)}{unit}"
        return "0s"
    minutes, rest = divmod(size, 60_000_000_000)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    if minutes >= 60:
        text = f"{minutes // 60}h{text}"
    return sign + text


def go_seconds(text: str) -> float:
    """Seconds of a written Go duration: `1h30m`, `500ms`, `1.5s`, `0`. Raises ValueError."""
    parts = _GO_PART.findall(text)
    if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text.lstrip("+-")):
        raise ValueError(f"{text!r} is not a duration")
    seconds = sum(float(number) * _GO_UNITS[unit] for number, unit in parts)
    return -seconds if text.startswith("-") else seconds


def _decimal(number: int, scale: int) -> str:
    """number / scale, exactly, without superfluous zeros."""
    whole, fraction = divmod(number, scale)
    if not fraction:
        return str(whole)
    digits = len(str(scale)) - 1
    return f"{whole}.{fraction:0{digits}d}".rstrip("0")
