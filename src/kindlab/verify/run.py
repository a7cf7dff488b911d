"""The run: lab by lab, answer by answer, on the cluster and on embedded ones beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from time import monotonic
from typing import Any

from kindlab import trials, workspace
from kindlab.api import Api, ApiError, Unreachable
from kindlab.clusters.base import Step
from kindlab.errors import Problem, in_a_line
from kindlab.labs import Lab
from kindlab.states import State, states
from kindlab.verify import embedded
from kindlab.verify.needed import away
from kindlab.verify.results import Answer, Graded, LabResult, Verified

log = logging.getLogger(__name__)


@dataclass
class Clock:
    """How far a run is. `took`: seconds of each answer so far, as they were on that cluster."""

    total: int
    done: int = 0
    took: list[float] = field(default_factory=list)

    def answered(self, seconds: float) -> None:
        self.done += 1
        self.took.append(seconds)

    def __str__(self) -> str:
        """`12 of 310, about 2 h 5 min left`: the rest as long as those so far were on average."""
        left = sum(self.took) / len(self.took) * (self.total - self.done) if self.took else 0.0
        return f"{self.done} of {self.total}" + (f", about {spoken(left)} left" if left else "")


def spoken(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def run(
    chosen: list[Lab],
    api: Api,
    found: Verified,
    *,
    jobs: int = 2,
    prefix: str = "",
    say: Callable[[str], Any] = print,
    step: Step = lambda text: None,
    keep: Callable[[Verified], Any] = lambda found: None,
) -> None:
    """Grade every answer of the labs on the cluster behind `api` and on embedded ones; what `found` has already of the
    same files is not graded again. `say` is told each answer as it comes, `step` what is being done, `keep` is called
    whenever `found` has grown.

    The labs' namespaces on that cluster (behind `prefix`) are made anew for each answer, and removed after the last.
    Raises Problem when the cluster does not answer any more.
    """
    todo = [(lab, _begun(lab, found)) for lab in chosen]
    clock = Clock(sum(result.of - len(result.answers) for _, result in todo))
    for lab, result in todo:
        found.labs = dict(sorted({**found.labs, lab.slug: result}.items()))
        if len(result.answers) == result.of:
            say(f"{lab.slug}: done before")
            continue
        result.away, result.away_tasks = away(api, lab)
        result.problem = ""
        if result.away:
            clock.total -= result.of - len(result.answers)
            say(f"- {lab.slug} cannot run there: {result.away}")
            keep(found)
            continue
        for task, why in result.away_tasks.items():
            say(f"- {lab.slug}, task {task} cannot run there: {why}")
        try:
            _lab(lab, result, api, clock, jobs, prefix, say, step, lambda: keep(found))
        except Unreachable:
            raise
        except (Problem, ApiError, BrokenExecutor) as problem:  # the other labs may do better
            result.problem = in_a_line(problem)
            say(f"✘ {lab.slug}: {result.problem}")
        keep(found)
        say(f"{lab.slug}: {result.same} of {result.verdicts} verdicts are the same")


def _begun(lab: Lab, found: Verified) -> LabResult:
    """What is known of the lab already, of the same files and without trouble; the rest is for this run."""
    every, course = [state.name for state in states(lab)], embedded.digest(lab)
    before = found.labs.get(lab.slug)
    if before is None or before.course != course:
        return LabResult(lab.slug, course, len(every))
    before.of = len(every)
    before.answers = {name: a for name, a in before.answers.items() if name in every and not a.problem}
    return before


def _lab(
    lab: Lab,
    result: LabResult,
    api: Api,
    clock: Clock,
    jobs: int,
    prefix: str,
    say: Callable[[str], Any],
    step: Step,
    keep: Callable[[], Any],
) -> None:
    todo = [state for state in states(lab) if state.name not in result.answers]
    left_out = frozenset(result.away_tasks)
    say(f"{lab.slug}: {len(todo)} answers, on pocket first ({clock})")
    pocket = []
    for graded in embedded.verdicts(lab, todo, result.course, jobs):
        pocket.append(graded)
        step(f"{lab.slug} on pocket, {len(pocket)} of {len(todo)} ({clock})")
    # only then there: on a machine that does both at once, one would spoil the other's timing
    for state, here in zip(todo, pocket, strict=True):
        step(f"{lab.slug} {state.name} ({clock})")
        began = monotonic()
        there = _there(api, state, left_out, prefix)
        answer = _compared(state, here, there, left_out)
        if not answer.agrees:
            step(f"{lab.slug} {state.name}, once more ({clock})")
            answer = _compared(state, here, _there(api, state, left_out, prefix), left_out, before=there)
        result.answers[state.name] = answer = replace(answer, took=round(monotonic() - began, 1))
        clock.answered(answer.took)
        keep()
        _say(answer, clock, say)
    step(f"{lab.slug}: cleaning up")
    workspace.remove_namespaces(api, lab.under(prefix))


def _there(api: Api, state: State, left_out: frozenset[str], prefix: str) -> Graded:
    """Bring about and grade the answer there. Raises Unreachable when nobody answers any more."""
    (tried,) = trials.on_cluster(api, [state], prefix)
    if tried.problem:
        api.request("GET", "/version")
    return embedded.graded(tried, left_out)


def _compared(
    state: State, pocket: Graded, there: Graded, left_out: frozenset[str], before: Graded | None = None
) -> Answer:
    away_checks = {check for check, task in pocket.tasks.items() if task in left_out}
    return Answer(state.lab, state.name, pocket, there, tuple(sorted(state.may | away_checks)), before)


def _say(answer: Answer, clock: Clock, say: Callable[[str], Any]) -> None:
    mark, again = "✔" if answer.agrees else "✘", ", at the second try" if answer.before and answer.agrees else ""
    problem = f": {answer.problem}" if answer.problem else ""
    say(f"{mark} {answer.lab} {answer.state} ({answer.took:.0f} s{again}; {clock}){problem}")
    for difference in (*answer.differences, *answer.unsteady):
        say(f"    {difference}")


def today() -> str:
    return date.today().isoformat()
