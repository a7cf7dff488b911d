"""When a CronJob is due: the five fields of its schedule, as Kubernetes reads them. Left out: names of months, and of
days but for ranges over the whole week."""

from __future__ import annotations

import re

NIGHT = frozenset({20, 21, 22, 23, *range(7)})
"""Hours that count as night: from eight in the evening until before seven."""
_DESCRIPTORS = {"@daily": "0 0 * * *", "@midnight": "0 0 * * *"}
_ZONE = re.compile(r"^(CRON_)?TZ=\S+\s+")
_PART = re.compile(r"(\*|\?|\d+|\d+-\d+|mon-sun|sun-sat)(?:/(\d+))?")


def is_nightly(schedule: str) -> bool:
    """Whether a schedule is due exactly once a day, every day, at night by the clock of its own zone."""
    fields = _DESCRIPTORS.get(schedule.strip(), _ZONE.sub("", schedule.strip())).split()
    if len(fields) != 5:
        return False
    minutes, hours = values(fields[0], 0, 59), values(fields[1], 0, 23)
    days, months, weekdays = values(fields[2], 1, 31), values(fields[3], 1, 12), values(fields[4], 0, 7)
    every = len(days) == 31 and len(months) == 12 and len({day % 7 for day in weekdays}) == 7
    return every and len(minutes) == len(hours) == 1 and hours <= NIGHT


def values(field: str, low: int, high: int) -> set[int]:
    """What a field of a schedule stands for, between `low` and `high`; nothing when it cannot be read."""
    found: set[int] = set()
    for part in field.lower().split(","):
        match = _PART.fullmatch(part)
        if match is None or match[2] == "0":
            return set()
        first, last = low, high
        if match[1][0].isdigit():
            begin, _, end = match[1].partition("-")
            first, last = int(begin), int(end or (high if match[2] else begin))
        if not low <= first <= last <= high:
            return set()
        found |= set(range(first, last + 1, int(match[2] or 1)))
    return found
