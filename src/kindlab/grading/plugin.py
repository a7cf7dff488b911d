"""The pytest plugin that turns a grader's tests into check results.

A test passes, fails (CheckFailed, or a bare assert), or could not be graded (anything else it raises: a bug of
the grader, a cluster that went away, a time-out of ours). Failures are traced to the first broken hop here, so
that a grader only has to say what it is about.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from kindlab import variants
from kindlab.api import Api, ApiError, Unreachable
from kindlab.checks.live import LiveLab
from kindlab.checks.marks import MARK
from kindlab.checks.verdict import CheckFailed, ContainerAtFault, CouldNotGrade
from kindlab.errors import Problem
from kindlab.grading.limit import PER_CHECK, TooLong, limited
from kindlab.grading.outcome import CheckResult, Outcome
from kindlab.labs import Lab
from kindlab.trace import trace
from kindlab.witness import about

log = logging.getLogger(__name__)

ANSWERS = 10.0
"""Seconds within which a cluster that is there says its version."""


class GradingPlugin:
    """Collects `results`; gives tests the fixtures `lab` and `api`. `only` keeps the checks of these tasks, `names`
    those that are called so."""

    def __init__(
        self,
        api: Api,
        lab: Lab,
        namespace: str,
        only: frozenset[str] | None = None,
        *,
        names: frozenset[str] | None = None,
    ) -> None:
        self.api_object = api
        self.lab_read = lab
        self.namespace = namespace
        self.only = only
        self.names = names
        self.results: list[CheckResult] = []
        self.problems: list[str] = []
        self.interrupted = False
        """Whether somebody pressed Ctrl-C: pytest keeps that to itself."""
        self._at, self._beside = "", ""
        self.gone: Unreachable | None = None
        """What the cluster said when it did not answer any more: then no other check was begun."""

    @pytest.fixture(scope="session")
    def api(self) -> Api:
        return self.api_object

    @pytest.fixture(scope="session")
    def lab(self) -> LiveLab:
        return LiveLab(self.api_object, self.namespace, self.lab_read.prefix, self.lab_read.variant)

    @pytest.fixture(scope="session")
    def tasks(self, request: pytest.FixtureRequest) -> frozenset[str]:
        """The ids of the tasks that are being graded: for what is prepared for several checks at once."""
        return frozenset(_mark(item).task for item in request.session.items)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{MARK}(task, sentence, hidden): the task this check belongs to")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        unmarked = [i.name for i in items if i.get_closest_marker(MARK) is None]
        if unmarked:
            self.problems.append(f"these tests of the grader belong to no task: {', '.join(unmarked)}")
        if self.only is not None:
            items[:] = [i for i in items if _mark(i).task in self.only]
        if self.names is not None:
            items[:] = [i for i in items if i.name in self.names]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            log.error("the grader cannot be loaded:\n%s", report.longreprtext)
            self.problems.append(f"the grader cannot be loaded: {report.longreprtext.strip().splitlines()[-1]}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest ends in the same way after a grader that cannot be loaded, with a subclass of it
        self.interrupted = excinfo.type is KeyboardInterrupt

    @contextmanager
    def _part(self, part: str) -> Iterator[None]:
        """Tell whoever keeps this grading what is done beside the check itself."""
        before, self._beside = self._beside, part
        about(self._at, part)
        try:
            yield
        finally:
            self._beside = before
            about(self._at, before)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
        yield
        if call.when != "call" and call.excinfo is None:
            return
        of = _mark(item)
        sentence = variants.filled(of.sentence, self.lab_read.variant)
        result = CheckResult(item.name, of.task, sentence, Outcome.PASSED, seconds=round(call.duration, 3))
        result.hidden = of.hidden
        if call.excinfo is not None:
            self._judge(result, call.excinfo.value)
        for part in ("sentence", "expected", "next"):
            setattr(result, part, self.lab_read.spelled(getattr(result, part)))
        if call.when == "call" or result.outcome is not Outcome.PASSED:
            self.results.append(result)
        if result.outcome is Outcome.COULD_NOT_GRADE and (gone := _gone(self.api_object)):
            self.gone, item.session.shouldstop = gone, "the cluster is gone"

    # -- what runs: told to who keeps it, and limited

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self._at = item.name
        about(item.name)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        with self._part(f"shared {fixturedef.argname}"):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        with limited(PER_CHECK):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        with limited(PER_CHECK):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        with limited(PER_CHECK):
            return (yield)

    def _judge(self, result: CheckResult, error: BaseException) -> None:
        if isinstance(error, CheckFailed):
            result.outcome = Outcome.FAILED
            result.expected, result.seen = error.expected, error.seen
            result.broken_hop, result.next = error.hop, error.then
            if error.about:
                self._trace(result, error.about)
        elif isinstance(error, ContainerAtFault):
            result.outcome = Outcome.FAILED
            result.expected, result.seen, result.next = error.expected, error.seen, error.then
        elif isinstance(error, AssertionError):
            result.outcome = Outcome.FAILED
            result.expected, result.seen = result.sentence, str(error).split("\n", 1)[0]
        else:
            result.outcome = Outcome.COULD_NOT_GRADE
            log.error("check %s could not be graded", result.name, exc_info=error)
            result.seen = _brief(error)
            result.next = "kindlab check again; if it stays, kindlab status shows the state of the cluster"

    def _trace(self, result: CheckResult, what: str) -> None:
        try:
            with self._part("why"):
                path = trace(self.api_object, self.namespace, what)
        except (Problem, ApiError, CouldNotGrade):
            log.exception("tracing %s failed", what)
            return
        if path.broken is not None:
            result.broken_hop = f"{path.broken.name}: {path.broken.evidence}"
            result.next = result.next or path.broken.next
        result.next = result.next or f"kindlab why {what} -n {self.namespace}"


class _Mark(NamedTuple):
    task: str
    sentence: str
    hidden: bool = False


def _mark(item: pytest.Item) -> _Mark:
    mark = item.get_closest_marker(MARK)
    return _Mark(str(mark.args[0]), str(mark.args[1]), *mark.args[2:]) if mark else _Mark("", item.name)


def _gone(api: Api) -> Unreachable | None:
    """Why the cluster does not answer, None where it does: a check that broke tells by itself only what broke it."""
    try:
        api.request("GET", "/version", timeout=ANSWERS)
    except Unreachable as error:
        return error
    except ApiError:
        pass
    return None


def _brief(error: BaseException) -> str:
    text = str(error).split("\n", 1)[0]
    if isinstance(error, CouldNotGrade | Problem | ApiError | TooLong):
        return text
    return f"the check itself broke ({type(error).__name__}: {text})"
