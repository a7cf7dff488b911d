"""Tasks that cannot be done on a cluster: they cost nothing, decide nothing, and every report says why."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from kindlab import labs, progress, shown, terminal
from kindlab.api import Api
from kindlab.grading import runner
from kindlab.grading.outcome import CheckResult, Outcome, Report
from kindlab.grading.report import html, text
from kindlab.needs import Found, named, wanting
from kindlab.workspace import Started

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE
SLUG, LOST = "05-exposing-services", "programme-load-balancer"
WHY = "It needs a load balancer that gives Services addresses, but nobody gives any."
HOW = "kindlab addons install metallb"


class Cluster:
    server = "https://nowhere"

    def get(self, *_: Any) -> dict[str, Any]:
        return {}

    def witness(self) -> None:
        return None

    def request(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {}


@pytest.fixture
def grade(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`grade({word: Found}, outcome)`: a grading on a cluster that has everything else; each check has that outcome."""

    def graded(lacking: dict[str, Found], outcome: Outcome = P, only: str | None = None) -> Report:
        def run(lab: labs.Lab, plugin: Any) -> str:
            plugin.results = [CheckResult(f"test_{task}", task, "it works", outcome) for task in sorted(plugin.only)]
            return ""

        monkeypatch.setattr(runner, "_run", run)
        monkeypatch.setattr(runner, "_turn", lambda api, space: nullcontext())
        monkeypatch.setattr(
            runner, "probed", lambda api, words, space: {w: lacking.get(w, Found(True, "there")) for w in words}
        )
        return runner.grade(labs.find(SLUG), cast(Api, Cluster()), only=only)

    return graded


BALANCER = {"load-balancer": Found(False, "nobody gives any", HOW)}


def test_the_others_decide(grade: Any) -> None:
    lab = labs.find(SLUG)
    passed = grade(BALANCER)
    points = lab.max_points - lab.task(LOST).points
    assert (passed.outcome, passed.points, passed.max_points, passed.exit_code) == (P, points, points, 0)
    (lost,) = [task for task in passed.tasks if task.not_here]
    assert (lost.id, lost.outcome, lost.not_here, lost.how_to_get, lost.checks) == (LOST, C, WHY, HOW, [])
    failed = grade(BALANCER, F)
    assert (failed.outcome, failed.points, failed.max_points, failed.exit_code) == (F, 0, points, 1)


def test_nothing_left_could_not_be_graded(grade: Any) -> None:
    everything = grade({"two-nodes": Found(False, "there is one", "Add one.")})
    assert (everything.outcome, everything.max_points, everything.exit_code) == (C, 0, 3)
    assert everything.problem.splitlines()[0] == f"Lab {SLUG} cannot be graded on this cluster."
    single = grade(BALANCER, only=LOST)
    assert (single.outcome, single.max_points) == (C, 0)
    assert single.problem.splitlines() == [f"Task {LOST} of lab {SLUG} cannot be graded on this cluster.", WHY, HOW]


def test_what_is_not_sure_counts_and_could_not_be_graded(grade: Any) -> None:
    """A controller that is restarting is no reason for full points without its tasks."""
    report = grade({"load-balancer": Found(False, "nobody answers just now", sure=False)})
    lab = labs.find(SLUG)
    assert (report.outcome, report.max_points, report.exit_code) == (C, lab.max_points, 3)
    assert report.points == lab.max_points - lab.task(LOST).points
    (task,) = [task for task in report.tasks if task.outcome is C]
    assert not task.not_here
    assert "nobody answers just now" in task.checks[0].seen


def test_every_report_says_why_and_what_brings_it(grade: Any) -> None:
    report = grade(BALANCER)
    shown = " ".join(text.render(report).split())
    assert "33 of 33 points; 7 more cannot be had on this cluster" in shown
    assert f"not here {WHY} to get it {HOW}" in shown
    assert "One task cannot be done here and counts for nothing (–)." in shown
    assert "All others are done." in shown
    fragment = str(html.fragment(report))
    assert WHY in fragment
    assert "<b>33 of 33 points; 7 more cannot be had on this cluster</b>" in fragment
    assert "not here" in fragment
    assert "All tasks that can be done on this cluster are done." in fragment
    assert report.to_json()["points_not_here"] == 7
    rows = {row["id"]: row for row in report.to_json()["tasks"]}
    assert (rows[LOST]["outcome"], rows[LOST]["not_here"], rows[LOST]["next"]) == ("could-not-grade", WHY, HOW)
    assert {row["not_here"] for task, row in rows.items() if task != LOST} == {""}


def test_a_whole_lab_is_no_less(grade: Any) -> None:
    report = grade({})
    assert "cannot be had" not in text.render(report) + str(html.fragment(report))
    assert report.to_json()["points_not_here"] == 0


def test_what_failed_beside_it_is_shown_first(grade: Any) -> None:
    report = grade(BALANCER, F)
    assert f"kindlab hint {SLUG} kiosk-node-port" in text.render(report)
    assert "<details open>" in str(html.fragment(report))


def test_it_is_no_zero_in_the_progress(grade: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path))
    progress.checked(grade(BALANCER))
    part = progress.load()[SLUG]
    assert (part["points"], part["max_points"], part["not_here"]) == (33, 40, [LOST])
    assert "finished" not in part, "what was not done is not finished"
    progress.checked(grade({}))
    assert "not_here" not in progress.load()[SLUG]
    assert progress.load()[SLUG]["finished"]
    whole = progress.load()[SLUG]["points"]
    progress.checked(grade(BALANCER))
    assert progress.load()[SLUG]["points"] == whole == labs.find(SLUG).max_points


def test_start_says_it_before_the_learner_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = labs.find(SLUG)
    found = {word: Found(True, "there") for word in named(lab)} | BALANCER
    done = Started(tmp_path, lacking=wanting(lab, found), refused=["service/x"])
    terminal.started(lab.title, done)
    said = " ".join(capsys.readouterr().out.split())
    assert f"Cannot be done on this cluster: {LOST} {WHY} {HOW}" in said
    assert "not put on this cluster: service/x" in said
    notebook = shown.started(lab, done)
    for answer in (notebook.text, str(notebook.html)):
        assert LOST in answer
        assert WHY in answer
    terminal.started(lab.title, Started(tmp_path))
    assert "Cannot be done" not in capsys.readouterr().out
