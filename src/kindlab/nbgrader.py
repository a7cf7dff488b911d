"""What the cells call that `kindlab export nbgrader` puts into a notebook (export/nbgrader.py).

nbgrader gives a cell all its points when it ends without an error, none when it raises one or writes to standard error,
and as many as a number says that is its value. It knows no third outcome: so when something could not be graded while
nbgrader grades (NBGRADER_EXECUTION=autograde), the kernel is ended. nbgrader then reports that submission as one that
it could not process, writes no grade for it, and goes on with the next; `nbgrader autograde` tries it again, and
nbgrader.log in kindlab's state folder says why. (Read in nbgrader 0.9.5; the variable is documented in its FAQ.)
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kindlab import paths
from kindlab.errors import COULD_NOT_GRADE

if TYPE_CHECKING:
    from kindlab.grading.outcome import Report
    from kindlab.labs import Lab


class CouldNotBeGraded(Exception):
    """The cluster or the grader failed: no verdict on the student's work."""


def begin(lab: str) -> None:
    """A cluster for the lab: while nbgrader runs the notebook a fresh embedded one that nobody else uses and that ends
    with the kernel; else the one in use, or an embedded one where none is up. Raises Problem."""
    from kindlab import labs
    from kindlab.clusters import base

    labs.find(lab)
    ports: dict[str, int] = {}
    if os.environ.get("NBGRADER_EXECUTION"):
        _alone()
        ports = {"http_port": 0, "https_port": 0}  # what runs beside it may have this machine's
    elif base.active().status().ready:
        return
    provider, _ = base.choose("pocket", **ports)
    base.remember(provider.up(lambda text: None))


def _alone() -> None:
    """State and files of this kernel's own, removed with it."""
    from kindlab.clusters import base

    _end()
    scratch = tempfile.mkdtemp(prefix="kindlab-nbgrader-")
    os.environ["KINDLAB_HOME"], os.environ["KINDLAB_WORK"] = f"{scratch}/home", f"{scratch}/work"

    def away() -> None:
        with contextlib.suppress(Exception):
            base.active().down(lambda text: None)
        shutil.rmtree(scratch, ignore_errors=True)

    _ending.append(away)


_ending: list[Callable[[], None]] = []


@atexit.register
def _end() -> None:
    while _ending:
        _ending.pop()()


def check(lab: str, task: str) -> float | None:
    """Grade a task of the lab on the cluster in use. None when all its points are earned; the points when some are;
    raises AssertionError with the report when none are, and CouldNotBeGraded when there is no verdict."""
    from kindlab.grading.outcome import Outcome
    from kindlab.grading.report import text

    said = io.StringIO()
    with contextlib.redirect_stderr(said):  # a warning there would cost all points
        report = _report(lab, task)
    found = report.tasks[0] if report.tasks else None
    if report.problem or found is None or found.outcome is Outcome.COULD_NOT_GRADE:
        _could_not(text.render(report))
    assert found is not None
    if found.outcome is Outcome.PASSED:
        print(text.render(report))
        return None
    if not found.points:
        raise AssertionError(f"\n{text.render(report)}")
    print(text.render(report))
    return float(found.points)


def _report(lab: str, task: str) -> Report:
    from kindlab import labs
    from kindlab.api import ApiError
    from kindlab.clusters import base
    from kindlab.errors import Problem
    from kindlab.grading import runner

    found: Lab = labs.find(lab).under(base.prefix())
    only = [found.task(task).id]
    try:
        status = base.ready()
        return runner.grade(found, status.api(), cluster=status.name, only=only)
    except (Problem, ApiError) as error:
        return runner.not_graded(found, error, only=only)


def _could_not(why: str) -> None:
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        _keep(why)
        _end()
        os._exit(COULD_NOT_GRADE)
    raise CouldNotBeGraded(f"This could not be graded, which costs no points. Run the cell again.\n{why}")


def _keep(why: str) -> None:
    """Write down what nbgrader will not show: it throws the notebook of a kernel that died away."""
    with contextlib.suppress(OSError):
        _log.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {Path.cwd()}\n{why}\n\n")


_log = paths.home() / "nbgrader.log"
"""In the state folder as it was before this kernel got one of its own."""
