"""Grade one lab on one live cluster: run its grader with pytest and add up the points."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from time import monotonic

import pytest

from kindlab.api import Api, ApiError
from kindlab.errors import Problem
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult, overall
from kindlab.grading.plugin import GradingPlugin
from kindlab.labs import Lab, Task

log = logging.getLogger(__name__)


def grade(lab: Lab, api: Api, *, namespace: str = "", cluster: str = "", only: str | None = None) -> Report:
    """Run every check of the lab (of one task: `only`) against `namespace` (default: the slug). Never raises for
    a check: what could not be graded is in the report."""
    began = monotonic()
    space = namespace or lab.slug
    tasks = [t for t in lab.tasks if only in (None, t.id)]
    try:
        if api.get("Namespace", space) is None:
            raise Problem(
                f"The lab's namespace {space} does not exist on this cluster.",
                "The lab has not been started there.",
                f"Run: kindlab start {lab.slug}",
            )
        plugin = GradingPlugin(api, space, only)
        output = _run(lab, plugin)
        if plugin.problems:
            raise Problem(
                "The grader is broken.", "; ".join(plugin.problems), "This is a fault of the course, not yours."
            )
        if not plugin.results:
            raise Problem("The grader ran no check.", output[-500:], "This is a fault of the course, not yours.")
    except (Problem, ApiError) as error:
        log.error("%s", error)
        return not_graded(lab, error, only=only, cluster=cluster, seconds=_since(began))
    results = [_task(t, [r for r in plugin.results if r.task == t.id]) for t in tasks]
    outcome = overall([r.outcome for r in results])
    return Report(lab.slug, outcome, sum(r.points for r in results), _points(tasks), results, cluster, _since(began))


def not_graded(lab: Lab, why: Exception, *, only: str | None = None, cluster: str = "", seconds: float = 0.0) -> Report:
    """The report of a grading that could not be carried out at all."""
    tasks = [t for t in lab.tasks if only in (None, t.id)]
    results = [TaskResult(t.id, t.title, 0, t.points, Outcome.COULD_NOT_GRADE) for t in tasks]
    return Report(lab.slug, Outcome.COULD_NOT_GRADE, 0, _points(tasks), results, cluster, seconds, problem=str(why))


def _run(lab: Lab, plugin: GradingPlugin) -> str:
    """Run pytest on the lab's grader, quietly; returns what it would have printed."""
    arguments = [
        str(lab.grader),
        "--rootdir",
        str(lab.grader.parent),
        "-c",
        str(lab.grader.parent / "pytest.ini"),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:terminal",
        "-p",
        "no:xdist",
        "--import-mode=importlib",
    ]
    printed = io.StringIO()
    before = set(sys.modules)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        pytest.main(arguments, plugins=[plugin])
    for name in set(sys.modules) - before:  # a second grading in this process loads the grader afresh
        if name.startswith(("graders.", "test_", "conftest")):
            del sys.modules[name]
    return printed.getvalue()


def _task(task: Task, checks: list[CheckResult]) -> TaskResult:
    outcome = overall([c.outcome for c in checks])
    points = task.points if outcome is Outcome.PASSED else 0
    return TaskResult(task.id, task.title, points, task.points, outcome, checks)


def _points(tasks: list[Task]) -> int:
    return sum(t.points for t in tasks)


def _since(began: float) -> float:
    return round(monotonic() - began, 2)
