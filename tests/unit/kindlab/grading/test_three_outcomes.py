"""What is not the learner's fault is no verdict: it is tried once more, and then said as what it is."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.course.command import ROOT

from kindlab import labs
from kindlab.api import Api, Unreachable
from kindlab.grading import limit, plugin, runner
from kindlab.grading.outcome import Outcome, Report
from kindlab.grading.report import html, text

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE
LAB = """
format = 1
title = "Tiny"
about = "nothing"
minutes = 1
kcna = ["none"]

[[tasks]]
id = "one"
title = "One"
points = 1
hints = ["a", "b"]

[[tasks]]
id = "two"
title = "Two"
points = 2
hints = ["a", "b"]
"""
HEAD = """
import os, time
import pytest
from pathlib import Path
from kindlab.checks import CouldNotGrade, check

NOTES = Path(os.environ["NOTES"])

def note(text):
    with NOTES.open("a") as file:
        file.write(text + " ")

"""


class Cluster(Api):
    """One that has the namespace and nothing else, and goes when the file `gone` is there."""

    server = "https://nowhere"

    def __init__(self, folder: Path) -> None:
        self.gone = folder / "gone"

    def get(self, *_: Any) -> dict[str, Any]:
        return {}

    def request(self, *_: Any, **__: Any) -> Any:
        if self.gone.exists():
            raise Unreachable("The cluster does not answer.", "It was switched off.", "kindlab up starts one.")
        return {}

    def list(self, *_: Any, **__: Any) -> Any:
        return self.request()


Grade = Callable[..., tuple[Report, list[str]]]


@pytest.fixture
def grade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Grade:
    """`grade(grader)`: the report, and what the grader noted."""
    (tmp_path / "labs" / "99-tiny").mkdir(parents=True)
    (tmp_path / "labs" / "99-tiny" / "lab.toml").write_text(LAB)
    (tmp_path / "graders").mkdir()
    shutil.copyfile(ROOT / "graders" / "pytest.ini", tmp_path / "graders" / "pytest.ini")
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("GONE", str(tmp_path / "gone"))
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path / "home"))

    def graded(body: str, **more: Any) -> tuple[Report, list[str]]:
        (tmp_path / "graders" / "test_99_tiny.py").write_text(HEAD + body)
        found = runner.grade(labs.read(tmp_path / "labs" / "99-tiny"), Cluster(tmp_path), **more)
        return found, (tmp_path / "notes").read_text().split() if (tmp_path / "notes").exists() else []

    return graded


FLICKERS = """
@pytest.fixture(scope="session")
def made():
    note("made")

@check("one", "it passes")
def test_one():
    note("one")

@check("two", "it passes the second time")
def test_two(made):
    note("two")
    if NOTES.read_text().split().count("two") == 1:
        raise CouldNotGrade("the moon is in the way")
"""


def test_what_could_not_be_graded_is_tried_once_more_with_everything_made_anew(grade: Grade) -> None:
    report, notes = grade(FLICKERS)
    assert (report.outcome, report.points) == (P, 3)
    assert notes == ["one", "made", "two", "made", "two"]


def test_what_is_a_containers_own_doing_is_a_failed_check_and_is_not_tried_again(grade: Grade) -> None:
    report, notes = grade(
        "from kindlab.checks.verdict import ContainerAtFault\n\n"
        "@check('one', 'a')\ndef test_one():\n    note('one')\n"
        "    raise ContainerAtFault('no', expected='/bin/sh runs', seen='there is none', then='kubectl exec')\n\n"
        "@check('two', 'b')\ndef test_two():\n    note('two')\n"
    )
    assert notes == ["one", "two"]
    assert (report.outcome, report.points) == (F, 2)
    found = report.tasks[0].checks[0]
    assert (found.outcome, found.expected, found.seen, found.next) == (
        F,
        "/bin/sh runs",
        "there is none",
        "kubectl exec",
    )


def test_a_bug_that_stays_is_tried_twice_and_no_more(grade: Grade) -> None:
    report, notes = grade(
        "@check('one', 'a')\ndef test_one():\n    note('one')\n    return 1 / 0\n\n"
        "@check('two', 'b')\ndef test_two():\n    note('two')\n"
    )
    assert notes == ["one", "two", "one"]
    assert (report.outcome, report.exit_code, report.points, report.score) == (
        C,
        3,
        2,
        "2 of 3 points; 1 could not be graded",
    )
    assert [task.outcome for task in report.tasks] == [C, P]


def test_what_was_tried_again_stands_where_it_stood(grade: Grade) -> None:
    report, _ = grade(
        "@check('one', 'a')\ndef test_b():\n    raise CouldNotGrade('no luck')\n\n"
        "@check('one', 'b')\ndef test_a():\n    pass\n"
    )
    assert [(one.name, one.outcome) for one in report.tasks[0].checks] == [("test_b", C), ("test_a", P)]


@pytest.mark.parametrize("body", ["while True: pass", "try:\n        time.sleep(60)\n    except Exception: pass"])
def test_a_check_that_does_not_end_is_ended(grade: Grade, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setattr(plugin, "PER_CHECK", 1.0)  # `two` must not take as long on any machine
    report, notes = grade(
        f"@check('one', 'a')\ndef test_one():\n    note('one')\n    {body}\n\n"
        "@check('two', 'b')\ndef test_two():\n    note('two')\n"
    )
    assert [task.outcome for task in report.tasks] == [C, P]
    assert report.tasks[0].checks[0].seen == "it did not end within 1 s"
    assert notes == ["one", "two", "one"]


def test_a_limit_leaves_no_alarm_behind_and_another_s_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.fail("the limit is for a main thread: this test must run in one")

    def waits() -> None:
        with limit.limited(0.3):
            with limit.limited(60):
                pass
            time.sleep(30)

    began = time.monotonic()
    with pytest.raises(limit.TooLong, match=r"within 0\.3 s"):
        waits()
    assert time.monotonic() - began < 20


GOES = """
@check("one", "it fails")
def test_one():
    assert False, "it does not"

