"""Blackboard's "Assignment File Download": flat files `Lab 02_jdoe_attempt_2024-05-01-12-30-00_web.yaml`, and a receipt
`Lab 02_jdoe_attempt_2024-05-01-12-30-00.txt` of each attempt.

From public scripts that read such downloads. Where the assignment's name ends and the user's begins is not to be seen
when either has an underscore: both together are the student's key, the last part is who is shown, and a receipt that
says `Name: Jane Doe (jdoe)` says it exactly. The time is the server's; of which zone nothing says.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from kindlab.batch.intake import folders
from kindlab.batch.intake.schemes import Listed, Named

_NAME = re.compile(r"(?P<who>.+?)_attempt_(?P<when>\d{4}(?:-\d{2}){5})(?:_(?P<file>.+)|(?P<receipt>\.txt))", re.DOTALL)
_RECEIPT = re.compile(rb"^Name:\s*(?P<name>[^\r\n(]{1,200}?)\s*\((?P<user>[^()\r\n]{1,100})\)", re.MULTILINE)
_ZONE = "Blackboard's file names have no time zone: the time is taken to be this machine's"


def read(folder: Path, listed: Listed) -> dict[str, list[Named]]:
    matches = {name: match for name, is_folder in listed.items() if not is_folder and (match := _NAME.fullmatch(name))}
    told = {match["who"]: _told(folder / name) for name, match in matches.items() if match["receipt"]}
    return {name: [_of(match, told.get(match["who"]))] for name, match in matches.items()}


def _of(match: re.Match[str], told: tuple[str, str] | None) -> Named:
    name, user = told or (match["who"].rpartition("_")[2],) * 2
    when, notes = "", tuple[str, ...]()
    try:
        when = datetime.strptime(match["when"], "%Y-%m-%d-%H-%M-%S").astimezone().isoformat()
        notes = (_ZONE,)
    except (ValueError, OverflowError, OSError):
        pass
    file = match["file"] or ""
    return Named(match["who"], name, (user,), file, (match["when"],), when, notes, graded=not match["receipt"])


def _told(receipt: Path) -> tuple[str, str] | None:
    try:
        with folders.regular(receipt) as stream:
            found = _RECEIPT.search(stream.read(4096))
    except (OSError, folders.NotRegular):
        return None
    return (found["name"].decode("utf-8", "replace"), found["user"].decode("utf-8", "replace")) if found else None
