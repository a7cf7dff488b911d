"""What is shown of a lab that is followed: a picture that changes in a terminal, lines elsewhere. Ctrl-C ends it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from kindlab import terminal
from kindlab.clusters import base
from kindlab.clusters.base import Status
from kindlab.grading.outcome import TaskResult
from kindlab.grading.report import text
from kindlab.grading.report.told import MARKS
from kindlab.labs import Lab
from kindlab.watching.follow import Follower, Round

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

Line = tuple[str, str]
NOTES = 3
"""How many of the last notes stay in the picture."""


def follow(lab: Lab, cluster: str | None, *, applying: bool) -> int:
    """Follow the lab until Ctrl-C; returns the last report's exit code. Raises Problem without a cluster to begin
    with, KeyboardInterrupt when nothing had been graded yet."""
    ready: Callable[[], Status] = lambda: base.ready(cluster)  # noqa: E731
    live = sys.stdout.isatty() and not os.environ.get("CI")
    with Picture() if live else Lines() as screen:
        follower = Follower(lab, ready, screen, applying)
        try:
            follower.run()
        except KeyboardInterrupt:
            if follower.last is None:
                raise
    assert follower.last is not None  # it runs until it is interrupted
    return follower.last.told.exit_code


def line_of(task: TaskResult, width: int, one: Round) -> Line:
    """A task in a line, with what has become of it in this round."""
    news = "NEWLY PASSED: " if task.id in one.passed else "NO LONGER PASSED: " if task.id in one.lost else ""
    mark, points = ("–", "–") if task.not_here else (MARKS[task.outcome], text.points(task))
    style = "yellow" if task.not_here else text.STYLES[task.outcome]
    return f"  {mark} {task.id:<{width}}  {points:>2}/{task.max_points}  {news}{task.title}", style


def lines_of(one: Round) -> Iterator[Line]:
    """The whole list, and the evidence of those just graded that did not pass; without any, of the first such task."""
    report = one.told.report
    if report.problem:
        yield from text.lines(report)
        return
    on = f" on {report.cluster}" if report.cluster else ""
    yield f"{report.lab}{on}: {report.score}", "bold"
    yield "", ""
    width = max((len(task.id) for task in report.tasks), default=0)
    undone = [task for task in report.tasks if task.first_failure is not None and not task.not_here]
    told = [task for task in undone if task.id in one.tasks] if one.why else []
    for task in report.tasks:
        yield line_of(task, width, one)
        if task in (told or undone)[:1]:
            yield from text.evidence(task)


def said_of(one: Round) -> str:
    """What set a grading off, and how soon."""
    if not one.why or one.began is None:
        return ""
    return f"{one.why}: {', '.join(one.tasks)} graded {one.began * 1000:.0f} ms later"


class Lines:
    """For pipes and logs: the whole report at first, then what each round brings."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def busy(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        self._say(text)

    def shown(self, one: Round) -> None:
        report = one.told.report
        if not one.why or report.problem or one.told.after:
            for line, _ in one.told.lines():
                self._say(line)
        if one.why:
            self._say(f"{time.strftime('%H:%M:%S')} {said_of(one)}; {report.score}")
            width = max(map(len, one.tasks), default=0)
            for task in report.tasks:
                if task.id in one.tasks and not report.problem:
                    self._say(line_of(task, width, one)[0])
                    for line, _ in text.evidence(task):
                        self._say(line)
        if not one.why:
            self._say("Following your files and the cluster; Ctrl-C ends.")

    def _say(self, line: str) -> None:
        print(terminal.harmless(line), flush=True)


class Picture:
    """For a terminal."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._began = time.monotonic()
        self._round: Round | None = None
        self._busy = "looking at the cluster"
        self._notes: list[str] = []

    def __enter__(self) -> Picture:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), get_renderable=self._drawn, refresh_per_second=4, redirect_stderr=False)
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._busy = ""
        if self._live is not None:
            self._live.__exit__(kind, error, traceback)

    def busy(self, text: str) -> None:
        self._busy = text
        self._refresh()

    def note(self, text: str) -> None:
        self._notes = [*self._notes, f"{time.strftime('%H:%M:%S')} {text}"][-NOTES:]
        self._refresh()

    def shown(self, one: Round) -> None:
        self._round, self._busy = one, ""
        if said := said_of(one):
            self.note(said)
        self._refresh()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.refresh()

    def _drawn(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        plain = "NO_COLOR" in os.environ
        parts = [Text("")]
        lines: list[Line] = []
        if self._round is not None:
            lines += lines_of(self._round)
            lines += [("", ""), *((line, "bold") for line in self._round.told.after)]
        lines += [(note, "cyan") for note in self._notes]
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        state = self._busy or "waiting for what you change; Ctrl-C ends"
        lines.append((f"[{minutes:02}:{seconds:02}] {state}", "dim"))
        for line, style in lines:
            parts.append(Text(terminal.harmless(line), style="" if plain else style))
        return Group(*parts)
