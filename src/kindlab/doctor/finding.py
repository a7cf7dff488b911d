"""What a check finds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kindlab.doctor.facts import Facts


class Level(enum.Enum):
    """OK: nothing to do. NOTE: it works, but something may not. PROBLEM: the clusters it is about do not work here."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """`says` is one short line without a full stop, `breaks` which labs or commands suffer, `fix` what to type or do.

    `clusters` it is about (empty: all of its check's), `check` its name, filled in.
    """

    level: Level
    says: str
    breaks: str = ""
    fix: str = ""
    clusters: tuple[str, ...] = ()
    check: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "level": self.level.value,
            "says": self.says,
            "breaks": self.breaks,
            "fix": self.fix,
            "clusters": list(self.clusters),
        }


@dataclass(frozen=True)
class Check:
    """`place` in the list (small first); `clusters` whose learners want to know."""

    name: str
    place: int
    clusters: tuple[str, ...]
    look: Callable[[Facts], Iterable[Finding]]


def ok(says: str) -> Finding:
    return Finding(Level.OK, says)


def note(says: str, breaks: str = "", fix: str = "", *, only: tuple[str, ...] = ()) -> Finding:
    return Finding(Level.NOTE, says, breaks, fix, only)


def problem(says: str, breaks: str = "", fix: str = "", *, only: tuple[str, ...] = ()) -> Finding:
    return Finding(Level.PROBLEM, says, breaks, fix, only)
