"""How far a run is, without a terminal."""

import io
import sys
from pathlib import Path

import pytest
from tests.unit.kindlab.batch.fakes import graded, submission

from kindlab.batch.watch import EVERY, Bar, Lines, watching


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_now_and_then_and_one_at_the_end(tmp_path: Path):
    clock, said = Clock(), list[str]()
    one = graded(submission(tmp_path, "ann"), {})
    lines = Lines(5, said.append, clock)
    lines.before()
    lines.done(one, True)
    assert said == []
    clock.now = EVERY
    lines.done(one, False)
    assert said == ["[ 10 s] 3 of 5, 12.0 a minute, about 10 s left, 1 could not be graded"]
    lines.done(one, True)
    lines.again(1)
    clock.now = EVERY + 1
    lines.done(one, True)
    assert said[1:] == [
        "1 submission could not be graded; once more, on fresh clusters",
        "[ 11 s] 5 of 5, 21.8 a minute, 1 could not be graded",
    ]


def test_where_nobody_knows_how_many_there_are(tmp_path: Path):
    clock, said = Clock(), list[str]()
    lines = Lines(0, said.append, clock)
    clock.now = EVERY
    lines.done(graded(submission(tmp_path, "ann"), {}), True)
    assert said == ["[ 10 s] 1, 6.0 a minute"]


def test_without_a_terminal_there_are_lines():
    with watching(3) as watch:
        assert isinstance(watch, Lines)


def test_on_a_terminal_there_is_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    one = graded(submission(tmp_path, "ann"), {})
    with watching(3) as watch:
        assert isinstance(watch, Bar)
        watch.before()
        watch.done(one, True)
        watch.again(1)
        watch.done(one, False)
    shown = screen.getvalue()
    for said in ("3/3", "1 could not be graded", "1 submission could not be graded; once more"):
        assert said in shown
