"""The words of kindlab grade and kindlab regrade."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.kindlab.batch.fakes import LAB, FakeFarm, graded, submission

from kindlab.batch import store
from kindlab.batch.store import Run
from kindlab.commands import grade as commands
from kindlab.errors import UsageProblem
from kindlab.grading.outcome import Outcome

TASK = LAB.tasks[0]


def grade(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(commands.grade, ["--lab", "02", *map(str, words)], standalone_mode=False)
    if done.exception:
        raise done.exception
    return int(done.return_value), done.output


@pytest.fixture
def klass(tmp_path: Path) -> Path:
    for who in ("ann", "bob"):
        submission(tmp_path / "class", who)
    return tmp_path / "class"


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch) -> FakeFarm:
    fake = FakeFarm()
    monkeypatch.setattr(commands, "_farm", lambda *_: fake)
    return fake


def test_it_needs_submissions_and_a_folder_for_the_grades(tmp_path: Path):
    with pytest.raises(UsageProblem, match="Which submissions, and where to"):
        grade()
    with pytest.raises(UsageProblem, match="Which submissions, and where to"):
        grade(tmp_path)


def test_a_policy_to_begin_with(tmp_path: Path):
    code, said = grade("--init-policy", tmp_path / "policy.toml")
    assert code == 0
    assert "take the # away" in said
    assert f"[tasks.{TASK.id}]" in (tmp_path / "policy.toml").read_text()


def test_a_class_is_graded_and_said_in_figures(klass: Path, farm: FakeFarm, tmp_path: Path):
    farm.verdicts["bob"] = [{TASK.id: Outcome.FAILED}]
    code, said = grade(klass, "--out", tmp_path / "out")
    assert code == 0, "all were graded, whatever their points"
    assert "2 of 2 submissions graded." in said
    assert (tmp_path / "out" / "overview.html").is_file()


def test_what_could_not_be_graded_ends_with_3_and_says_how_to_go_on(klass: Path, farm: FakeFarm, tmp_path: Path):
    farm.verdicts["bob"] = ["it took longer than 300 s"]
    code, said = grade(klass, "--out", tmp_path / "out")
    assert code == 3
    assert "bob: It took longer than 300 s." in said
    assert "--resume" in said
    code, said = grade(klass, "--out", tmp_path / "out", "--resume")
    assert "1 was graded before, 1 now." in said
    assert farm.asked == ["ann", "bob", "bob", "bob", "bob"]


def test_who_stops_it_is_told_what_was_kept(klass: Path, farm: FakeFarm, tmp_path: Path):
    farm.verdicts["bob"] = ["Ctrl-C"]
    done = CliRunner().invoke(
        commands.grade, ["--lab", "02", str(klass), "--out", str(tmp_path / "out")], standalone_mode=False
    )
    assert done.exit_code == 130
    assert "Stopped. Kept: 1 result, and reports of these, in" in done.stderr
    assert (tmp_path / "out" / "grades.csv").read_text(encoding="utf-8").count("\nann,") == 1
    assert (tmp_path / "out" / "students" / "ann" / "report.html").is_file()


def test_a_roster_stays_with_its_run(klass: Path, farm: FakeFarm, tmp_path: Path):
    (tmp_path / "roster.csv").write_text("id,name\nann,Ann Arbor\nbob,Bob\nzoe,Zoë\n")
    grade(klass, "--out", tmp_path / "out", "--roster", tmp_path / "roster.csv")
    found = store.looked_at(tmp_path / "out")
    assert found.ids() == ["ann", "bob", "zoe"]
    (tmp_path / "roster.csv").unlink()
    _, said = grade(klass, "--out", tmp_path / "out", "--tasks", TASK.id)
    assert "3 of 3 submissions graded." in said
    ann = found.get("ann")
    assert ann is not None
    assert ann.student == "Ann Arbor"


def test_a_task_of_a_run_with_a_seed_is_not_graded_again_without_it(tmp_path: Path):
    (tmp_path / "class").mkdir()
    made = store.new(tmp_path / "out", Run(LAB.slug, str(tmp_path / "class"), seed="0123"))
    made.keep(graded(submission(tmp_path / "scratch", "ann"), {}))
    made.close()
    words = [str(tmp_path / "out"), "--tasks", TASK.id]
    done = CliRunner().invoke(commands.regrade, words, standalone_mode=False)
    assert isinstance(done.exception, UsageProblem)
    assert "--seed FILE" in done.exception.then


@pytest.mark.parametrize("words", [("--submissions", "elsewhere"), ("--tasks", TASK.id)])
def test_a_regrade_that_is_refused_has_changed_nothing(words: tuple[str, str], tmp_path: Path):
    made = store.new(tmp_path / "out", Run(LAB.slug, str(tmp_path / "gone")))
    made.keep(graded(submission(tmp_path / "scratch", "ann"), {}))
    made.close()
    (tmp_path / "policy.toml").write_text("pass_mark = 60\n")
    asked = [str(tmp_path / "out"), *words, "--policy", str(tmp_path / "policy.toml")]
    done = CliRunner().invoke(commands.regrade, asked, standalone_mode=False)
    assert isinstance(done.exception, UsageProblem)
    assert not (tmp_path / "out" / "policy.toml").exists()


def test_the_help_has_every_option_once_and_under_headings():
    text = CliRunner().invoke(commands.grade, ["--help"], standalone_mode=False).output
    options = [word for one in commands.grade.params for word in one.opts if word.startswith("--")]
    for option in [*options, "--help"]:
        assert len(re.findall(rf"(?m)^  (?:-h, )?{option}\b(?!-)", text)) == 1, option
    assert [name for name in commands.SECTIONS if f"\n{name}:\n" not in text] == []
    known = {one.name for one in commands.grade.params}
    assert {name for names in commands.SECTIONS.values() for name in names} <= known
