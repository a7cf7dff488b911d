"""No report a student reads shows what visibility hides, and none makes a zero of what could not be graded."""

import csv
import io
import json
from collections.abc import Callable, Collection

import pytest
from tests.unit.kindlab.grading.report.classroom import SECRET, C, F, P, seen, student

from kindlab.batch.policy import Policy
from kindlab.batch.scoring import Scored
from kindlab.grading.report import csv_, gradescope, junit, markdown, overview, student_html, told


def gradebook(scored: Scored, released: Collection[str] = ()) -> str:
    """Of which the comment may go to students."""
    (row,) = csv.DictReader(io.StringIO(csv_.render([scored], released=released)))
    return row["comment"]


READ = {"html": student_html.render, "markdown": markdown.render, "junit": junit.render}
Render = Callable[..., str]
each = pytest.mark.parametrize("render", READ.values(), ids=READ.keys())


@each
def test_what_a_failed_check_found_is_in_every_report(render: Render):
    text = render(seen(student(web=F)))
    assert text.count(SECRET) >= 3
    assert "web works" in text


@each
@pytest.mark.parametrize("visibility", ["hidden", "after_due_date", "after_published"])
def test_a_hidden_task_is_in_none_and_neither_is_the_total(render: Render, visibility: str):
    text = render(seen(student(web=F), Policy(pass_mark=50), web=visibility))
    assert SECRET not in text
    assert "Title of web" not in text
    assert "test_web" not in text
    assert "web works" not in text
    assert "Title of dns" in text
    assert "7 of 13" not in text
    assert "53.85" not in text


@each
@pytest.mark.parametrize("visibility", ["hidden", "after_due_date", "after_published"])
def test_of_a_hidden_check_the_sentence_is_shown_alone(render: Render, visibility: str):
    text = render(seen(student(web=F), test_web_works=visibility))
    assert SECRET not in text
    assert "test_web_works" not in text
    assert "web works" in text
    assert told.NOT_SHOWN in text


@each
def test_a_check_that_its_author_hides_tells_whether_it_passed_alone(render: Render):
    graded = student(web=F)
    graded.report.tasks[0].checks[1].hidden = True
    text = render(seen(graded))
    assert SECRET not in text
    assert "web works" in text
    assert told.NOT_SHOWN not in text
    assert SECRET not in gradescope.render(seen(graded))


@each
def test_what_comes_later_is_shown_when_it_has_come_and_hidden_things_never(render: Render):
    scored = seen(student(web=F, dns=F), web="after_due_date", dns="hidden")
    assert SECRET not in render(scored)
    assert SECRET not in render(scored, released=["after_published"])
    later = render(scored, released=["after_due_date", "after_published", "hidden"])
    assert SECRET in later
    assert "Title of dns" not in later


def test_gradescope_is_told_what_to_hide_and_hides_it():
    scored = seen(student(web=F, dns=F), web="hidden", test_dns_works="after_due_date", test_more_works="hidden")
    found = json.loads(gradescope.render(scored))
    assert SECRET not in found["output"]
    assert found["stdout_visibility"] == "hidden"
    tests = {test["name"]: test for test in found["tests"]}
    assert tests["Title of web (web)"]["visibility"] == "hidden"
    assert SECRET in tests["Title of web (web)"]["output"], "for the instructor, who sees all tests"
    assert SECRET not in tests["Title of dns (dns)"]["output"]
    later = tests["dns works (dns)"]
    assert (later["visibility"], later["status"]) == ("after_due_date", "failed")
    assert "score" not in later, "its points are its task's"
    assert not any("more works" in name for name in tests), "what is hidden for ever has no test of its own"


def test_gradescope_hides_a_check_that_is_sooner_shown_than_its_task_with_the_task():
    found = json.loads(gradescope.render(seen(student(web=F), web="hidden", test_web_works="visible")))
    assert [t["visibility"] for t in found["tests"] if SECRET in t["output"]] == ["hidden"]


@pytest.mark.parametrize(
    "scored",
    [seen(student(problem="The cluster went away.\nTry again.")), seen(student(web=C, dns=F))],
    ids=["all", "a task"],
)
def test_what_could_not_be_graded_is_no_zero_anywhere(scored: Scored):
    page, text = student_html.render(scored), markdown.render(scored)
    for said in (page, text):
        assert "Could not be graded" in said
        assert "0 of 13" not in said
        assert "3 of 13" not in said
        assert "0%" not in said.replace("100%", "").split("</style>")[-1]
    found = json.loads(gradescope.render(scored))
    assert "score" not in found
    assert "tests" not in found
    assert "no zero" in found["output"]


def test_a_task_that_could_not_be_graded_shows_a_dash_beside_graded_ones():
    scored = seen(student(web=C, dns=F))
    tasks = {task.id: task.score for task in told.tasks(scored)}
    assert tasks == {"web": "– / 6", "dns": "0 / 3", "more": "4 / 4"}


def test_all_passed_says_so_and_withholds_nothing():
    scored = seen(student(web=P))
    assert told.grade(scored) == "13 of 13 points (100%)"
    assert told.remarks(scored) == []
    assert told.arithmetic(scored) == []


def test_a_submission_that_cannot_be_used_has_no_points_and_is_told_why():
    graded = student(problem="The zip file is broken.\nHand it in again.")
    graded.report.outcome = F
    for task in graded.report.tasks:
        task.outcome = F
    scored = seen(graded)
    for render in (student_html.render, markdown.render, junit.render):
        text = render(scored)
        assert "The zip file is broken." in text
        assert "ould not be graded" not in text
    assert "0 of 13 points" in student_html.render(scored)
    assert "<failure" in junit.render(scored)
    assert json.loads(gradescope.render(scored))["score"] == 0
    assert "The zip file is broken." in csv_.render([scored])
    assert "The zip file is broken." in overview.render([scored])
