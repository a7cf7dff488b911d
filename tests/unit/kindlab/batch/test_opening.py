"""What is wrong with the words of a run is said before any work."""

from pathlib import Path

import pytest
from tests.unit.kindlab.batch.fakes import LAB, graded, submission

from kindlab.batch import opening
from kindlab.errors import UsageProblem


@pytest.fixture
def klass(tmp_path: Path) -> Path:
    (tmp_path / "class" / "ann").mkdir(parents=True)
    return tmp_path / "class"


def test_a_run_begins_and_keeps_its_policy(klass: Path, tmp_path: Path):
    (tmp_path / "my.toml").write_text("pass_mark = 50")
    store = opening.opened(klass, tmp_path / "out", LAB, rules=tmp_path / "my.toml")
    assert (store.out / "policy.toml").read_text() == "pass_mark = 50"
    assert store.run.submissions == str(klass)
    store.close()


def test_resume_begins_where_there_is_nothing_yet_and_goes_on_where_there_is(klass: Path, tmp_path: Path):
    for n in range(2):
        found = opening.opened(klass, tmp_path / "out", LAB, resume=True)
        found.keep(graded(submission(tmp_path / f"scratch-{n}", "ann"), {}))
        found.close()
    with pytest.raises(UsageProblem, match="holds another run"):
        opening.opened(klass, tmp_path / "out", LAB)


def test_a_run_with_a_seed_goes_on_with_the_same_only_and_does_not_hold_it(klass: Path, tmp_path: Path):
    seed = b"nobody shall guess it"
    found = opening.opened(klass, tmp_path / "out", LAB, seed=seed)
    found.keep(graded(submission(tmp_path / "scratch", "ann"), {}))
    found.close()
    assert seed.decode() not in (found.out / "run.json").read_text()
    opening.opened(klass, tmp_path / "out", LAB, seed=seed, resume=True).close()
    for other in (None, b"another seed than it was"):
        with pytest.raises(UsageProblem, match="--seed was"):
            opening.opened(klass, tmp_path / "out", LAB, seed=other, resume=True)


def test_tasks_are_graded_again_only_where_a_run_is(klass: Path, tmp_path: Path):
    with pytest.raises(UsageProblem, match="There is no run in"):
        opening.opened(klass, tmp_path / "out", LAB, into=True)


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_submissions_is_said(tmp_path: Path, there: bool):
    if there:
        (tmp_path / "class").mkdir()
    with pytest.raises(UsageProblem, match="is empty" if there else "There is no"):
        opening.opened(tmp_path / "class", tmp_path / "out", LAB)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["class", "class/out", "."])
def test_reports_are_never_written_among_the_submissions(klass: Path, tmp_path: Path, out: str):
    with pytest.raises(UsageProblem, match=r"(?s)lie in each other.*Name a folder beside it"):
        opening.opened(klass, tmp_path / out, LAB)
    assert [one.name for one in klass.iterdir()] == ["ann"]


def test_a_policy_with_a_mistake_leaves_nothing_behind(klass: Path, tmp_path: Path):
    (tmp_path / "my.toml").write_text("passmark = 50")
    with pytest.raises(UsageProblem, match="no key passmark"):
        opening.opened(klass, tmp_path / "out", LAB, rules=tmp_path / "my.toml")
    assert not (tmp_path / "out").exists()
