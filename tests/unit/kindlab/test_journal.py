"""What a run has found out is there for the next one, however the run ended."""

from pathlib import Path

import pytest

from kindlab.journal import Journal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "journal.jsonl"


def test_what_was_added_is_held_again(file: Path) -> None:
    first = Journal(file)
    first.add("a é\n", {"x": [1, None]})
    first.add("b", 1)
    first.add("b", 2)
    assert first.held == Journal(file).held == {"a é\n": {"x": [1, None]}, "b": 2}


def test_an_addition_adds_a_line_and_leaves_the_others(file: Path) -> None:
    journal = Journal(file)
    journal.add("a", 1)
    before, inode = file.read_text(), file.stat().st_ino
    journal.add("b", 2)
    again = Journal(file)
    again.add("c", 3)
    assert file.read_text() == f'{before}["b", 2]\n["c", 3]\n'
    assert file.stat().st_ino == inode, "not written anew"


@pytest.mark.parametrize("left", ['["b", {"x', "[", "[]", "", "nul", '["b"]\n', "[[1], 2]\n", '["c", 3]', "\xff\n"])
def test_half_a_line_is_nothing_and_spoils_nothing(file: Path, left: str) -> None:
    Journal(file).add("a", 1)
    with open(file, "a", encoding="latin-1") as stream:
        stream.write(left)
    journal = Journal(file)
    assert journal.held == {"a": 1}
    journal.add("d", 4)
    assert Journal(file).held == {"a": 1, "d": 4}
    assert file.read_text() == '["a", 1]\n["d", 4]\n'


def test_begun_anew_it_holds_nothing_and_the_file_is_as_it_was_until_there_is_something(file: Path) -> None:
    Journal(file).add("a", 1)
    anew = Journal(file, anew=True)
    assert anew.held == {}
    assert Journal(file).held == {"a": 1}
    anew.add("b", 2)
    assert Journal(file).held == {"b": 2}


def test_what_is_no_longer_good_is_gone_with_the_next_addition(file: Path) -> None:
    for key in ("old x", "new x"):
        Journal(file).add(key, 1)
    journal = Journal(file, still=lambda key: key.startswith("new "))
    assert journal.held == {"new x": 1}
    journal.add("new y", 2)
    assert Journal(file).held == {"new x": 1, "new y": 2}
