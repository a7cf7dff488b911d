"""What came of mutants, and what that says about the graders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from kindlab.mutate.mutants import Mutant

LEAST_CAUGHT = 0.95


class Verdict(Enum):
    """Of one mutant. `ACCEPTED`: the lab's mutants.toml says why grader and oracle need not agree on it."""

    REFUSED = "refused by the API"
    CAUGHT = "harmful, caught"
    MISSED = "harmful, missed"
    PASSED = "harmless, passed"
    WRONGLY_FAILED = "harmless, wrongly failed"
    NOT_GRADED = "not graded"
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Tried:
    """One mutant. `lost`: (what the lab asks for, as it should be, as it is); `failed`: (check, expected, seen) of the
    checks that failed; `problem`: why there is no verdict, or what the API said."""

    mutant: Mutant
    verdict: Verdict
    lost: tuple[tuple[str, str, str], ...] = ()
    failed: tuple[tuple[str, str, str], ...] = ()
    problem: str = ""
    why: str = ""
    """Why it was accepted."""

    def to_json(self) -> dict[str, Any]:
        about = {key: value for key, value in asdict(self.mutant).items() if key != "text"}
        rest = {"lost": self.lost, "failed": self.failed, "problem": self.problem, "why": self.why}
        return {**about, "verdict": self.verdict.value, **rest}


def judged(
    mutant: Mutant,
    lost: Iterable[tuple[str, str, str]],
    failed: Iterable[tuple[str, str, str]],
    ungraded: str = "",
    accepted: str = "",
) -> Tried:
    """`ungraded`: what could not be graded; `accepted`: the reason in mutants.toml, which counts only where grader and
    oracle do not agree."""
    lost, failed = tuple(lost), tuple(failed)
    if lost:
        verdict = Verdict.CAUGHT if failed else Verdict.MISSED
    else:
        verdict = Verdict.WRONGLY_FAILED if failed else Verdict.PASSED
    if ungraded and not failed:
        verdict = Verdict.NOT_GRADED
    if accepted and verdict in (Verdict.MISSED, Verdict.WRONGLY_FAILED):
        return Tried(mutant, Verdict.ACCEPTED, lost, failed, ungraded, accepted)
    return Tried(mutant, verdict, lost, failed, ungraded)


@dataclass
class Outcome:
    """Of a lab. `stale`: entries of its mutants.toml that no mutant needs."""

    lab: str
    tried: list[Tried] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    def count(self, *verdicts: Verdict) -> int:
        return sum(one.verdict in verdicts for one in self.tried)

    @property
    def share(self) -> float:
        """Of the harmful mutants that do not stand in mutants.toml those that were caught, 1.0 without any."""
        harmful = self.count(Verdict.CAUGHT, Verdict.MISSED)
        return self.count(Verdict.CAUGHT) / harmful if harmful else 1.0

    @property
    def ok(self) -> bool:
        wrong = self.count(Verdict.WRONGLY_FAILED, Verdict.NOT_GRADED)
        return self.share >= LEAST_CAUGHT and not wrong and not self.stale

    def to_json(self) -> dict[str, Any]:
        counts = {verdict.name.lower(): self.count(verdict) for verdict in Verdict}
        return {
            "lab": self.lab,
            "ok": self.ok,
            "mutants": len(self.tried),
            **counts,
            "share_caught": round(self.share, 4),
            "stale": self.stale,
            "tried": [one.to_json() for one in self.tried],
        }


def lines(outcome: Outcome) -> list[str]:
    """What a person reads: the figures, and each mutant on which grader and oracle do not agree, in words."""
    shown = []
    for one in outcome.tried:
        if one.verdict in (Verdict.MISSED, Verdict.WRONGLY_FAILED, Verdict.NOT_GRADED, Verdict.ACCEPTED):
            shown += [f"{one.verdict.value}: {one.mutant}", f"    {one.mutant.id}"]
            shown += [f"    {what}: should be {wanted}; is {seen}" for what, wanted, seen in one.lost[:4]]
            shown += [f"    {name} fails: expected {wanted}; seen {seen}" for name, wanted, seen in one.failed[:4]]
            shown += [f"    {text}" for text in (one.problem, one.why) if text]
    shown += [f"mutants.toml: {entry}" for entry in outcome.stale]
    counted = ", ".join(f"{outcome.count(verdict)} {verdict.value}" for verdict in Verdict if outcome.count(verdict))
    return [*shown, f"{outcome.lab}: {len(outcome.tried)} mutants: {counted or 'none'}; {outcome.share:.1%} caught"]