@check("two", "it asks")
def test_two(lab):
    note("two")
    Path(os.environ["GONE"]).touch()
    lab.list("Pod")

@check("two", "it asks more")
def test_more(lab):
    note("more")
"""


def test_a_cluster_that_goes_away_is_said_once(grade: Grade) -> None:
    report, notes = grade(GOES)
    assert notes == ["two"]
    assert (report.outcome, report.exit_code) == (C, 3)
    assert report.problem.splitlines() == [
        "The cluster went away while it was being graded.",
        "It was switched off.",
        "kindlab up starts one.",
    ]
    assert {task.outcome for task in report.tasks} == {C}
    assert "0/" not in text.render(report)


MIXED = """
@check("one", "it fails")
def test_one():
    assert False, "it does not"

@check("two", "it breaks")
def test_two():
    return 1 / 0
"""


def test_failed_beside_not_graded_says_both(grade: Grade) -> None:
    report, _ = grade(MIXED)
    assert (report.outcome, report.exit_code) == (F, 1)
    shown = text.render(report)
    assert "0 of 3 points; 2 could not be graded" in shown
    assert "✘ one   0/1  One" in shown
    assert "? two   ?/2  Two" in shown
    assert "Some checks could not be carried out (?): that costs no points. Check again." in shown
    assert "Stuck? kindlab hint 99-tiny one" in shown
    page = html.fragment(report)
    assert "that costs no points" in page
    assert "?/2" in page
    assert "%hint 99 one" in page


HIDDEN = """
@check("one", "its answers are for each asker alone", hidden=True)
def test_one(lab):
    lab.expect(False, expected="the secret", seen="the secret", hop="the secret", then="the secret")

@check("two", "all is well", hidden=True)
def test_two():
    pass
"""


def test_of_a_hidden_check_only_the_sentence_is_shown(grade: Grade) -> None:
    report, _ = grade(HIDDEN)
    found = report.tasks[0].checks[0]
    assert (found.hidden, found.outcome, found.seen) == (True, F, "the secret")
    for said in (text.render(report), str(html.fragment(report)), str(report.to_json())):
        assert "secret" not in said
        assert "its answers are for each asker alone" in said
    assert report.to_json()["tasks"][0]["checks"][0]["hidden"] is True
    kept = Report.from_json(report.to_json(whole=True))
    assert kept.tasks[0].checks[0] == found


def test_why_a_hidden_check_could_not_be_graded_is_no_secret(grade: Grade) -> None:
    report, _ = grade("@check('one', 'a', hidden=True)\ndef test_one():\n    raise CouldNotGrade('no luck')\n")
    assert "no luck" in text.render(report)


def test_some_tasks_alone(grade: Grade) -> None:
    body = (
        "@check('one', 'a')\ndef test_one():\n    note('one')\n\n@check('two', 'b')\ndef test_two():\n    note('two')\n"
    )
    report, notes = grade(body, only={"two"})
    assert ([t.id for t in report.tasks], report.max_points, notes) == (["two"], 2, ["two"])
