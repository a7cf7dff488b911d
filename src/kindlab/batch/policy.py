"""How points become a grade: weights, lateness, the pass mark and what a student may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
"""Who may see a task or a check and when, in Gradescope's words."""

ROUNDINGS = ("half-up", "up", "down")


@dataclass(frozen=True)
class Late:
    """What handing in late costs. `due` has a time zone; after `grace_minutes` the days count from `due`, by the clock
    on the wall of its zone."""

    due: datetime
    grace_minutes: float = 0.0
    penalty_per_day: float = 0.0
    """Percent of the points, for each day begun."""
    cap: float = 100.0
    """The largest penalty, in percent of the points."""
    closes_after_days: int | None = None
    """What comes later than that gets no points, whatever the cap; None: it never closes."""


@dataclass(frozen=True)
class TaskPolicy:
    """One task's. Its points count `weight` times; `extra_credit`: they come on top of what makes 100 percent."""

    weight: float = 1.0
    visibility: str = "visible"
    extra_credit: bool = False


@dataclass(frozen=True)
class Policy:
    """All of it; without a file nothing is changed: points are the lab's, nobody is late and nobody fails."""

    pass_mark: float | None = None
    """Percent."""
    late: Late | None = None
    tasks: Mapping[str, TaskPolicy] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    """Check -> its visibility, where that is not its task's."""
    scale: float | None = None
    """What the whole is worth (grades out of 20: 20); None: as many points as the lab's tasks have."""
    decimals: int = 2
    rounding: str = "half-up"
