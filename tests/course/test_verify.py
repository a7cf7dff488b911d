"""`kindlab verify`: the verdicts on a cluster that is not ours beside pocket's."""

import json
from pathlib import Path

import pytest
from tests.course.command import runner

from kindlab import labs, scaffold, states, verify
from kindlab.clusters.base import Status
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult
from kindlab.states import State
from kindlab.trials import Tried

SLUG = "17-my-lab"


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of one small lab."""
    folder = tmp_path / "course"
    for name in ("labs", "graders", "solutions"):
        (folder / name).mkdir(parents=True)
    (folder / "graders" / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setenv("KINDLAB_COURSE", str(folder))
    scaffold.create(SLUG)
    return folder


@pytest.mark.slow
def test_every_answer_is_graded_on_both_and_the_table_says_so(another: Status, course: Path, tmp_path: Path) -> None:
    assert another.kubeconfig
    run = runner(
        KINDLAB_COURSE=str(course),
        KINDLAB_HOME=str(tmp_path / "home"),
        KINDLAB_WORK=str(tmp_path / "work"),
        KUBECONFIG=another.kubeconfig,
    )
    done = run("verify", "17", "--cluster", "current", "--json", "--out", str(tmp_path / "parity.md"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    answers = len(list(states.states(labs.find("17"))))
    (row,) = found["rows"]
    assert found["agrees"]
    assert (row["answers"], row["right"], row["verdicts"], row["same"]) == (answers, answers, answers, answers)
    text = (tmp_path / "parity.md").read_text(encoding="utf-8")
    assert f"| {SLUG} | {answers} | {answers} | {answers} | {answers} |" in text
    assert "Nothing." in text
    assert another.api().get("Namespace", SLUG) is None


def test_somebody_s_namespace_is_not_taken_without_asking(another: Status, course: Path, tmp_path: Path) -> None:
    assert another.kubeconfig
    api = another.api()
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SLUG}})
    try:
        run = runner(
            KINDLAB_COURSE=str(course), KINDLAB_HOME=str(tmp_path / "home"), KUBECONFIG=str(another.kubeconfig)
        )
        done = run("verify", "17", "--cluster", "current")
        assert done.returncode != 0
        assert f"Delete everything in {SLUG}" in done.stderr
        assert api.get("Namespace", SLUG) is not None
    finally:
        api.delete("Namespace", SLUG, wait=True)


def tried(state: State, **outcomes: Outcome) -> Tried:
    checks = [CheckResult(name, "t", "", outcome, seen="HTTP 503") for name, outcome in outcomes.items()]
    return Tried(state, Report(SLUG, Outcome.FAILED, 0, 1, [TaskResult("t", "", 0, 1, Outcome.FAILED, checks)]))


def test_what_differs_is_named_and_what_is_left_to_chance_is_not() -> None:
    state = State(SLUG, "wrong/x", (), frozenset({"test_a"}), frozenset({"test_c"}))
    here = tried(state, test_a=Outcome.FAILED, test_b=Outcome.PASSED, test_c=Outcome.PASSED)
    there = tried(state, test_a=Outcome.PASSED, test_b=Outcome.COULD_NOT_GRADE, test_c=Outcome.FAILED)
    differences = list(verify.compared(here, there))
    assert [(d.check, d.there, d.pocket) for d in differences] == [
        ("test_a", "passed", "failed"),
        ("test_b", "could-not-grade", "passed"),
    ]
    assert "test_b" in verify.trouble(there)
    assert not verify.trouble(here)
    found = verify.Verified("kind (v1.36.4)", [verify.Row(SLUG, 1, 2, 0)], differences)
    assert not found.agrees
    text = verify.table(found, "2026-11-21")
    assert "test_b is could-not-grade there (HTTP 503) and passed on pocket" in text
    nothing = Tried(state, None, "the cluster is gone")
    assert {d.there for d in verify.compared(here, nothing)} == {"not run"}
