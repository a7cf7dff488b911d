"""`kindlab flake`: the same state graded again and again must get the same verdicts.

A state is brought about on a cluster of its own and graded ROUND times as the gradings leave it, so that a check which
changes what it grades is found out too; then anew on a fresh cluster, until it was graded often enough. Each round is
written down when it is done: a run that was stopped goes on.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kindlab import digests, farm, labs
from kindlab.api import Api
from kindlab.farm import Limits
from kindlab.grading import runner
from kindlab.grading.outcome import Report
from kindlab.journal import Journal
from kindlab.states import State, bring_about

ROUND = 10
"""Gradings of a state that was brought about once."""
LONGEST = 1800.0
"""Seconds that a round may take."""
NOTHING = "(the whole grading)"

Verdicts = dict[str, tuple[str, str]]
"""Check -> (outcome, what was seen) of one grading."""


@dataclass(frozen=True)
class Piece:
    """One round: `times` gradings of a state, on a cluster of their own. `key` names it as long as the lab is as it
    is."""

    state: State
    number: int
    times: int
    key: str


@dataclass(frozen=True)
class Flip:
    """A check that was not always of one mind about one state. `counts`: outcome -> how often; `reasons`: outcome ->
    what was seen once. `by_chance`: expect.toml says that chance decides it."""

    lab: str
    state: str
    check: str
    counts: dict[str, int]
    reasons: dict[str, str]
    by_chance: bool = False

    def __str__(self) -> str:
        parts = [f"{n} times {outcome} ({self.reasons[outcome] or 'no reason'})" for outcome, n in self.counts.items()]
        more = "; chance decides it, as expect.toml says" if self.by_chance else ""
        return f"{self.lab} {self.state} {self.check}: {', '.join(parts)}{more}"


@dataclass
class Flakes:
    """What was found: gradings done, flips, and rounds that came to nothing, with why."""

    states: int = 0
    gradings: int = 0
    flips: list[Flip] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems and all(flip.by_chance for flip in self.flips)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def run(
    states: Sequence[State],
    times: int,
    *,
    jobs: int,
    file: Path,
    resume: bool = False,
    say: Callable[[str], Any] = lambda text: None,
) -> Flakes:
    """Grade each state so many times; what is done is kept in `file`. Raises Problem."""
    journal = Journal(file, anew=not resume)
    done = _known(journal)
    wanted = [piece for state in states for piece in pieces(state, times)]
    problems = {}
    left = [piece for piece in wanted if piece.key not in done]
    if len(left) < len(wanted):
        say(f"{len(wanted) - len(left)} of {len(wanted)} rounds were done before")
    limits = Limits(wall=LONGEST, cpu=int(LONGEST))
    with contextlib.closing(farm.run(graded, left, jobs=jobs, limits=limits)) as rounds:
        for finished in rounds:
            piece = finished.item
            where = f"{piece.state.lab} {piece.state.name}, round {piece.number}"
            if finished.result is None:
                problems[piece.key] = f"{where}: {finished.problem}"
                say(f"✘ {problems[piece.key]}")
                continue
            done[piece.key] = finished.result
            journal.add(piece.key, finished.result)
            say(f"✔ {where}: graded {piece.times} times ({finished.seconds:.0f} s)")
    return found(wanted, done, problems.values())


def pieces(state: State, times: int) -> Iterator[Piece]:
    """The rounds in which a state is graded so many times."""
    lab = labs.find(state.lab)
    answer = digests.of([*map(Path, state.files), *lab.start_files, lab.grader, lab.folder / "lab.toml"])
    for number, begun in enumerate(range(0, times, ROUND), 1):
        count = min(ROUND, times - begun)
        yield Piece(state, number, count, f"{state.lab} {state.name} {number} {count} {answer}")


def graded(api: Api, piece: Piece) -> list[Verdicts]:
    """One round. Raises Problem, ApiError."""
    bring_about(piece.state, api)
    lab = labs.find(piece.state.lab)
    return [verdicts(runner.grade(lab, api)) for _ in range(piece.times)]


def verdicts(report: Report) -> Verdicts:
    found = {c.name: (c.outcome.value, c.seen) for task in report.tasks for c in task.checks}
    return {**found, NOTHING: ("could-not-grade" if report.problem else "graded", report.problem)}


def found(wanted: Iterable[Piece], done: dict[str, list[Verdicts]], problems: Iterable[str]) -> Flakes:
    """What all rounds together say. A check that was missing once is `missing` there."""
    flakes = Flakes(problems=list(problems))
    rounds: dict[tuple[str, str], list[Verdicts]] = {}
    states: dict[tuple[str, str], State] = {}
    for piece in wanted:
        key = (piece.state.lab, piece.state.name)
        states[key] = piece.state
        rounds.setdefault(key, []).extend(done.get(piece.key, ()))
    for key, gradings in rounds.items():
        flakes.states += bool(gradings)
        flakes.gradings += len(gradings)
        for check in dict.fromkeys(name for grading in gradings for name in grading):
            seen = [grading.get(check, ("missing", "")) for grading in gradings]
            counts = Counter(outcome for outcome, _ in seen)
            if len(counts) > 1:
                reasons = {
                    outcome: next((why for one, why in seen if one == outcome and why), "") for outcome in counts
                }
                by_chance = check in states[key].may
                flakes.flips.append(Flip(*key, check, dict(counts), reasons, by_chance))
    return flakes


def _known(journal: Journal) -> dict[str, list[Verdicts]]:
    known = {}
    for key, rounds in journal.held.items():
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            known[key] = [{str(c): (str(a), str(b)) for c, (a, b) in one.items()} for one in rounds]
    return known
