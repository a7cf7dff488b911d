"""Answers tried out: each state of a lab is brought about on a cluster and graded there.

`on_pocket` does it on embedded clusters of its own, a fresh one for each state (farm); `on_cluster` on one that is
there already, one state after the other.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from kindlab import farm, labs
from kindlab.api import Api, ApiError
from kindlab.errors import Problem, in_a_line
from kindlab.grading import runner
from kindlab.grading.outcome import Report
from kindlab.states import State, bring_about

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tried:
    """One state, graded: its report, or `problem`, why there is none."""

    state: State
    report: Report | None
    problem: str = ""

    @property
    def seconds(self) -> float:
        return self.report.seconds if self.report else 0.0


def on_cluster(api: Api, states: Sequence[State], prefix: str = "") -> Iterator[Tried]:
    """Try the states there, in order, each as it is done, in the labs' namespaces under `prefix`, which stay as the
    last state left them."""
    for state in states:
        yield _try(state, api, prefix)


def on_pocket(states: Sequence[State], jobs: int) -> Generator[Tried]:
    """Try the states on embedded clusters, a fresh one each, `jobs` at a time, in order; the clusters are gone when it
    ends."""
    with contextlib.closing(farm.run(try_on, states, jobs=jobs, ordered=True)) as finished:
        for done in finished:
            yield done.result or Tried(done.item, None, done.problem)


def try_on(api: Api, state: State) -> Tried:
    """One piece of work of a farm."""
    return _try(state, api)


def _try(state: State, api: Api, prefix: str = "") -> Tried:
    try:
        bring_about(state, api, prefix)
        report = runner.grade(labs.find(state.lab).under(prefix), api)
    except (Problem, ApiError) as problem:
        return Tried(state, None, in_a_line(problem))
    except Exception as error:  # a fault of ours, which must not end a run of hours
        log.exception("%s %s broke", state.lab, state.name)
        return Tried(state, None, f"broke: {type(error).__name__}: {in_a_line(error)}")
    return Tried(state, report, in_a_line(report.problem))
