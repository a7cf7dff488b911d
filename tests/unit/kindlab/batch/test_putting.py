"""What of a submission's files is read before anything is asked of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from kindlab import labs
from kindlab.batch import putting
from kindlab.batch.nodes import Here
from kindlab.batch.submission import Refused

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n# "


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Refused]:
    """Of three files: 3 KiB, 5 KiB and 3 KiB, where a file may have 4 KiB and all of them 5 KiB."""
    monkeypatch.setattr(putting, "FILE_BYTES", 4 << 10)
    monkeypatch.setattr(putting, "BYTES", 5 << 10)
    for name, size in {"a": 3, "b": 5, "c": 3}.items():
        (tmp_path / f"{name}.yaml").write_text(MAP.ljust((size << 10) - 9, "x"))
    found: list[Refused] = []
    assert list(putting._read(labs.find("02"), tmp_path, Here.of([]), found)) == ["a.yaml"]
    return found


def test_a_file_that_is_too_large_is_told_its_own_size(refused: list[Refused]) -> None:
    assert refused[0] == Refused(
        "b.yaml", "It has 5 KiB; 4 KiB are the most for a file.", "Hand in the lab's files only.", "b.yaml"
    )


def test_a_file_that_is_one_too_many_is_told_the_size_of_all(refused: list[Refused]) -> None:
    assert refused[1:] == [
        Refused(
            "c.yaml",
            "With it the submission has 6 KiB; 5 KiB are the most for all files.",
            "Hand in the lab's files only.",
            "c.yaml",
        )
    ]
