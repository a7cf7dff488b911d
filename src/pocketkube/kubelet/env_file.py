"""A file of variables, as containers write them for others of their pod to read (fileKeyRef).

Models pkg/kubelet/util/env: NAME='value' with single quotes only, over several lines where the quotes hold them, with
comments. What comes after the variable asked for is not looked at. Left out: the 64 KiB that a line may have there.
"""

from __future__ import annotations

import re
from typing import Final

_ENTRY: Final = re.compile(
    r"""[ \t]*+ (?:
        (?P<name> [^=\n#\ \t] (?:[^=\n]*[^=\n\ \t])? ) = (?: [ \t][^\n]* | '(?P<value>[^']*)' [ \t]* (?:\#[^\n]*)? )
        | (?:\#[^\n]*)?
    ) (?:\n|\Z)""",
    re.VERBOSE,
)
"""One variable, or a line without one. With a blank after the `=` a variable is empty, whatever comes then."""


def value_of(text: str, name: str) -> str:
    """The value of a variable, "" when it is not there or empty. Raises ValueError when the file has no such form."""
    text = text.replace("\r\n", "\n")
    at = 0
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None:
            raise ValueError(f"line {text.count(chr(10), 0, at) + 1} is no NAME='value'")
        if entry["name"] == name:
            return entry["value"] or ""
        at = entry.end()
    return ""
