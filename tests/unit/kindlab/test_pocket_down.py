"""Removing a pocket cluster's state, whatever its Pods left there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kindlab.clusters.pocket import Pocket


def test_folders_of_any_depth_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path))
    pocket = Pocket("deep")
    (pocket.folder / "nodes").mkdir(parents=True)
    at = os.open(pocket.folder / "nodes", os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=at)
        deeper = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    assert pocket.down(lambda text: None)
    assert not pocket.folder.exists()
    assert not pocket.down(lambda text: None)
