"""One submission by itself: tried twice at most, never on a cluster for nothing, and never late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kindlab.grading.report.classroom import C, F, P, student

from kindlab import labs
from kindlab.batch import alone
from kindlab.batch.policy import Late, Policy
from kindlab.farm import Finished

LAB = labs.find("02")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "web.yaml").write_text("kind: Service\napiVersion: v1\nmetadata: {name: web}\n")
    return tmp_path


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each try comes to: a grading, or a sentence why there is none. What is asked of it is at its end."""
    tries: list[Any] = []

    def run(work: Any, items: list[Any], **_: Any) -> Iterator[Finished[Any, Any]]:
        found = tries.pop(0)
        (submission,) = items
        assert [file.name for file in submission.folder.iterdir()] == ["web.yaml"]
        over = isinstance(found, str) and "its cluster used" in found
        yield Finished(submission, None, found, overran=over) if isinstance(found, str) else Finished(submission, found)

    monkeypatch.setattr(alone.farm, "run", run)
    return tries


def test_what_could_not_be_graded_is_tried_once_more(farm: list[Any], folder: Path) -> None:
    farm += ["it took longer than 240 s", student(web=P), "never asked for"]
    assert alone.graded(folder, LAB).points == 13
    assert farm == ["never asked for"]


def test_and_not_a_third_time(farm: list[Any], folder: Path) -> None:
    farm += [student(web=C), "it used more than 1024 MB of memory", student(web=P)]
    found = alone.graded(folder, LAB, student="Ann")
    assert not found.has_grade
    assert found.graded.student == "Ann"
    assert found.graded.report.problem == "It used more than 1024 MB of memory."
    assert len(farm) == 1


def test_what_its_own_pods_took_too_much_of_is_not_tried_again(farm: list[Any], folder: Path) -> None:
    farm += ["its cluster used more than 240 s of CPU", "never asked for"]
    assert not alone.graded(folder, LAB).has_grade
    assert farm == ["never asked for"]


def test_a_grade_is_not_asked_for_twice(farm: list[Any], folder: Path) -> None:
    farm += [student(web=F), student(web=P)]
    assert alone.graded(folder, LAB).points == 7


def test_lateness_is_left_to_who_brought_it(farm: list[Any], folder: Path) -> None:
    farm += [student(submitted="2026-11-22T00:00:00+00:00")]
    late = Late(datetime(2026, 11, 1, tzinfo=UTC), penalty_per_day=100)
    found = alone.graded(folder, LAB, policy=Policy(late=late, pass_mark=50))
    assert (found.points, found.late_days, found.passed) == (13, 0, True)


def test_nothing_that_could_be_graded_needs_no_cluster(farm: list[Any], tmp_path: Path) -> None:
    (tmp_path / "essay.txt").write_text("Services are nice.")
    found = alone.graded(tmp_path, LAB)
    assert (found.points, found.has_grade) == (0, True)
    assert "no file" in found.graded.report.problem
