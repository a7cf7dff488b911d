"""Moodle's "Download all submissions": `Jane Doe_123456_assignsubmission_file_` as a folder a student, or, without
folders, as the beginning of each file's name. The number is the participant's in this one assignment.

From public scripts that read such downloads; with and without the underscore at the end (it went in Moodle 4). That
`onlinetext` stands in the place of `file` for text that was typed in is from such scripts too. Unverified: names of
groups. Nothing in a download says when something was handed in; the grading worksheet does.
"""

from __future__ import annotations

import re
from pathlib import Path

from kindlab.batch.intake.schemes import Listed, Named

_NAME = re.compile(
    r"(?P<student>.+?)_(?P<number>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*)|\..*)?", re.DOTALL
)
_TYPED = "text was typed into Moodle, which is not graded"


def read(folder: Path, listed: Listed) -> dict[str, list[Named]]:
    return {name: [_of(match)] for name in listed if (match := _NAME.fullmatch(name))}


def _of(match: re.Match[str]) -> Named:
    is_file = match["kind"] == "file"
    key = match["number"]
    return Named(key, match["student"], (key,), match["file"] or "", notes=() if is_file else (_TYPED,), graded=is_file)
