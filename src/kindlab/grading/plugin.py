"""The pytest plugin that turns a grader's tests into check results.

A test passes, fails (CheckFailed, or a bare assert), or could not be graded (anything else it raises: a bug of
the grader, a cluster that went away, a time-out of ours). Failures are traced to the first broken hop here, so
that a grader only has to say what it is about.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

import pytest

from kindlab.api import Api, ApiError
from kindlab.checks.live import LiveLab
from kindlab.checks.marks import MARK
from kindlab.checks.verdict import CheckFailed, CouldNotGrade
from kindlab.errors import Problem
from kindlab.grading.outcome import CheckResult, Outcome
from kindlab.labs import Lab
from kindlab.trace import trace

log = logging.getLogger(__name__)


class GradingPlugin:
    """Collects `results`; gives tests the fixtures `lab` and `api`. `only` keeps the checks of these tasks."""

    def __init__(self, api: Api, lab: Lab, namespace: str, only: frozenset[str] | None = None) -> None:
        self.api_object = api
        self.lab_read = lab
        self.namespace = namespace
        self.only = only
        self.results: list[CheckResult] = []
        self.problems: list[str] = []
        self.interrupted = False
        """Whether somebody pressed Ctrl-C: pytest keeps that to itself."""

    @pytest.fixture(scope="session")
    def api(self) -> Api:
        return self.api_object

    @pytest.fixture(scope="session")
    def lab(self) -> LiveLab:
        return LiveLab(self.api_object, self.namespace, self.lab_read.prefix)

    @pytest.fixture(scope="session")
    def tasks(self, request: pytest.FixtureRequest) -> frozenset[str]:
        """The ids of the tasks that are being graded: for what is prepared for several checks at once."""
        return frozenset(_mark(item)[0] for item in request.session.items)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{MARK}(task, sentence): the task this check belongs to")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        unmarked = [i.name for i in items if i.get_closest_marker(MARK) is None]
        if unmarked:
            self.problems.append(f"these tests of the grader belong to no task: {', '.join(unmarked)}")
        if self.only is not None:
            items[:] = [i for i in items if _mark(i)[0] in self.only]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            log.error("the grader cannot be loaded:\n%s", report.longreprtext)
            self.problems.append(f"the grader cannot be loaded: {report.longreprtext.strip().splitlines()[-1]}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest ends in the same way after a grader that cannot be loaded, with a subclass of it
        self.interrupted = excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
        yield
        if call.when != "call" and call.excinfo is None:
            return
        task, sentence = _mark(item)
        result = CheckResult(item.name, task, sentence, Outcome.PASSED, seconds=round(call.duration, 3))
        if call.excinfo is not None:
            self._judge(result, call.excinfo.value)
        for part in ("sentence", "expected", "next"):
            setattr(result, part, self.lab_read.spelled(getattr(result, part)))
        if call.when == "call" or result.outcome is not Outcome.PASSED:
            self.results.append(result)

    def _judge(self, result: CheckResult, error: BaseException) -> None:
        if isinstance(error, CheckFailed):
            result.outcome = Outcome.FAILED
            result.expected, result.seen = error.expected, error.seen
            result.broken_hop, result.next = error.hop, error.then
            if error.about:
                self._trace(result, error.about)
        elif isinstance(error, AssertionError):
            result.outcome = Outcome.FAILED
            result.expected, result.seen = result.sentence, str(error).split("\n", 1)[0]
        else:
            result.outcome = Outcome.COULD_NOT_GRADE
            log.error("check %s could not be graded", result.name, exc_info=error)
            result.seen = _brief(error)
            result.next = "kindlab check again; if it stays, kindlab status shows the state of the cluster"

    def _trace(self, result: CheckResult, about: str) -> None:
        try:
            path = trace(self.api_object, self.namespace, about)
        except (Problem, ApiError, CouldNotGrade):
            log.exception("tracing %s failed", about)
            return
        if path.broken is not None:
            result.broken_hop = f"{path.broken.name}: {path.broken.evidence}"
            result.next = result.next or path.broken.next
        result.next = result.next or f"kindlab why {about} -n {self.namespace}"


def _mark(item: pytest.Item) -> tuple[str, str]:
    mark = item.get_closest_marker(MARK)
    return (str(mark.args[0]), str(mark.args[1])) if mark else ("", item.name)


def _brief(error: BaseException) -> str:
    text = str(error).split("\n", 1)[0]
    if isinstance(error, CouldNotGrade | Problem | ApiError):
        return text
    return f"the check itself broke ({type(error).__name__}: {text})"
