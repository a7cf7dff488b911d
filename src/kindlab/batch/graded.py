"""One submission's grading, before weights, lateness and adjustments: what a run writes down and every report reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from kindlab.batch.submission import Refused
from kindlab.grading.outcome import Report

FORMAT = 1


@dataclass(frozen=True)
class Graded:
    """`report` is what `kindlab check` would have said; one with a `problem` could not be graded as a whole."""

    id: str
    student: str
    report: Report
    submitted: str = ""
    refused: tuple[Refused, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    """From the first look at it to its end, without the time it waited for its turn."""
    source: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    """Of what graded it: kindlab, kubernetes, cluster, and digests of the lab and the submission."""
    evidence: str = ""
    """The evidence bundle's file name, "" without one."""
    variant: dict[str, str] = field(default_factory=dict)
    """What this student was given of their own (names, ports, tokens)."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "format": FORMAT, "report": self.report.to_json(whole=True)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Graded:
        """What to_json made. Raises ValueError, KeyError, TypeError for anything else."""
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']} is not {FORMAT}")
        fields = {key: data[key] for key in cls.__dataclass_fields__}
        return cls(
            **{
                **fields,
                "report": Report.from_json(data["report"]),
                "refused": tuple(Refused(**one) for one in data["refused"]),
                "notes": tuple(data["notes"]),
            }
        )
