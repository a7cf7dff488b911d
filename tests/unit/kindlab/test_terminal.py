"""How the terminal says things."""

from __future__ import annotations

from pathlib import Path

import pytest

from kindlab import terminal


def test_a_path_is_short_and_never_a_mere_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "lab"
    here.mkdir()
    monkeypatch.chdir(here)
    assert terminal.path(here / "cart.yaml") == "cart.yaml"
    assert terminal.path(tmp_path / "other") == str(tmp_path / "other")
    assert terminal.path(here) == str(here)  # a reset moves the folder in which its terminal stands
