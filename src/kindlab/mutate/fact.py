"""One thing that was found out, in words that stay the same as long as the behaviour does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """`strong`: losing it breaks what worked, also where the lab changes nothing about it. A fact that is not (a
    number of Pods, a size) counts only where a right answer must change it."""

    key: str
    value: str
    strong: bool = True
