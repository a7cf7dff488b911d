"""Grade one lab on one live cluster: run its grader with pytest and add up the points."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from time import monotonic

import pytest
from filelock import FileLock, Timeout

from kindlab import paths, rights
from kindlab.api import Api, ApiError
from kindlab.errors import Problem
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult, overall, total
from kindlab.grading.plugin import GradingPlugin
from kindlab.labs import Lab, Task
from kindlab.needs import Wanting, named, probed, wanting
from kindlab.witness import with_

log = logging.getLogger(__name__)

TURN_TIMEOUT = 300.0
"""Seconds to wait for another grading of the same namespace."""
UNUSED = (
    *("cacheprovider", "debugging", "doctest", "faulthandler", "junitxml", "logging", "pastebin", "setuponly"),
    *("setupplan", "stepwise", "terminal", "threadexception", "unittest", "unraisableexception", "warnings"),
)
"""Plugins of pytest's own that graders do without. Together they took most of the time that is not the checks' own:
one collects garbage five times when pytest ends."""


def grade(
    lab: Lab,
    api: Api,
    *,
    namespace: str = "",
    cluster: str = "",
    only: str | Collection[str] | None = None,
) -> Report:
    """Run every check of the lab (of one task: `only`, or of those of these ids) against `namespace` (default: the
    lab's own). Never raises for a check: what could not be graded is tried once more, and then it is in the report;
    tasks that need what the cluster lacks are said so, and not checked. Gradings of one namespace take turns."""
    with with_(api.witness()):
        return _report(lab, api, namespace or lab.namespace, cluster, _chosen(lab, only))


def _report(lab: Lab, api: Api, space: str, cluster: str, tasks: list[Task]) -> Report:
    began = monotonic()
    try:
        if rights.namespace(api, space) is None:
            raise Problem(
                f"The lab's namespace {space} does not exist on this cluster.",
                "The lab has not been started there, or you have no rights in it.",
                f"Run: kindlab start {lab.slug}",
            )
        lacking = wanting(lab, probed(api, named(lab, tasks), space), tasks)
        there = frozenset(t.id for t in tasks) - lacking.keys()
        if not there:
            return _none_here(lab, tasks, lacking, cluster, _since(began))
        with _turn(api, space):
            checks = _graded(lab, GradingPlugin(api, lab, space, there))
            if unsure := frozenset(c.name for c in checks if c.outcome is Outcome.COULD_NOT_GRADE):
                log.warning("once more: %s", ", ".join(sorted(unsure)))
                again = _graded(lab, GradingPlugin(api, lab, space, there, names=unsure))
                place = {check.name: number for number, check in enumerate(checks)}
                checks = [c for c in checks if c.name not in unsure] + again
                checks.sort(key=lambda check: place[check.name])  # as the grader has them
    except (Problem, ApiError) as error:
        log.error("%s", error)
        return not_graded(lab, error, only=[t.id for t in tasks], cluster=cluster, seconds=_since(began))
    results = [
        _lacking(t, lacking[t.id]) if t.id in lacking else _task(t, [c for c in checks if c.task == t.id])
        for t in tasks
    ]
    outcome = overall([r.outcome for r in results if not r.not_here])
    return Report(lab.slug, outcome, sum(r.points for r in results), total(results), results, cluster, _since(began))


def _chosen(lab: Lab, only: str | Collection[str] | None) -> list[Task]:
    """All tasks of the lab, the one of that id, or those of these ids."""
    wanted = (only,) if isinstance(only, str) else only
    return [task for task in lab.tasks if wanted is None or task.id in wanted]


def _graded(lab: Lab, plugin: GradingPlugin) -> list[CheckResult]:
    """What the checks found that the plugin lets run. Raises Problem when that says nothing at all: the grader is
    broken, or the cluster has gone in the middle, and then what it did before says little either."""
    output = _run(lab, plugin)
    if plugin.gone is not None:
        raise Problem("The cluster went away while it was being graded.", plugin.gone.why, plugin.gone.then)
    if plugin.problems:
        raise Problem("The grader is broken.", "; ".join(plugin.problems), "This is a fault of the course, not yours.")
    if not plugin.results:
        raise Problem("The grader ran no check.", output[-500:], "This is a fault of the course, not yours.")
    return plugin.results


def _none_here(lab: Lab, tasks: list[Task], lacking: dict[str, Wanting], cluster: str, seconds: float) -> Report:
    """The report of a lab of which nothing can be graded on this cluster."""
    results = [_lacking(t, lacking[t.id]) for t in tasks]
    what = f"Task {tasks[0].id} of lab" if len(tasks) < len(lab.tasks) else "Lab"
    why = dict.fromkeys(one.why for one in lacking.values())
    how = dict.fromkeys(one.how_to_get for one in lacking.values())
    problem = "\n".join((f"{what} {lab.slug} cannot be graded on this cluster.", *why, *how))
    return Report(lab.slug, Outcome.COULD_NOT_GRADE, 0, total(results), results, cluster, seconds, problem)


def _lacking(task: Task, what: Wanting) -> TaskResult:
    """Of a task that was not checked. Where it is not sure that the cluster lacks something its points do count."""
    if what.sure:
        outcome = Outcome.COULD_NOT_GRADE
        return TaskResult(task.id, task.title, 0, task.points, outcome, [], what.why, what.how_to_get)
    check = CheckResult("needs", task.id, "the cluster has what this task needs", Outcome.COULD_NOT_GRADE)
    check.seen, check.next = what.why, "kindlab check again in a minute; kindlab can --again shows what is missing"
    return TaskResult(task.id, task.title, 0, task.points, Outcome.COULD_NOT_GRADE, [check])


def not_graded(
    lab: Lab,
    why: Exception,
    *,
    only: str | Collection[str] | None = None,
    cluster: str = "",
    seconds: float = 0.0,
) -> Report:
    """The report of a grading that could not be carried out at all."""
    tasks = _chosen(lab, only)
    why = rights.refused(why) if isinstance(why, ApiError) else why
    results = [TaskResult(t.id, t.title, 0, t.points, Outcome.COULD_NOT_GRADE) for t in tasks]
    return Report(lab.slug, Outcome.COULD_NOT_GRADE, 0, _points(tasks), results, cluster, seconds, problem=str(why))


@contextlib.contextmanager
def _turn(api: Api, namespace: str) -> Iterator[None]:
    """One grading of a namespace at a time on this machine: checks delete Pods and take files away, which another's
    checks would see as the learner's fault."""
    name = sha256(f"{api.server} {namespace}".encode()).hexdigest()[:16]
    lock = FileLock(paths.home() / "checks" / f"{name}.lock", timeout=TURN_TIMEOUT)
    try:
        paths.home().joinpath("checks").mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise Problem(
            f"Another check of {namespace} has been running for {TURN_TIMEOUT / 60:.0f} minutes.",
            "Two at once would disturb each other.",
            "End it (Ctrl-C in its terminal, or interrupt its notebook), then check again.",
        ) from error
    except OSError as error:  # nowhere to write: grading alone is the likelier case, so it goes on
        log.warning("gradings cannot take turns: %s", error)
        yield
        return
    try:
        yield
    finally:
        lock.release()


def arguments(grader: Path) -> list[str]:
    """Pytest's, for a run that is quiet and cheap."""
    return [
        str(grader),
        "--rootdir",
        str(grader.parent),
        "-c",
        str(grader.parent / "pytest.ini"),
        *(f"-pno:{plugin}" for plugin in UNUSED),
        "--capture=no",  # what graders print goes nowhere already
        "--disable-plugin-autoload",  # the plugins of this project's own tests would take most of a grading's time
        "--assert=plain",
        "--import-mode=importlib",
    ]


def _run(lab: Lab, plugin: GradingPlugin) -> str:
    """Run pytest on the lab's grader, quietly; returns what it would have printed."""
    printed = io.StringIO()
    before = set(sys.modules)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        pytest.main(arguments(lab.grader), plugins=[plugin])
    if plugin.interrupted:
        raise KeyboardInterrupt
    for name in set(sys.modules) - before:  # a second grading in this process loads the grader afresh
        if name.startswith(("graders.", "test_", "conftest")):
            del sys.modules[name]
    return printed.getvalue()


def _task(task: Task, checks: list[CheckResult]) -> TaskResult:
    outcome = overall([c.outcome for c in checks])
    points = task.points if outcome is Outcome.PASSED else 0
    if task.partial and checks:
        passed = sum(c.outcome is Outcome.PASSED for c in checks)
        points = task.points * passed // len(checks)  # whole points, rounded down
    return TaskResult(task.id, task.title, points, task.points, outcome, checks)


def _points(tasks: list[Task]) -> int:
    return sum(t.points for t in tasks)


def _since(began: float) -> float:
    return round(monotonic() - began, 2)
