from pathlib import Path

import pytest

from kindlab import progress
from kindlab.errors import Problem, UsageProblem
from kindlab.grading.outcome import Outcome, Report, TaskResult


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path / "work"))
    return tmp_path / "work"


def report(one: int, two: int, outcome: Outcome = Outcome.FAILED) -> Report:
    tasks = [TaskResult("one", "", one, 2, outcome), TaskResult("two", "", two, 3, outcome)]
    return Report("02-services", outcome, one + two, 5, tasks)


def test_the_best_points_of_each_task_are_kept() -> None:
    progress.checked(report(2, 0))
    progress.checked(report(0, 3))
    lab = progress.load()["02-services"]
    assert (lab["attempts"], lab["points"], lab["max_points"]) == (2, 5, 5)
    assert "finished" not in lab
    progress.checked(report(2, 3, Outcome.PASSED))
    assert "finished" in progress.load()["02-services"]


def test_what_could_not_be_graded_changes_nothing(work: Path) -> None:
    progress.checked(report(0, 0, Outcome.COULD_NOT_GRADE))
    assert not progress.file().exists()


def test_hints_are_counted_a_task() -> None:
    assert progress.hints_taken("02-services", "one") == 0
    progress.hint_taken("02-services", "one")
    progress.hint_taken("02-services", "one")
    assert progress.hints_taken("02-services", "one") == 2
    assert progress.hints_taken("02-services", "two") == 0


def test_latest_is_the_lab_last_touched() -> None:
    with pytest.raises(UsageProblem, match="Which lab"):
        progress.latest()
    progress.started("02-services")
    assert progress.latest() == "02-services"


def test_to_start_a_lab_again_is_to_go_back_to_it() -> None:
    for slug in ("12-persistent-volumes", "02-services", "12-persistent-volumes"):
        progress.started(slug)
        assert progress.latest() == slug
    progress.checked(report(1, 0))
    assert progress.latest() == "02-services"
    progress.started("12-persistent-volumes")
    assert progress.latest() == "12-persistent-volumes"


def test_a_damaged_file_is_left_alone_and_named(work: Path) -> None:
    work.mkdir()
    progress.file().write_text("[[[")
    with pytest.raises(Problem, match="is not valid TOML"):
        progress.started("02-services")
    assert progress.file().read_text() == "[[["


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 3", "a is not a table"),
        ("[a]\nstarted = 5", "started of a is 5"),
        ("[a]\nbest = 7", "best of a is 7"),
        ('[a.hints]\none = "x"', "hints of a, one, is 'x'"),
    ],
)
def test_a_file_of_another_shape_is_left_alone_and_named(work: Path, text: str, says: str) -> None:
    work.mkdir()
    progress.file().write_text(text)
    with pytest.raises(Problem) as raised:
        progress.started("02-services")
    assert says in raised.value.why
    assert "move it away" in raised.value.then
    assert progress.file().read_text() == text
