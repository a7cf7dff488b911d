"""Answers tried out: each state of a lab is brought about on a cluster and graded there.

`on_pocket` does it on embedded clusters of its own, one a worker process; `on_cluster` on one that is there already,
one state after the other.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from kindlab import labs
from kindlab.api import Api, ApiError
from kindlab.clusters.pocket import Pocket
from kindlab.errors import Problem
from kindlab.grading import runner
from kindlab.grading.outcome import Report
from kindlab.states import State, bring_about


@dataclass(frozen=True)
class Tried:
    """One state, graded: its report, or `problem`, why there is none."""

    state: State
    report: Report | None
    problem: str = ""

    @property
    def verdicts(self) -> dict[str, str]:
        """Check -> passed, failed, could-not-grade; none when nothing was graded."""
        tasks = self.report.tasks if self.report else []
        return {check.name: check.outcome.value for task in tasks for check in task.checks}

    @property
    def seconds(self) -> float:
        return self.report.seconds if self.report else 0.0


def on_cluster(api: Api, states: Sequence[State]) -> Iterator[Tried]:
    """Try the states there, in order, each as it is done. Their labs' namespaces stay as the last state left them."""
    for state in states:
        yield _try(state, api)


def on_pocket(states: Sequence[State], jobs: int) -> Iterator[Tried]:
    """Try the states on embedded clusters, `jobs` at a time, in order; the clusters are gone when it ends."""
    scratch = Path(tempfile.mkdtemp(prefix="kindlab-lint-"))
    try:
        with ProcessPoolExecutor(
            min(jobs, len(states) or 1), get_context("spawn"), initializer=_begin, initargs=(scratch,)
        ) as pool:
            yield from pool.map(_try_here, states)
    finally:
        _end(scratch)


_worker: dict[str, Any] = {}


def _begin(scratch: Path) -> None:
    """A worker process begins: it gets an embedded cluster of its own."""
    os.environ["KINDLAB_HOME"] = str(scratch / str(os.getpid()))
    try:
        _worker["api"] = Pocket("lint").up(lambda text: None).api()
    except Problem as problem:  # raised where it can be reported: with the first state
        _worker["problem"] = problem


def _end(scratch: Path) -> None:
    before = os.environ.get("KINDLAB_HOME")
    try:
        for home in scratch.iterdir():
            os.environ["KINDLAB_HOME"] = str(home)
            Pocket("lint").down(lambda text: None)
    finally:
        if before is None:
            os.environ.pop("KINDLAB_HOME", None)
        else:
            os.environ["KINDLAB_HOME"] = before
        shutil.rmtree(scratch, ignore_errors=True)


def _try_here(state: State) -> Tried:
    if "problem" in _worker:
        return Tried(state, None, _in_a_line(_worker["problem"]))
    return _try(state, _worker["api"])


def _try(state: State, api: Api) -> Tried:
    try:
        bring_about(state, api)
        report = runner.grade(labs.find(state.lab), api)
    except (Problem, ApiError) as problem:
        return Tried(state, None, _in_a_line(problem))
    return Tried(state, report, _in_a_line(report.problem))


def _in_a_line(problem: object) -> str:
    return str(problem).replace("\n", " ")
