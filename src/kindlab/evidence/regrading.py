"""A bundle's verdicts once more, without a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kindlab.batch.graded import Graded
from kindlab.grading.outcome import Report
from kindlab.labs import Lab


@dataclass(frozen=True)
class Repeated:
    """`then` is the grading as it was recorded, `report` what today's grader says of the same evidence. `cannot`: check
    -> why its verdict cannot be repeated. `differs`: the checks whose verdict is another one now, and tasks whose
    points are, each in a sentence."""

    then: Graded
    report: Report
    cannot: dict[str, str] = field(default_factory=dict)
    differs: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    """What an instructor should know: that the grader or the lab has changed since, who signed it."""


def regrade(path: Path, *, key: bytes | None = None, lab: Lab | None = None) -> Repeated:
    """Repeat the verdicts of a bundle with the installed course's grader (or `lab`'s). Raises Problem for a file that
    is no bundle, was changed since it was written, or bears no signature of `key`."""
    raise NotImplementedError
