"""A test cell's three ends: nothing, points, an error; and no verdict, which is none of them."""

import sys
from pathlib import Path

import pytest
from tests.unit.kindlab.grading.report.classroom import C, F, P, student

from kindlab import nbgrader
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult


def report(outcome: Outcome, points: int = 0, problem: str = "") -> Report:
    found = CheckResult("test_x", "cart-selector", "requests reach the cart", outcome, "all of them", "none")
    task = TaskResult("cart-selector", "Repair the cart", points, 6, outcome, [found])
    return Report("02-services", outcome, points, 6, [task], "pocket", problem=problem)


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)

    def give(found: Report) -> None:
        def grade(lab: str, task: str) -> Report:
            print("a warning", file=sys.stderr)
            return found

        monkeypatch.setattr(nbgrader, "_report", grade)

    return give


def test_all_points_is_a_cell_without_a_value(graded, capsys):
    graded(report(P, 6))
    assert nbgrader.check("02", "cart-selector") is None
    said = capsys.readouterr()
    assert "Repair the cart" in said.out
    assert said.err == "", "to nbgrader anything there is an error"


def test_a_share_is_the_cells_value(graded, capsys):
    graded(report(F, 2))
    assert nbgrader.check("02", "cart-selector") == 2.0
    assert "seen       none" in capsys.readouterr().out


def test_no_points_is_an_assertion_that_says_why(graded):
    graded(report(F))
    with pytest.raises(AssertionError, match=r"(?s)requests reach the cart.*none"):
        nbgrader.check("02", "cart-selector")


@pytest.mark.parametrize("found", [report(C), report(C, problem="No cluster."), student(problem="No cluster.").report])
def test_no_verdict_is_another_error(graded, found):
    graded(found)
    with pytest.raises(nbgrader.CouldNotBeGraded, match="costs no points"):
        nbgrader.check("02", "cart-selector")
    assert not issubclass(nbgrader.CouldNotBeGraded, AssertionError)


def test_no_verdict_ends_the_kernel_while_nbgrader_grades(graded, monkeypatch, tmp_path):
    ended: list[str] = []
    monkeypatch.setattr(nbgrader, "_log", tmp_path / "home" / "nbgrader.log")
    monkeypatch.setattr(nbgrader, "_ending", [lambda: ended.append("cluster")])

    def leave(code: int) -> None:
        ended.append(f"kernel {code}")
        raise SystemExit(code)

    monkeypatch.setattr(nbgrader.os, "_exit", leave)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    graded(report(C))
    with pytest.raises(SystemExit):
        nbgrader.check("02", "cart-selector")
    assert ended == ["cluster", "kernel 3"]
    said = (tmp_path / "home" / "nbgrader.log").read_text()
    assert "requests reach the cart" in said
    assert str(Path.cwd()) in said, "whose it is"


def test_a_cluster_that_is_not_there_is_no_verdict(monkeypatch, tmp_path):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path))
    with pytest.raises(nbgrader.CouldNotBeGraded, match="kindlab up"):
        nbgrader.check("02", "cart-selector")
