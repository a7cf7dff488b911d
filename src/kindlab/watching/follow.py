"""The loop: grade all, then wait for what changes and grade what that concerns. Before it says that all is done it has
graded everything once more."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from kindlab import going, workspace
from kindlab.api import Api, Obj, Unreachable
from kindlab.clusters.base import Status
from kindlab.errors import Problem
from kindlab.going import Told
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome, Report, combined
from kindlab.labs import Lab
from kindlab.watching import asked, concerns, objects, saves
from kindlab.watching.events import Event, Events, Gone, Saved
from kindlab.watching.objects import Change, Key
from kindlab.watching.readiness import SETTLED, Readiness

TOGETHER = 0.06
"""Seconds in which what belongs together comes: the objects of one file, the files of one save."""
PAUSE = 1.0
"""Seconds between two looks for a cluster that has gone."""


@dataclass(frozen=True)
class Round:
    """One grading. `tasks`: those that were graded; `why`: what set it off; `began`: seconds from the change, or from
    the end of the grading before it, until this one began; None for what no change set off."""

    told: Told
    tasks: tuple[str, ...]
    why: str = ""
    began: float | None = None
    passed: tuple[str, ...] = ()
    """Newly."""
    lost: tuple[str, ...] = ()


class Screen(Protocol):
    """Where it is shown."""

    def busy(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def shown(self, one: Round) -> None: ...


@dataclass
class Follower:
    """Follows a lab until `run` is interrupted, or for `seconds`. `ready`: the cluster, waited for by nobody."""

    lab: Lab
    ready: Callable[[], Status]
    screen: Screen
    applying: bool = False
    seconds: float = float("inf")
    last: Round | None = None
    scene: dict[Key, Obj] = field(default_factory=dict)
    own: asked.Own = field(default_factory=asked.Own)
    known: dict[str, asked.Asked] = field(default_factory=dict)
    """Task -> what it asked when it was graded last."""
    free: float = 0.0
    """When the last grading had ended (monotonic)."""
    readiness: Readiness = field(default_factory=Readiness)
    _due: float = float("inf")
    """When the Pods that have become ready late are graded (monotonic)."""
    _saved: dict[Path, bytes] = field(default_factory=dict)
    _ended: bool = False
    _events: Events | None = None

    def run(self) -> None:
        """Raises KeyboardInterrupt when it is ended so, Problem when there is no cluster to begin with."""
        deadline = time.monotonic() + self.seconds
        status = self.ready()
        while time.monotonic() < deadline and not self._ended:
            try:
                self._on(status, deadline)
            except Unreachable as gone:
                if self._ended:
                    return
                then = "It is waited for: kindlab up starts it again, Ctrl-C ends this."
                self.screen.note(" ".join(filter(None, ("The cluster does not answer.", gone.why, then))))
                status = self._back(deadline) or status

    def end(self) -> None:
        """From another thread: soon."""
        self._ended = True
        if self._events is not None:
            self._events.queue.put(Gone("", time.monotonic()))

    def _back(self, deadline: float) -> Status | None:
        while time.monotonic() < deadline and not self._ended:
            time.sleep(PAUSE)
            try:
                status = self.ready()
            except Problem:
                continue
            self.screen.note("The cluster is back.")
            return status
        return None

    def _on(self, status: Status, deadline: float) -> None:
        """Follow the lab on this cluster. Raises Unreachable when it goes."""
        api = status.api()
        events = Events(self.lab, workspace.folder(self.lab), status.api())
        self._events = events
        self.scene.clear()
        self.own = asked.Own()  # another cluster counts its versions anew
        self.readiness, self._due = Readiness(), float("inf")
        try:
            events.begin()
            self._take(_waiting(events))
            self._grade(api, status, None, "")
            # `end` may have told the events of the cluster before this one
            while (left := deadline - time.monotonic()) > 0 and not self._ended:
                try:
                    first = events.queue.get(timeout=max(0.0, min(left, 3600.0, self._due - time.monotonic())))
                except queue.Empty:
                    if time.monotonic() >= self._due:
                        self._grade_late(api, status)
                    continue
                if isinstance(first, Change | Saved):
                    time.sleep(max(0.0, TOGETHER - (time.monotonic() - first.at)))
                self._react(api, status, [first, *_waiting(events)], events)
        finally:
            events.end()

    def _react(self, api: Api, status: Status, news: list[Event], events: Events) -> None:
        concerned, why = set[str](), list[str]()
        for file in dict.fromkeys(one.file for one in news if isinstance(one, Saved)):
            if not self._is_new(file):
                continue
            said = saves.apply(self.lab, api, file) if self.applying else saves.said(self.lab, api, file)
            if said:
                self.screen.note(said)
            concerned |= self._of_file(api, file)
            why.append(f"{file.name} saved")
        if why and self.applying:  # what that has changed is news of the same save, not of another
            time.sleep(TOGETHER)
            for one in _waiting(events):
                if isinstance(one, Saved):
                    events.queue.put(one)
                else:
                    news.append(one)
        for one in news:
            if isinstance(one, Gone):
                raise Unreachable("The cluster does not answer.", one.why)
        for change, tasks in self._take(news):
            concerned |= tasks
            why.append(change.said)
        unknown = {t.id for t in self.lab.tasks} - self.known.keys()
        if concerned:
            began = min(one.at for one in news if isinstance(one, Change | Saved) and one.at)
            late, _ = self._late()
            self.readiness.changed()
            self._grade(api, status, concerned | unknown | late, ", ".join(dict.fromkeys(why)), began)

    def _grade_late(self, api: Api, status: Status) -> None:
        since = self._due
        tasks, pods = self._late()
        if tasks:
            self._grade(api, status, tasks, f"{', '.join(f'pod/{name}' for name in pods)} ready", since)

    def _late(self) -> tuple[set[str], list[str]]:
        """The tasks not passed that are concerned by Pods which have become ready late, and the names of these."""
        self._due = float("inf")
        pods = self.readiness.late()
        changes = [Change(key, None, pod, 0.0) for key, pod in pods.items()]
        concerned = set[str]().union(*(concerns.tasks(one, self.known, self.scene, self.scene) for one in changes))
        passed = _passed(self.last.told.report if self.last else None)
        return concerned - passed, sorted(key[2] for key in pods)

    def _is_new(self, file: Path) -> bool:
        """Whether it says something else than when it was saved last: editors and JupyterLab save as they like."""
        try:
            now = file.read_bytes()
        except OSError:
            return False
        before, self._saved[file] = self._saved.get(file), now
        return now != before

    def _take(self, news: Iterable[Event]) -> list[tuple[Change, set[str]]]:
        """Let the scene be as the changes say; returns those that count, each with the tasks it concerns."""
        changes = [one for one in news if isinstance(one, Change)]
        before = dict(self.scene)
        for change in changes:
            if change.new is None:
                self.scene.pop(change.key, None)
            else:
                self.scene[change.key] = change.new
            if self.readiness.take(change):
                self._due = time.monotonic() + SETTLED
        counting = [one for one in changes if one.at and not self._is_own(one) and objects.counts(one, self.scene)]
        every = {t.id for t in self.lab.tasks}
        return [(one, concerns.tasks(one, self.known, before, self.scene) if self.known else every) for one in counting]

    def _is_own(self, change: Change) -> bool:
        if change.at <= self.own.until.get(change.key, 0.0):
            return True
        return change.new is not None and change.new["metadata"].get("resourceVersion") in self.own.versions

    def _of_file(self, api: Api, file: Path) -> set[str]:
        """The tasks that a file is for, and those that its objects concern."""
        found = {task.id for task in self.lab.tasks if file.name in task.files}
        try:
            names = {obj["metadata"]["name"] for obj in saves.objects(self.lab, api, file)}
        except Problem:
            return found
        return found | {task for task, one in self.known.items() if one.words & names}

    def _grade(self, api: Api, status: Status, tasks: set[str] | None, why: str, since: float | None = None) -> None:
        """Grade these tasks, or all, and show what came of it; all once more where that leaves nothing to do, unless
        nothing was left to do before."""
        was_done = self.last is not None and self._is_all_done(self.last.told.report)
        now = [t.id for t in self.lab.tasks if tasks is None or t.id in tasks]
        whole = len(now) == len(self.lab.tasks)
        self.screen.busy("checking all tasks" if whole else f"checking {', '.join(now)}")
        began = None if since is None else time.monotonic() - max(since, self.free)
        report = self._graded(api, status, now)
        merged = report if whole or self.last is None else merge(self.last.told.report, report)
        if self._is_all_done(merged) and not whole and not was_done:
            self.screen.busy("everything passed: checking all tasks once more")
            now, whole = [t.id for t in self.lab.tasks], True
            merged = self._graded(api, status, now)
        is_attempt = self.last is None or (self._is_all_done(merged) and not was_done)
        told = going.told(self.lab, merged, whole=True, counts=is_attempt)
        if not self._is_all_done(merged):
            told = replace(told, news=told.news if self.last is None else None)
        before, after = _passed(self.last.told.report if self.last else None), _passed(merged)
        first = self.last is None
        self.last = Round(
            told,
            tuple(now),
            why,
            began,
            () if first else tuple(sorted(after - before)),
            () if first else tuple(sorted((before - after) & _failed(merged))),
        )
        self.free = time.monotonic()
        self.screen.shown(self.last)

    def _graded(self, api: Api, status: Status, tasks: list[str]) -> Report:
        """Raises Unreachable when the cluster has gone in the middle."""
        listening = asked.Listening(api, self.own)
        since = time.monotonic()
        try:
            report = runner.grade(self.lab, listening, cluster=status.name, only=tasks)
        finally:
            self.own.ended()
            self.readiness.graded(since, time.monotonic(), partial(self._concerns_only, frozenset(tasks)))
        if report.problem:
            api.request("GET", "/version")
            for task in tasks:
                self.known.pop(task, None)
            return report
        checks = {check.name: task.id for task in report.tasks for check in task.checks}
        self.known |= asked.by_task(listening.checks, checks, asked.uses(self.lab.grader))
        return report

    def _concerns_only(self, tasks: frozenset[str], change: Change) -> bool:
        return concerns.tasks(change, self.known, self.scene, self.scene) <= tasks

    def _is_all_done(self, report: Report) -> bool:
        return report.outcome is Outcome.PASSED and len(report.tasks) == len(self.lab.tasks)


def merge(old: Report, new: Report) -> Report:
    """The old report with the tasks of the new one in their places; a new one that could not be graded as a whole
    stands for itself."""
    if new.problem or old.problem:
        return new
    return combined(old, new)


def _waiting(events: Events) -> list[Event]:
    """All that has come."""
    found = []
    while True:
        try:
            found.append(events.queue.get_nowait())
        except queue.Empty:
            return found


def _passed(report: Report | None) -> set[str]:
    return {task.id for task in report.tasks if task.outcome is Outcome.PASSED} if report else set()


def _failed(report: Report) -> set[str]:
    return {task.id for task in report.tasks if task.outcome is Outcome.FAILED}
