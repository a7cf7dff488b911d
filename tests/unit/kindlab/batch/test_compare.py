"""Two runs side by side, and grades made anew without grading."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.kindlab.batch.fakes import LAB, graded, submission

from kindlab.batch import compare, store, writing
from kindlab.batch.store import Run
from kindlab.commands import grade as commands
from kindlab.errors import UsageProblem
from kindlab.grading.outcome import Outcome

FAILED, COULD_NOT = Outcome.FAILED, Outcome.COULD_NOT_GRADE
TASK, OTHER = LAB.tasks[0], LAB.tasks[1]


def made(folder: Path, lab: str = LAB.slug, **outcomes: dict[str, Outcome]) -> Path:
    """A run in that folder, with these results."""
    out = store.new(folder, Run(lab, str(folder)))
    for who, verdicts in outcomes.items():
        out.keep(graded(submission(folder.parent / f"class-{folder.name}", who), verdicts))
    out.close()
    return folder


def test_runs_that_say_the_same_are_the_same(tmp_path: Path):
    before, after = made(tmp_path / "a", ann={}), made(tmp_path / "b", ann={})
    found = compare.compared(before, after)
    assert found.same
    assert list(found.lines()) == ["1 submission in both: 0 got more, 0 less, 1 the same."]


def test_who_got_more_or_less_and_by_which_check(tmp_path: Path):
    before = made(tmp_path / "a", ann={TASK.id: FAILED}, bob={}, eve={}, old={})
    after = made(tmp_path / "b", ann={}, bob={OTHER.id: FAILED}, eve={TASK.id: COULD_NOT}, new={})
    found = compare.compared(before, after)
    ann, bob, eve = found.changed
    assert (ann.before, ann.after) == (LAB.max_points - TASK.points, LAB.max_points)
    assert ann.tasks == {TASK.id: (0, TASK.points)}
    (flip,) = ann.flips
    assert (flip.task, flip.before, flip.after, flip.seen) == (TASK.id, "failed", "passed", "nothing answers")
    assert (bob.after, bob.flips[0].after) == (LAB.max_points - OTHER.points, "failed")
    assert (eve.after, eve.tasks[TASK.id]) == (None, (TASK.points, None))
    assert (found.only_before, found.only_after, found.same) == (["old"], ["new"], False)
    text = "\n".join(found.lines())
    assert f"Eve (eve): {LAB.max_points} → no grade" in text
    assert text.endswith("3 submissions in both: 1 got more, 1 less, 0 the same, 1 a grade in one only.")
    json.dumps(found.to_json())


def test_another_policy_is_a_difference_though_no_verdict_is(tmp_path: Path):
    before, after = made(tmp_path / "a", ann={}), made(tmp_path / "b", ann={})
    (after / "policy.toml").write_text("scale = 20")
    (changed,) = compare.compared(before, after).changed
    assert (changed.after, changed.flips) == (20, [])


def test_what_only_counts_otherwise_is_told_in_a_line_and_counted_as_the_same(tmp_path: Path):
    before, after = (
        made(tmp_path / "a", ann={}, bob={TASK.id: FAILED}),
        made(tmp_path / "b", ann={}, bob={TASK.id: FAILED}),
    )
    (before / "policy.toml").write_text("scale = 100")
    (after / "policy.toml").write_text(f"scale = 100\n[tasks.{TASK.id}]\nweight = 3")
    bob, *_, weighed, total = list(compare.compared(before, after).lines())
    assert bob.startswith("Bob (bob): 80 → ")
    assert weighed == "Other points for tasks by another policy, and the same grade: Ann (ann)"
    assert total == "2 submissions in both: 0 got more, 1 less, 1 the same."


def test_runs_of_two_labs_are_not_compared(tmp_path: Path):
    with pytest.raises(UsageProblem, match="of two labs"):
        compare.compared(made(tmp_path / "a"), made(tmp_path / "b", "03-service-discovery"))


def test_the_command_says_it_with_its_exit_code(tmp_path: Path):
    before, after = made(tmp_path / "a", ann={}), made(tmp_path / "b", ann={TASK.id: FAILED})
    run = CliRunner()
    done = run.invoke(commands.compare, [str(before), str(after), "--json"], standalone_mode=False)
    assert (done.return_value, json.loads(done.output)["same"]) == (1, False)
    done = run.invoke(commands.compare, [str(before), str(before)], standalone_mode=False)
    assert done.return_value == 0


def grades(folder: Path) -> dict[str, float]:
    with_lock = store.looked_at(folder)
    return {one.graded.id: one.points for one in writing.all_scored(with_lock, LAB)}


def regrade(*words: str) -> int:
    done = CliRunner().invoke(commands.regrade, [*words], standalone_mode=False)
    if done.exception:
        raise done.exception
    return int(done.return_value)


def test_grades_are_made_anew_from_what_was_found(tmp_path: Path):
    out = made(tmp_path / "a", ann={}, bob={TASK.id: FAILED})
    (tmp_path / "p.toml").write_text(f"scale = 100\npass_mark = 99\n[tasks.{TASK.id}]\nweight = 0")
    (tmp_path / "a.csv").write_text("student,points,reason\nbob,-5,copied\n")
    assert regrade(str(out), "--policy", str(tmp_path / "p.toml"), "--adjustments", str(tmp_path / "a.csv")) == 0
    assert grades(out) == {"ann": 100, "bob": 95}
    assert "copied" in (out / "grades.csv").read_text()
    assert {"report.html", "report.md", "results.json", "junit.xml"} == {
        file.name for file in (out / "students" / "bob").iterdir()
    }
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["submissions"], summary["graded"], summary["passed"]) == (2, 2, 1)
    assert regrade(str(out)) == 0
    assert grades(out) == {"ann": 100, "bob": 95}, "both are kept with the run"


def test_a_mistake_in_one_of_them_changes_nothing(tmp_path: Path):
    out = made(tmp_path / "a", ann={})
    (tmp_path / "p.toml").write_text("scale = 100")
    (tmp_path / "a.csv").write_text("student,points\nanna,1\n")
    with pytest.raises(UsageProblem, match="no student 'anna'"):
        regrade(str(out), "--policy", str(tmp_path / "p.toml"), "--adjustments", str(tmp_path / "a.csv"))
    assert not (out / "policy.toml").exists()


def test_what_could_not_be_graded_ends_with_3_and_is_no_zero(tmp_path: Path):
    out = made(tmp_path / "a", ann={TASK.id: COULD_NOT}, bob={})
    assert regrade(str(out)) == 3
    summary = json.loads((out / "summary.json").read_text())
    assert summary["could_not_grade"] == {"ann": f"task {TASK.id}: nothing answers"}
    assert summary["percent"]["mean"] == 100
    row = next(line for line in (out / "grades.csv").read_text().splitlines() if line.startswith("Ann"))
    assert row.split(",")[3] == ""


def test_a_run_whose_submissions_have_gone_says_what_it_takes_to_grade_a_task_again(tmp_path: Path):
    out = made(tmp_path / "a", ann={})
    run = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**run, "submissions": str(tmp_path / "gone")}))
    with pytest.raises(UsageProblem, match=r"(?s)not in .*gone any more.*--submissions"):
        regrade(str(out), "--tasks", TASK.id)
    with pytest.raises(UsageProblem, match="--submissions is for --tasks"):
        regrade(str(out), "--submissions", str(tmp_path))
