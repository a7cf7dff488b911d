"""Indexes of an Indexed Job as its status has them: "0,3-5"."""

from __future__ import annotations

ENDED = ("Complete", "Failed")
"""Conditions of a Job that does nothing more."""


def read(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found
