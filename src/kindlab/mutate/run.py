"""A lab's mutants, all of them or some: made, tried each on an embedded cluster of its own, and judged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from kindlab import digests, farm, states
from kindlab.errors import Problem
from kindlab.labs import Lab
from kindlab.mutate import accepted, mutants, oracle, trial
from kindlab.mutate.kept import Kept
from kindlab.mutate.mutants import Mutant
from kindlab.mutate.oracle import Print
from kindlab.mutate.trial import Graded, Known, Trial
from kindlab.mutate.verdict import Outcome, Tried, Verdict, judged
from kindlab.states import State

TWICE = "solution, once more"


def run(
    lab: Lab,
    *,
    jobs: int = 2,
    only: str = "",
    sample: int = 0,
    seed: int = 0,
    say: Callable[[str], Any] = lambda text: None,
) -> Outcome:
    """Try the mutants. `say` is told each step. Raises Problem where the lab's own answers cannot be looked at."""
    every = mutants.of(lab)
    entries = accepted.of(lab)
    outcome = Outcome(lab.slug, stale=accepted.stale(entries, every))
    kept = Kept(lab)
    wanted = asked_of(lab, kept, jobs, say)
    say(f"{lab.slug}: {len(wanted)} things are asked for")
    picked = mutants.chosen(every, only, sample, seed)
    with contextlib.closing(_tried(picked, wanted, kept, jobs, entries)) as trying:
        for number, tried in enumerate(trying, 1):
            outcome.tried.append(tried)
            say(f"{number}/{len(picked)} {tried.verdict.value}: {tried.mutant}")
    order = {mutant.id: number for number, mutant in enumerate(picked)}
    outcome.tried.sort(key=lambda one: order[one.mutant.id])
    if len(picked) == len(every):
        outcome.stale += [
            f"{one.pattern!r} is not needed: grader and oracle agree on all it means"
            for one in entries
            if not any(t.verdict is Verdict.ACCEPTED and one.holds(t.mutant) for t in outcome.tried)
            and any(map(one.holds, every))
        ]
    return outcome


def asked_of(lab: Lab, kept: Kept, jobs: int, say: Callable[[str], Any]) -> dict[str, str]:
    """What the lab asks for, by what its own answers do. Raises Problem."""
    chosen = {
        state.name: state
        for state in states.states(lab)
        if state.name in ("start", "solution") or state.name.startswith("alternatives/")
    }
    chosen[TWICE] = chosen["solution"]
    prints: dict[str, Print] = {}
    missing: list[tuple[str, State]] = []
    for name, state in chosen.items():
        known = kept.get(kept.oracle, _key(name, state))
        if known is None:
            missing.append((name, state))
        else:
            prints[name] = {key: (value, strong) for key, (value, strong) in known.items()}
    with contextlib.closing(farm.run(_looked_at, missing, jobs=jobs)) as looks:
        for done in looks:
            name, state = done.item
            if done.result is None:
                raise Problem(
                    f"The oracle could not look at {lab.slug}, {name}.", done.problem, f"Try: kindlab lint {lab.slug}"
                )
            prints[name] = done.result
            kept.keep(kept.oracle, _key(name, state), done.result)
            say(f"{lab.slug}: looked at {name} ({done.seconds:.0f} s)")
    others = [one for name, one in prints.items() if name.startswith("alternatives/")]
    return oracle.asked(prints["solution"], prints[TWICE], others, prints["start"])


def _key(name: str, state: State) -> str:
    return f"{name} {digests.of(map(Path, state.files))}"


def _looked_at(api: Any, item: tuple[str, State]) -> Print:
    return oracle.brought_about(api, item[1])


def _tried(
    picked: list[Mutant], wanted: dict[str, str], kept: Kept, jobs: int, entries: list[accepted.Accepted]
) -> Generator[Tried]:
    """Each as it is done, what is known already first."""
    refused = {mutant.id: said for mutant in picked if (said := kept.get(kept.oracle, f"refused {mutant.digest}"))}
    for mutant in picked:
        if mutant.id in refused:
            yield _judged(mutant, Known(refused=refused[mutant.id]), wanted, entries)
    trials = [_trial(mutant, wanted, kept) for mutant in picked if mutant.id not in refused]
    for done in trials:
        if done.seen is not None and done.graded is not None:
            yield _judged(done.mutant, Known(done.seen, done.graded), wanted, entries)
    left = [one for one in trials if one.seen is None or one.graded is None]
    with contextlib.closing(farm.run(trial.run, left, jobs=jobs)) as trying:
        for finished in trying:
            mutant, known = finished.item.mutant, finished.result
            if known is None:
                yield Tried(mutant, Verdict.NOT_GRADED, problem=finished.problem)
                continue
            if known.seen is not None and known.graded is not None:
                kept.keep(kept.oracle, mutant.digest, known.seen)
                kept.keep(kept.grader, mutant.digest, [known.graded.failed, known.graded.ungraded])
            else:
                kept.keep(kept.oracle, f"refused {mutant.digest}", known.refused)
            yield _judged(mutant, known, wanted, entries)


def _trial(mutant: Mutant, wanted: dict[str, str], kept: Kept) -> Trial:
    seen, graded = kept.get(kept.oracle, mutant.digest), kept.get(kept.grader, mutant.digest)
    found = {key: (value, strong) for key, (value, strong) in seen.items()} if seen is not None else None
    was = Graded(tuple((a, b, c) for a, b, c in graded[0]), graded[1]) if graded is not None else None
    return Trial(mutant, wanted, found, was)


def _judged(mutant: Mutant, known: Known, wanted: dict[str, str], entries: list[accepted.Accepted]) -> Tried:
    if known.seen is None or known.graded is None:
        return Tried(mutant, Verdict.REFUSED, problem=known.refused)
    lost = oracle.lost(wanted, known.seen)
    return judged(mutant, lost, known.graded.failed, known.graded.ungraded, accepted.reason(entries, mutant))
