"""One mutant on a cluster of its own: brought about and looked at by the oracle, brought about anew and graded."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kindlab import labs, states, steps
from kindlab.api import Api
from kindlab.errors import Problem, in_a_line
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome, Report
from kindlab.labs import Lab
from kindlab.mutate import oracle
from kindlab.mutate.mutants import Mutant
from kindlab.mutate.oracle import Print
from kindlab.states import State

REFUSED = "was refused by the cluster"


@dataclass(frozen=True)
class Trial:
    """What is to be done, as far as it is not known already: `seen` and `failed` of an earlier time."""

    mutant: Mutant
    wanted: Mapping[str, str]
    seen: Print | None = None
    graded: Graded | None = None


@dataclass(frozen=True)
class Graded:
    """(check, expected, seen) of those that failed; `ungraded`: those of which nobody knows."""

    failed: tuple[tuple[str, str, str], ...]
    ungraded: str = ""


@dataclass(frozen=True)
class Known:
    """What was found out. `refused`: what the API said, then there is nothing else."""

    seen: Print | None = None
    graded: Graded | None = None
    refused: str = ""


def run(api: Api, trial: Trial) -> Known:
    """Disagreement is looked at twice, for chance is nobody's mistake: only what is lost both times is lost, only a
    check that fails both times fails. Raises CouldNotGrade, ApiError, Problem."""
    lab = labs.find(trial.mutant.lab)
    with tempfile.TemporaryDirectory(prefix="kindlab-mutant-") as folder:
        state = state_of(lab, trial.mutant, Path(folder))
        try:
            seen = trial.seen if trial.seen is not None else _seen(api, state, lab)
            graded = trial.graded or _graded(api, state, lab)
            lost = {key for key, _, _ in oracle.lost(trial.wanted, seen)}
            if lost and not graded.failed and trial.seen is None:
                seen = _agreed(seen, _seen(api, state, lab), trial.wanted)
            elif not lost and graded.failed and trial.graded is None:
                again = {name for name, _, _ in _graded(api, state, lab).failed}
                graded = Graded(tuple(one for one in graded.failed if one[0] in again), graded.ungraded)
        except Problem as problem:
            if REFUSED not in problem.what and "not applied" not in problem.what:
                raise
            return Known(refused=in_a_line(problem))
    return Known(seen, graded)


def state_of(lab: Lab, mutant: Mutant, folder: Path) -> State:
    """The solution with the mutant's file in place of its own, which is written into `folder`."""
    changed = folder / mutant.file
    changed.write_text(mutant.text, encoding="utf-8")
    files = [changed if file.name == mutant.file else file for file in labs.manifests(lab.solution_folder)]
    return State(
        lab.slug, f"mutants/{mutant.id}", tuple(map(str, files)), frozenset(), order=steps.of(lab.solution_folder)
    )


def _seen(api: Api, state: State, lab: Lab) -> Print:
    _bring_about(state, api)
    return oracle.fingerprint(api, lab)


def _bring_about(state: State, api: Api) -> None:
    """A step that waits for what the change has made impossible is left out: whoever makes the mistake goes on. Pods
    that are scaled up are there without it, too."""
    while True:
        try:
            return states.bring_about(state, api)
        except steps.Late as late:
            step = late.step
            if step not in state.order or (step.startswith("scale ") and step.endswith(" 0")):
                raise
            state = replace(state, order=tuple(one for one in state.order if one != step))


def _agreed(first: Print, second: Print, wanted: Mapping[str, str]) -> Print:
    """What was as it should be once is so."""
    return {
        key: one if one[0] == wanted.get(key) or key not in second else second[key] for key, one in first.items()
    } | {key: one for key, one in second.items() if key not in first}


def _graded(api: Api, state: State, lab: Lab) -> Graded:
    _bring_about(state, api)
    return graded_of(runner.grade(lab, api))


def graded_of(report: Report) -> Graded:
    checks = [check for task in report.tasks for check in task.checks]
    failed = tuple((c.name, c.expected, c.seen) for c in checks if c.outcome is Outcome.FAILED)
    ungraded = [f"{c.name}: {c.seen}" for c in checks if c.outcome is Outcome.COULD_NOT_GRADE]
    ungraded += [f"{task.id}: {task.not_here}" for task in report.tasks if task.not_here]
    return Graded(failed, "; ".join([*ungraded, *([report.problem] if report.problem else [])]))
