"""Canvas's "Download submissions": flat files `doejane_LATE_12345_67890_web.yaml`, where 12345 is the user's number in
Canvas and 67890 the submission's. A file of the same name that is uploaded again is taken to be called `web-1.yaml`.

The form and LATE are from public scripts that read such downloads. Unverified, for we have no source: the -1; and names
under anonymous grading, which have one number only and are not read. Nothing says when it was handed in.
"""

from __future__ import annotations

import re
from pathlib import Path

from kindlab.batch.intake.schemes import Listed, Named

_NAME = re.compile(r"(?P<who>.+?)(?P<late>_LATE)?_(?P<user>\d{2,})_(?P<submission>\d{2,})_(?P<file>.+)", re.DOTALL)
_LATE = "Canvas calls this one late"


def read(folder: Path, listed: Listed) -> dict[str, list[Named]]:
    matches = ((name, _NAME.fullmatch(name)) for name, is_folder in listed.items() if not is_folder)
    return {name: [_of(match)] for name, match in matches if match}


def _of(match: re.Match[str]) -> Named:
    late = (_LATE,) if match["late"] else ()
    attempt = (int(match["submission"][:18]),)
    return Named(match["user"], match["who"], (match["user"],), match["file"], attempt, notes=late)
