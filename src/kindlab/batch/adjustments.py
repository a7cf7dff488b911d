"""What an instructor gives or takes by hand, kept apart from what was graded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Adjustment:
    """Points, or percent of the points that can be had, to add; less than 0 to take away."""

    points: float = 0.0
    percent: float = 0.0
    reason: str = ""
