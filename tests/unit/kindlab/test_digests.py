from pathlib import Path

import pytest

from kindlab import digests


def test_files_and_folders_whatever_their_order(tmp_path: Path):
    (tmp_path / "lab" / "start").mkdir(parents=True)
    (tmp_path / "lab" / "start" / "a.yaml").write_text("a")
    (tmp_path / "grader.py").write_text("g")
    places = [tmp_path / "lab", tmp_path / "grader.py"]
    before = digests.of(places)
    assert digests.of(reversed(places)) == before
    assert digests.of(places, "3.12") != before
    (tmp_path / "lab" / "__pycache__").mkdir()
    (tmp_path / "lab" / "__pycache__" / "x.pyc").write_text("")
    assert digests.of(places) == before
    (tmp_path / "lab" / "start" / "a.yaml").rename(tmp_path / "lab" / "start" / "b.yaml")
    assert digests.of(places) != before


def test_a_file_that_is_not_there_is_no_digest(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        digests.of([tmp_path / "no"])
