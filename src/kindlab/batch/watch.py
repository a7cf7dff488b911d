"""How far a run is: a bar on a terminal, and now and then a line elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import click

from kindlab.batch.graded import Graded
from kindlab.batch.summary import counted
from kindlab.verify.run import spoken

EVERY = 10.0
"""Seconds between two lines, where there is no terminal."""


@contextlib.contextmanager
def watching(total: int, *, quiet: bool = False) -> Iterator[Bar | Lines]:
    """`total`: how many submissions there are, 0 where nobody knows yet; `quiet` shows nothing."""
    if quiet or not sys.stderr.isatty() or os.environ.get("CI"):
        yield Lines(total, (lambda text: None) if quiet else _to_stderr)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("grading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="yellow", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield Bar(shown, shown.add_task("", total=total or None, rate="", failed=""))


class Lines:
    """A line every ten seconds, and when it ends."""

    def __init__(self, total: int, say: Callable[[str], Any], clock: Callable[[], float] = monotonic) -> None:
        self._total, self._say, self._clock = total, say, clock
        self._graded = self._before = self._could_not = 0
        self._began = self._said = clock()

    def before(self) -> None:
        self._before += 1

    def done(self, graded: Graded, has_grade: bool) -> None:
        self._graded += 1
        self._could_not += not has_grade
        now = self._clock()
        if now - self._said >= EVERY or self._before + self._graded == self._total:
            self._said = now
            self._say(self._line(now - self._began))

    def again(self, count: int) -> None:
        self._say(once_more(count))

    def _line(self, seconds: float) -> str:
        done = self._before + self._graded
        line = f"[{seconds:3.0f} s] {done}{f' of {self._total}' if self._total else ''}"
        if seconds > 0:
            line += f", {rate(self._graded / seconds)}"
        if left := self._total - done:
            line += f", about {spoken(seconds / self._graded * left)} left" if left > 0 else ""
        return line + (f", {self._could_not} could not be graded" if self._could_not else "")


class Bar:
    """rich's."""

    def __init__(self, shown: Any, task: Any) -> None:
        self._shown, self._task = shown, task
        self._graded = self._could_not = 0
        self._began = monotonic()

    def before(self) -> None:
        self._shown.update(self._task, advance=1)

    def done(self, graded: Graded, has_grade: bool) -> None:
        self._graded += 1
        self._could_not += not has_grade
        failed = f"{self._could_not} could not be graded" if self._could_not else ""
        speed = rate(self._graded / max(monotonic() - self._began, 0.001))
        self._shown.update(self._task, advance=1, rate=speed, failed=failed)

    def again(self, count: int) -> None:
        self._shown.console.print(once_more(count), markup=False, highlight=False)


def rate(a_second: float) -> str:
    return f"{a_second:.1f} a second" if a_second >= 1 else f"{a_second * 60:.1f} a minute"


def once_more(count: int) -> str:
    return f"{counted(count)} could not be graded; once more, on fresh clusters"


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)
