"""`kindlab check --all-tasks`: for who must know that nothing was left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kindlab import labs
from kindlab.cli import cli
from kindlab.commands import lab as commands
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult

SLUG = "02-services"


@pytest.mark.parametrize(("not_here", "flag", "code"), [("no zone", True, 3), ("no zone", False, 0), ("", True, 0)])
def test_a_task_that_was_left_out_is_named_and_changes_the_exit_code(
    not_here: str, flag: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path / "work"))
    tasks = [
        TaskResult(t.id, t.title, t.points, t.points, Outcome.PASSED, [CheckResult("c", t.id, "s", Outcome.PASSED)])
        for t in labs.find(SLUG).tasks
    ]
    if not_here:
        last = tasks[-1]
        tasks[-1] = TaskResult(last.id, last.title, 0, last.max_points, Outcome.COULD_NOT_GRADE, [], not_here)
    points = sum(t.points for t in tasks)
    report = Report(SLUG, Outcome.PASSED, points, points, tasks)
    monkeypatch.setattr(commands, "_grade", lambda *_, **__: report)
    ran = CliRunner().invoke(cli, ["check", SLUG, *(["--all-tasks"] if flag else [])], standalone_mode=False)
    assert ran.exception is None
    assert ran.return_value == code
    assert (f"Not all tasks were graded: {tasks[-1].id} cannot be done on this cluster." in ran.output) is (code == 3)
