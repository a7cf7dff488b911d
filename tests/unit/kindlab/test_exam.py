"""Exam mode, and what is told of a check."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from kindlab import exam, going, labs, progress, shown
from kindlab.cli import cli
from kindlab.errors import UsageProblem
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE
SLUG = "02-services"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path / "work"))
    return tmp_path / "work"


def report(*outcomes: Outcome) -> Report:
    tasks = [
        TaskResult(
            t.id,
            t.title,
            t.points if o is P else 0,
            t.points,
            o,
            [CheckResult("test", t.id, "it works", o, "the expected", "the seen", "the hop", "the next")],
        )
        for t, o in zip(labs.find(SLUG).tasks, outcomes, strict=False)
    ]
    points = sum(t.points for t in tasks)
    whole = F if F in outcomes else C if C in outcomes else P
    return Report(SLUG, whole, points, sum(t.max_points for t in tasks), tasks)


def pass_time(minutes: int) -> None:
    with progress.changing() as table:
        before = datetime.now(UTC) - timedelta(minutes=minutes)
        table[SLUG]["exam"]["started"] = before.isoformat(timespec="seconds")


def test_before_the_end_nothing_is_told_but_what_was_looked_at() -> None:
    exam.begin(SLUG, 60)
    told = going.told(labs.find(SLUG), report(P, F, C), whole=True)
    said = "\n".join(
        (
            *(line for line, _ in told.lines()),
            json.dumps(told.to_json()),
            shown.told(told).text,
            str(shown.told(told).html),
        )
    )
    for secret in ("points", "✔", "✘", "failed", "passed", "the expected", "the hop", "the next"):
        assert secret not in said
    assert "2 of 3 tasks looked at" in said
    assert "the seen" in said  # why a task could not be looked at is no secret
    assert told.exit_code == 3
    assert going.told(labs.find(SLUG), report(P, F), whole=True).exit_code == 0
    assert "attempts" not in progress.load()[SLUG]


def test_help_is_refused_until_it_is_ended() -> None:
    exam.refuse("There are no hints")
    exam.begin(SLUG, 0)
    with pytest.raises(UsageProblem, match="There are no hints in an exam") as refused:
        exam.refuse("There are no hints")
    assert "kindlab finish 02" in refused.value.then
    with pytest.raises(UsageProblem, match="is not over"):
        exam.begin("03-service-discovery", 0)
    assert exam.begin(SLUG, 0) == exam.to_finish()
    exam.end(SLUG)
    exam.refuse("There are no hints")
    with pytest.raises(UsageProblem, match="no exam to finish"):
        exam.to_finish()


def test_when_the_time_is_up_the_next_check_tells_all() -> None:
    exam.begin(SLUG, 30)
    pass_time(31)
    exam.refuse("There are no hints")
    told = going.told(labs.find(SLUG), report(P, F), whole=True)
    said = [line for line, _ in told.lines()]
    assert said[0] == "The time of the exam is up. This is how it is now:"
    assert "the hop" in "\n".join(said)
    assert exam.of(SLUG) is None
    assert progress.load()[SLUG]["attempts"] == 1


def test_a_grading_that_was_not_possible_ends_no_exam() -> None:
    exam.begin(SLUG, 30)
    pass_time(31)
    going.told(labs.find(SLUG), report(C), whole=True)
    assert exam.of(SLUG) is not None


def test_the_time_that_is_left() -> None:
    assert exam.begin(SLUG, 90).clock == "1 h 29 min left"
    pass_time(60)
    found = exam.of(SLUG)
    assert found is not None
    assert found.clock == "29 minutes left"


def test_an_exam_that_has_just_begun_is_not_said_to_go_on() -> None:
    assert exam.started(SLUG, None) == []
    first, *rest = exam.started(SLUG, 90)
    assert first == "The exam of 02-services begins now: you have 1 h 30 min."
    assert any("kindlab finish 02" in line for line in rest)
    for minutes in (90, None):
        again, *_ = exam.started(SLUG, minutes)
        assert again == "The exam of 02-services goes on: 1 h 29 min left."
    pass_time(91)
    assert exam.started(SLUG, None) == []
    anew, *_ = exam.started(SLUG, 0)
    assert anew == "The exam of 02-services begins now: no limit of time."


def test_a_check_says_what_is_new() -> None:
    lab = labs.find(SLUG)
    assert going.told(lab, report(P, F), whole=True).after == ["Check number 1; best so far: 8 points"]
    second = going.told(lab, report(F, P), whole=True).after
    ids = [task.id for task in lab.tasks]
    assert second == [f"Check number 2; newly passed: {ids[1]}; no longer passed: {ids[0]}; best so far: 14 points"]
    unsure = going.told(lab, report(F, C), whole=True).after
    assert unsure == ["Check number 3; best so far: 14 points"]  # nothing is known of it: it is not lost
    assert going.told(lab, report(P), whole=False).after == []


def test_the_debrief_names_what_to_read_and_what_comes_next() -> None:
    lab = labs.find(SLUG)
    after = going.told(lab, report(*[P] * len(lab.tasks)), whole=True).after
    text = "\n".join(after)
    assert lab.debrief.strip() in text
    assert "KCNA: Kubernetes Fundamentals (Core Concepts), Container Orchestration" in text
    assert f"Read: {lab.read[0]}" in text
    assert "Next: kindlab start 03" in text


def test_what_cannot_be_written_down_is_told_all_the_same(work: Path) -> None:
    work.parent.mkdir(exist_ok=True)
    work.write_text("no folder")
    done = going.told(labs.find(SLUG), report(*[P] * 7), whole=True)
    assert any(line.startswith("Next: kindlab start 03") for line in done.after)
    told = going.told(labs.find(SLUG), report(P, F), whole=True)
    assert told.unkept is not None
    assert told.exit_code == 1
    assert "could not" in shown.told(told).text or "cannot" in shown.told(told).text


def test_the_next_step() -> None:
    every = labs.all_labs()
    assert going.next_step(every, {}) == "kindlab start 01"
    progress.started(SLUG)
    first = labs.find(SLUG).tasks[0]
    assert going.next_step(every, progress.load()) == f"kindlab check 02 --task {first.id} ({first.title})"
    going.told(labs.find(SLUG), report(*[P] * 7), whole=True)
    assert going.next_step(every, progress.load()).startswith("kindlab start 03 (")


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["hint", "02", "1"], "There are no hints"),
        (["why", "svc/web"], "Nobody says why"),
        (["solve", "02"], "There is no solution"),
        (["check", "02", "--watch"], "Nothing can be watched"),
        (["tour"], "There is no tour"),
        (["start", "03", "--exam"], "The exam of 02-services is not over"),
    ],
)
def test_the_commands_that_would_help_are_refused(command: list[str], what: str) -> None:
    exam.begin(SLUG, 0)
    refused = CliRunner().invoke(cli, command)
    assert isinstance(refused.exception, UsageProblem)
    assert str(refused.exception).startswith(what)
