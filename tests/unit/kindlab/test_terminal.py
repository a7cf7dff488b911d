"""How the terminal says things."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from kindlab import paths, terminal
from kindlab.errors import Problem


def test_a_path_is_short_and_never_a_mere_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "lab"
    here.mkdir()
    monkeypatch.chdir(here)
    assert terminal.path(here / "cart.yaml") == "cart.yaml"
    assert terminal.path(tmp_path / "other") == str(tmp_path / "other")
    assert terminal.path(here) == str(here)  # a reset moves the folder in which its terminal stands


EVIL = "Pod \x1b]0;owned\x07a\x1b[2J\u202e: [/etc] [red]x\r"
"""What somebody may have written into an event: a window's title, an empty screen, the other direction, markup."""


def test_words_of_a_cluster_do_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.problem(Problem(EVIL, EVIL, EVIL))
    terminal.styled(EVIL)
    with terminal.steps(slow=True) as step:
        step(EVIL)
    said = "".join(capsys.readouterr())
    assert said.count("[/etc] [red]x") == 5
    assert not set(said) & set("\x1b\x07\r\u202e")


@pytest.mark.parametrize("slow", [False, True])
def test_a_step_in_brackets_is_no_markup(monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.steps(slow=slow) as step:
        step(EVIL)
    assert "\x1b]0;owned" not in screen.getvalue()


def test_a_file_is_written_with_its_own_mode_whatever_lies_in_the_place_of_its_first_name(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    (tmp_path / f".secret.{os.getpid()}").symlink_to(precious)
    paths.write_atomically(tmp_path / "secret", "token", mode=0o600)
    assert precious.read_text(encoding="utf-8") == "mine"
    (tmp_path / f".secret.{os.getpid()}").touch(mode=0o666)
    paths.write_atomically(tmp_path / "secret", "token", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
