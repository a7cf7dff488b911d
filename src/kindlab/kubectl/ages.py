"""When and how long ago something was, in kubectl's words."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

from kindlab import clock

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


def moment(stamp: str | None) -> str:
    """As kubectl describes a moment, in the local time zone: `Sat, 21 Nov 2026 13:10:07 +0000`."""
    if not stamp:
        return format_datetime(_NEVER)
    return format_datetime(datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone())


def since(stamp: str) -> str:
    """How long ago a time stamp of the API was; `<unknown>` for none."""
    if not stamp:
        return "<unknown>"
    then = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    return duration(max(0, int((clock.now() - then).total_seconds())))


def between(start: str, end: str) -> str:
    """How long it was from one time stamp to another."""
    first, last = (datetime.fromisoformat(stamp.replace("Z", "+00:00")) for stamp in (start, end))
    return duration(max(0, int((last - first).total_seconds())))


def duration(seconds: int) -> str:
    """As kubectl says an age: 5s, 90s, 3m10s, 12m, 5h3m, 26h, 3d4h, 40d, 2y10d."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 8 * 365 else f"{days // 365}y"


def _two(big: int, unit: str, small: int, small_unit: str) -> str:
    return f"{big}{unit}{small}{small_unit}" if small else f"{big}{unit}"
