"""grades.csv goes into a gradebook as it is, and no cell of it runs in a spreadsheet."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kindlab.grading.report.classroom import C, F, seen, student

from kindlab.batch.adjustments import Adjustment
from kindlab.batch.submission import Refused
from kindlab.grading.report import csv_


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_a_submission_with_each_tasks_points():
    graded = [
        seen(student("Ann <ann@uni.example>", dns=F), None, Adjustment(-0.5, reason="late mail")),
        seen(student("Bob")),
    ]
    ann, bob = rows(csv_.render(graded))
    assert (ann["student"], ann["email"], bob["email"]) == ("Ann <ann@uni.example>", "ann@uni.example", "")
    assert (ann["points"], ann["max points"], ann["percent"], ann["outcome"]) == ("9.5", "13", "73.08", "failed")
    assert (ann["adjustment"], ann["adjustment reason"], ann["passed"]) == ("-0.5", "late mail", "")
    assert [ann[f"task: {task}"] for task in ("web", "dns", "more")] == ["6", "0", "4"]
    assert ann["comment"].startswith("dns: hop ")
    assert (bob["points"], bob["comment"]) == ("13", "")


def test_what_could_not_be_graded_has_no_number_and_says_why():
    broken, partly = rows(csv_.render([seen(student(problem="No cluster.\nTry again.")), seen(student(web=C, dns=F))]))
    for row in (broken, partly):
        assert row["outcome"] == "could-not-grade"
        assert {row[key] for key in ("points", "percent", "passed", "penalty", "adjustment", "extra")} == {""}
    assert broken["comment"] == "No cluster. Try again."
    assert [broken[f"task: {task}"] for task in ("web", "dns", "more")] == ["", "", ""]
    assert [partly[f"task: {task}"] for task in ("web", "dns", "more")] == ["", "0", "4"]
    assert partly["comment"].startswith("web: could not be graded: seen ")


def test_the_columns_do_not_depend_on_the_submissions():
    empty = csv_.render([], ["web", "dns", "more"])
    full = csv_.render([seen(student())], ["web", "dns", "more"])
    assert empty == full.splitlines()[0] + "\n"
    assert csv_.render([seen(student())]) == full, "the tasks of the submissions, where the lab's are not given"


def test_what_was_left_out_is_said():
    refused = (Refused("pod/shell", "it is privileged"), Refused("notes.pdf", ""))
    (row,) = rows(csv_.render([seen(student(refused=refused))]))
    assert row["comment"] == "left out: pod/shell (it is privileged); notes.pdf"


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "a;=1", "a,@x", "x|-y"]
)
def test_no_text_is_a_formula(name: str):
    (row,) = rows(csv_.render([seen(student(name, web=F, said=name))]))
    assert not row["student"].lstrip().startswith(tuple("=+-@＝＋－＠"))
    assert "'" in row["student"]


@given(st.text())
def test_any_text_is_one_harmless_cell(text: str):
    (row,) = rows(csv_.render([seen(student(text, web=F, said=text, refused=(Refused(text, text),)))]))
    assert None not in row, "as many cells as columns"
    for cell in (row["student"], row["comment"]):
        assert not any(part.lstrip().startswith(tuple("=+-@")) for part in cell.replace(";", ",").split(","))
        assert "\n" not in cell
        assert "\r" not in cell
        assert len(cell) <= max(csv_.LONGEST_COMMENT + 100, 2 * len(text))
    assert (row["points"], row["outcome"]) == ("7", "failed")


def test_notes_have_a_column_of_their_own_and_are_in_no_comment():
    graded = replace(student("Ann"), notes=("It holds another's token.", "web.yaml was UTF-16."))
    (row,) = rows(csv_.render([seen(graded)], emails={"ann": "ann@uni.example"}))
    assert row["notes"] == "It holds another's token. web.yaml was UTF-16."
    assert row["comment"] == ""
    assert row["email"] == "ann@uni.example"
