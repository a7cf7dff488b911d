"""What grading costs: one lab, a class of a hundred, and how much of it is the engine's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle, repeat
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.cases import Figure, cluster
from kindlab import farm, labs, states, trials
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome

LAB = "02"
JOBS = 2


def converged() -> Iterator[Figure]:
    """A lab that is solved and has settled, as `kindlab check` grades it."""
    lab = labs.find(LAB)
    with cluster() as (status, _):
        api = status.api()
        states.bring_about(_solved(), api)
        runner.grade(lab, api)
        reports = [runner.grade(lab, api) for _ in range(5)]
    assert all(report.outcome is Outcome.PASSED for report in reports)
    yield Figure(f"lab {LAB} graded, solved and settled", median(r.seconds for r in reports), "s", "<= 5")
    own = [r.seconds - sum(check.seconds for task in r.tasks for check in task.checks) for r in reports]
    yield Figure("of that, what is not the checks' own", median(own) * 1000, "ms", "<= 100", 0)


def a_class() -> Iterator[Figure]:
    """A hundred students hand in the solution; a fresh cluster for each."""
    began = perf_counter()
    used = [done.cpu for done in _graded(100)]
    seconds = perf_counter() - began
    yield Figure(f"100 submissions of lab {LAB}, {JOBS} jobs", seconds, "s", "<= 60", 1)
    yield Figure("of that, CPU for each", median(used), "s", "<= 1.2 on 2 cores")


def a_mixed_class() -> Iterator[Figure]:
    """A hundred students, half of whom have made one of the known mistakes, as `kindlab grade` grades them: with
    reports and evidence, from the command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "class"), Path(folder, "out")
        _hand_in(given, 100)
        command = [sys.executable, "-m", "kindlab.cli", "grade", str(given), "--lab", LAB, "--out", str(out)]
        began = perf_counter()
        subprocess.run([*command, "--jobs", str(JOBS)], check=True, capture_output=True)
        seconds = perf_counter() - began
        results = list((out / "results").iterdir())
        assert len(results) == 100, results
    yield Figure(
        f"kindlab grade: 100 submissions of lab {LAB}, half of them wrong, {JOBS} jobs", seconds, "s", "<= 60", 1
    )


def _hand_in(folder: Path, students: int) -> None:
    """A folder for each student; every second one has made the next of the known mistakes."""
    lab = labs.find(LAB)
    mistakes = cycle(states.folders(lab, "wrong"))
    for number in range(students):
        own = folder / f"s{number:03}"
        own.mkdir(parents=True)
        for source in (lab.solution_folder, *([next(mistakes)] if number % 2 else [])):
            for file in labs.manifests(source):
                shutil.copy(file, own)


def many_submissions() -> Iterator[Figure]:
    """The process that grades, after some and after many: it must not grow with them."""
    for number, done in enumerate(_graded(300), start=1):
        assert not done.problem, done.problem
        if number in (50, 300):
            target = "" if number == 50 else "as after 50"
            yield Figure(f"memory of the grading process after {number} submissions", _resident(), "MB", target, 1)


def _graded(count: int) -> Iterator[farm.Finished[states.State, trials.Tried]]:
    with contextlib.closing(farm.run(trials.try_on, repeat(_solved(), count), jobs=JOBS)) as graded:
        for done in graded:
            assert done.result, done.problem
            assert done.result.report, done.result.problem
            assert done.result.report.outcome is Outcome.PASSED, done.result.report
            yield done


def _solved() -> states.State:
    return next(state for state in states.states(labs.find(LAB)) if state.name == "solution")


def _resident() -> float:
    """MB that this process holds, as Linux counts them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


CASES: list[Callable[[], Iterator[Figure]]] = [converged, a_class, a_mixed_class, many_submissions]
