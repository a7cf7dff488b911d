"""Removing a pocket cluster's state, whatever its Pods left there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kindlab.clusters import base
from kindlab.clusters.pocket import Pocket
from kindlab.errors import UsageProblem


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


@pytest.mark.parametrize("kind", ["pocket", "kind"])
@pytest.mark.parametrize(
    "name", ["deep/..", "deep/../../../precious", "../precious", "..", "-h", ".", "a\\b", "a\nb", "\x1b"]
)
def test_a_name_that_leads_out_of_our_folder_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    """`down` removes the folder of that name, with all that is in it."""
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path / "home"))
    (tmp_path / "precious").mkdir()
    (tmp_path / "home" / "clusters" / f"{kind}-deep").mkdir(parents=True)
    with pytest.raises(UsageProblem, match="cannot be called"):
        base.active(kind, name).down(lambda text: None)
    assert (tmp_path / "precious").is_dir()
    assert (tmp_path / "home" / "clusters" / f"{kind}-deep").is_dir()
