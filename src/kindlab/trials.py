"""Answers tried out: each state of a lab is brought about on a cluster and graded there.

`on_pocket` does it on embedded clusters of its own, one a worker process; `on_cluster` on one that is there already,
one state after the other.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator, Sequence
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
    """Try the states on embedded clusters, `jobs` at a time, in order; the clusters are gone when it ends."""
    scratch = Path(tempfile.mkdtemp(prefix="kindlab-lint-"))
    try:
        with ProcessPoolExecutor(
            min(jobs, len(states) or 1), get_context("spawn"), initializer=_begin, initargs=(scratch,)
        ) as pool:
            try:
                yield from pool.map(_try_here, states)
            except BaseException:
                (scratch / STOPPED).touch()  # what a worker has taken already cannot be called back
                raise
    finally:
        _end(scratch)


_worker: dict[str, Any] = {}
STOPPED = "stopped"
"""The file that tells workers that nobody waits for what they have not begun."""


def _begin(scratch: Path) -> None:
    """A worker process begins: it gets an embedded cluster of its own."""
    os.environ["KINDLAB_HOME"] = str(scratch / str(os.getpid()))
    _worker["stopped"] = scratch / STOPPED
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who waits for it, and for a trial under way
    try:
        _worker["api"] = Pocket("lint").up(lambda text: None).api()
    except Problem as problem:  # raised where it can be reported: with the first state
        _worker["problem"] = problem


def _end(scratch: Path) -> None:
    before = os.environ.get("KINDLAB_HOME")
    try:
        for home in (folder for folder in scratch.iterdir() if folder.is_dir()):
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
    if _worker["stopped"].exists():
        return Tried(state, None, "stopped")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _try(state, _worker["api"])
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _try(state: State, api: Api, prefix: str = "") -> Tried:
    try:
        bring_about(state, api, prefix)
        report = runner.grade(labs.find(state.lab).under(prefix), api)
    except (Problem, ApiError) as problem:
        return Tried(state, None, _in_a_line(problem))
    except Exception as error:  # a fault of ours, which must not end a run of hours
        log.exception("%s %s broke", state.lab, state.name)
        return Tried(state, None, f"broke: {type(error).__name__}: {_in_a_line(error)}")
    return Tried(state, report, _in_a_line(report.problem))


def _in_a_line(problem: object) -> str:
    return str(problem).replace("\n", " ")
