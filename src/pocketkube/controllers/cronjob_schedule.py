"""When a CronJob is due, was due, and will be.

Models utils.go of pkg/controller/cronjob: what was missed is made up for once, with the most recent time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pocketkube import cron, objects
from pocketkube.duration import parse_time
from pocketkube.objects import Obj

MANY = 100
"""Missed times that are too many not to mention."""
_PADDING = timedelta(milliseconds=100)


@dataclass(frozen=True)
class Due:
    since: datetime
    """Since when it may be due: it was scheduled or made then, or its starting deadline has passed."""
    time: datetime | None
    """The most recent time."""
    missed: int
    """About how many times there were, when there was more than one."""


def schedule(cronjob: Obj) -> cron.Schedule:
    """Raises ValueError with upstream's text."""
    spec = cronjob["spec"]
    zone = "" if "TZ" in spec["schedule"] else spec.get("timeZone", "")
    try:
        found = cron.zone(zone)
    except ValueError:
        found = UTC  # the schedule is right, its zone is told about elsewhere
    return cron.parse(spec["schedule"], found)


def due(cronjob: Obj, found: cron.Schedule, now: datetime, *, deadline: bool) -> Due:
    """Raises ValueError for a schedule that never comes. `deadline`: whether the starting deadline counts."""
    last = objects.status(cronjob).get("lastScheduleTime")
    since = parse_time(last or cronjob["metadata"]["creationTimestamp"])
    limit = cronjob["spec"].get("startingDeadlineSeconds")
    if deadline and limit is not None and limit < (now - since).total_seconds():
        since = now - timedelta(seconds=limit)
    first = found.next(since)
    second = found.next(first) if first is not None else None
    if first is None or second is None:
        raise ValueError("time difference between two schedules is less than 1 second")
    if now < first:
        return Due(since, None, 0)
    if now < second:
        return Due(since, first, 0)
    between = second - first
    missed = (now - first) // between + 1
    recent: datetime | None = None
    # not from the first on, which may be years ago; a step less than would do, for schedules that are not regular
    time = found.next(first + (missed - 2) * between)
    while time is not None and time <= now:
        recent, time = time, found.next(time)
    return Due(since, recent, missed)


def until_next(cronjob: Obj, found: cron.Schedule, now: datetime) -> float | None:
    """Seconds until it is due next; None when it never is."""
    try:
        was = due(cronjob, found, now, deadline=False)
    except ValueError:
        base = now
    else:
        base = was.time or (now if was.missed else was.since)
    time = found.next(base)
    return None if time is None else (time + _PADDING - now).total_seconds()


def minutes(time: datetime) -> int:
    """Minutes since the epoch, as they end the names of Jobs."""
    return int(time.timestamp()) // 60
