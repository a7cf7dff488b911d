"""What a run of `kindlab verify` has found: compared, kept, joined."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kindlab import paths
from kindlab.errors import Problem
from kindlab.verify import results, table
from kindlab.verify.results import Answer, Graded, LabResult, Verified

LAB = "17-my-lab"
PASSED, FAILED, UNSURE = "passed", "failed", "could-not-grade"


def graded(**verdicts: str) -> Graded:
    return Graded(verdicts, dict.fromkeys(verdicts, "t"), {n: "HTTP 503" for n, v in verdicts.items() if v != PASSED})


def verified(*answers: Answer, of: int = 0, course: int = 1) -> Verified:
    lab = LabResult(LAB, "digest", of or len(answers), answers={answer.state: answer for answer in answers})
    return Verified("kindlab (kind)", "uid", "2026-11-22", [("Kubernetes", "v1.36.4")], {LAB: lab}, course)


def test_what_differs_is_named_and_what_is_left_out_is_not() -> None:
    there = graded(test_a=PASSED, test_b=UNSURE, test_c=FAILED)
    answer = Answer(LAB, "wrong/x", graded(test_a=FAILED, test_b=PASSED, test_c=PASSED), there, ("test_c",))
    assert [(d.check, d.there, d.pocket) for d in answer.differences] == [
        ("test_a", PASSED, FAILED),
        ("test_b", UNSURE, PASSED),
    ]
    found = verified(answer)
    assert not found.agrees
    assert (found.labs[LAB].verdicts, found.labs[LAB].same) == (2, 0)
    text = table.table(found)
    assert "test_b is could-not-grade there (HTTP 503) and passed on pocket" in text
    assert "can be trusted but for 17-my-lab" in table.summary(found)
    nothing = replace(answer, there=Graded({}, problem="the cluster is gone"))
    assert {d.there for d in nothing.differences} == {"not run"}


def test_what_differed_only_once_counts_as_the_same_and_is_told() -> None:
    answer = Answer(LAB, "solution", graded(test_a=PASSED), graded(test_a=PASSED), before=graded(test_a=FAILED))
    found = verified(answer)
    assert found.agrees
    assert table.summary(found).startswith("On kindlab (kind) the course can be trusted: all 1 verdicts on 1 answers")
    assert "## What differed once, and not the second time" in table.table(found)
    assert found.labs[LAB].row()["tried_again"] == 1


def test_an_unfinished_run_says_so_and_a_part_of_the_course_is_no_course() -> None:
    answer = Answer(LAB, "solution", graded(test_a=PASSED), graded(test_a=PASSED))
    assert table.summary(verified(answer, of=2)).startswith("Not finished: 1 of 2 answers")
    assert not verified(answer, of=2).agrees
    assert "On kindlab (kind) lab 17 can be trusted" in table.summary(verified(answer, course=16))


def test_a_lab_that_cannot_run_there_is_listed_and_is_no_difference() -> None:
    found = verified(Answer(LAB, "solution", graded(test_a=PASSED), graded(test_a=PASSED)), course=2)
    found.labs["18-other"] = LabResult("18-other", "digest", 12, away="it lacks metrics-server")
    assert found.agrees
    text = table.table(found)
    assert "- 18-other: it lacks metrics-server" in text
    assert "without 18-other, which cannot run there" in text
    found.labs[LAB].away_tasks["t"] = "It needs a load balancer."
    assert "without 18-other and 1 task of other labs, which cannot run there" in table.summary(found)
    found.labs.pop(LAB)
    assert not found.agrees
    assert "Nothing was graded" in table.summary(found)


def test_pocket_s_own_figures_are_marked_as_such() -> None:
    found = verified(Answer(LAB, "solution", graded(test_a=PASSED), graded(test_a=PASSED)))
    assert "no figure of a real cluster" not in table.table(found)
    found.facts = [("Kubernetes", "v1.36.2+pocket")]
    assert "This is no figure of a real cluster" in table.table(found)
    assert table.summary(found).endswith("this says nothing about a real one.")


def test_what_was_saved_is_loaded_and_joined(tmp_path: Path) -> None:
    before = graded(test_a=FAILED)
    found = verified(Answer(LAB, "solution", graded(test_a=PASSED), graded(test_a=PASSED), ("test_c",), before, 4.2))
    results.save(found, tmp_path / "one.json")
    assert results.load(tmp_path / "one.json") == found
    other = verified(Answer(LAB, "start", graded(test_a=FAILED), graded(test_a=FAILED)))
    other.labs["16-before"] = replace(other.labs.pop(LAB), lab="16-before")
    whole = results.join([found, other])
    assert list(whole.labs) == ["16-before", LAB]
    assert whole.agrees


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}', '{"format": 1, "facts": [], "labs": {"x": 1}}'])
def test_a_file_that_holds_no_results_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "parity.json").write_text(text)
    with pytest.raises(Problem, match="holds no results"):
        results.load(tmp_path / "parity.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["labs"][LAB].update(of="2"),
        lambda data: data["labs"][LAB].update(away_tasks=["t"]),
        lambda data: data["labs"][LAB]["answers"]["solution"].update(left_out=[[]]),
        lambda data: data["labs"][LAB]["answers"]["solution"].update(took="long"),
        lambda data: data["labs"][LAB]["answers"]["solution"]["there"].update(verdicts=[]),
        lambda data: data["labs"][LAB]["answers"]["solution"]["there"].update(seen={"test_a": 3}),
        lambda data: data["labs"][LAB]["answers"]["solution"]["there"].update(more="x"),
        lambda data: data.update(date=3),
        lambda data: data.update(course=None),
    ],
)
def test_a_file_from_elsewhere_is_looked_at_before_it_is_believed(tmp_path: Path, change: Any) -> None:
    found = verified(Answer(LAB, "solution", graded(test_a=PASSED), graded(test_a=PASSED)))
    data = json.loads(json.dumps(found.to_json()))
    change(data)
    (tmp_path / "parity.json").write_text(json.dumps(data))
    with pytest.raises(Problem, match="holds no results"):
        results.load(tmp_path / "parity.json")


def test_nothing_in_a_file_from_elsewhere_is_markdown_or_html() -> None:
    evil = "![x](http://a.example/i.png) <img src=x>\n\n# Verified | <none>"
    there = replace(graded(test_a=FAILED), misjudged=evil, seen={"test_a": evil}, problem=evil)
    found = verified(Answer(LAB, evil, graded(test_a=PASSED), there))
    found.cluster = found.date = evil
    found.facts.append((evil, evil))
    found.labs[evil] = LabResult(evil, of=1, away=evil)
    text = table.table(found)
    assert "Verified" in text
    assert "<" not in text
    assert "![" not in text
    assert "\n# Verified" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") - line.count("\\|") for line in rows} == {3, 9}


def test_an_embedded_cluster_is_known_for_one_whatever_it_is_joined_with() -> None:
    found = verified(Answer(LAB, "solution", graded(test_a=PASSED), graded(test_a=PASSED)))
    embedded = verified(Answer(LAB, "solution", graded(test_a=PASSED), graded(test_a=PASSED)))
    embedded.facts = [("Kubernetes", "v1.36.2+pocket")]
    assert table.is_embedded(results.join([embedded, found]))
    assert table.is_embedded(results.join([found, embedded]))


def test_docs_parity_is_a_place_kept_free_or_a_figure_of_a_real_cluster() -> None:
    text = (paths.course() / "docs" / "parity.md").read_text(encoding="utf-8")
    if text != table.NOBODY:
        assert "This is no figure of a real cluster" not in text
        assert table.EMBEDDED not in text
        assert "| the cluster | |" in text
