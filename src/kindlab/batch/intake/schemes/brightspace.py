"""Brightspace's (D2L) download: a folder an attempt, `12345-67890 - Jane Doe - Nov 22, 2026 101 PM`, and an index.html;
the time has lost its colon.

Unverified: what the two numbers are (taken for the user's and the folder's: the first is one student's throughout),
how months are written in other languages (then the time is not read, and the name of the folder decides), and files
that stand at the top with such a name before them.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from kindlab.batch.intake.schemes import Listed, Named

_NAME = re.compile(
    r"(?P<user>\d+)-(?P<number>\d+) - (?P<student>.+?) - "
    r"(?P<when>[^-]*?\d{4}[ ,]+\d[\d:.\u202f ]*(?:[AaPp]\.?[Mm]\.?)?)(?: - (?P<file>.+))?",
    re.DOTALL,
)
_ZONE = "Brightspace's folder names have no time zone: the time is taken to be this machine's"
_LISTS = {"index.html"}


def read(folder: Path, listed: Listed) -> dict[str, list[Named]]:
    found = {name: [_of(name, match)] for name in listed if (match := _NAME.fullmatch(name))}
    if found:
        found.update({name: [Named("", "", graded=False)] for name in listed if name in _LISTS})
    return found


def _of(name: str, match: re.Match[str]) -> Named:
    when = _time(match["when"])
    attempt = (when.timestamp(), name) if when else (0.0, name)
    submitted, notes = (when.isoformat(), (_ZONE,)) if when else ("", ())
    return Named(match["user"], match["student"], (match["user"],), match["file"] or "", attempt, submitted, notes)


def _time(text: str) -> datetime | None:
    match = re.fullmatch(
        r"(\w+)\.? (\d{1,2}), (\d{4}),? (\d{1,2})[:.]?(\d{2})\s*([AaPp])?.*", text.replace("\u202f", " ")
    )
    if not match:
        return None
    month, day, year, hour, minute, half = match.groups()
    try:
        moment = datetime.strptime(f"{month[:3]} {day} {year}", "%b %d %Y")
        hours = int(hour) % 12 + (12 if half in ("P", "p") else 0) if half else int(hour)
        return moment.replace(hour=hours, minute=int(minute)).astimezone()
    except (ValueError, OverflowError, OSError):
        return None
