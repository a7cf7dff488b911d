"""docs/grading.md: its policy is one, and its figures are what that policy gives."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.kindlab.batch.fakes import LAB, graded, submission

from kindlab import paths
from kindlab.batch.policy import Policy, TaskPolicy, parse
from kindlab.batch.scoring import scored

GUIDE = (paths.course() / "docs" / "grading.md").read_text(encoding="utf-8")
(TOML,) = re.findall(r"(?m)^```toml\npass_mark.*?^```$", GUIDE, re.DOTALL | re.MULTILINE)
POLICY = parse(TOML.removeprefix("```toml").removesuffix("```"), LAB)


@pytest.mark.parametrize(
    ("submitted", "days", "points"),
    [
        ("2026-11-20T23:59:00", 0, 40),
        ("2026-11-21T00:13:00", 0, 40),
        ("2026-11-21T00:15:00", 1, 36),
        ("2026-11-21T23:59:00", 1, 36),
        ("2026-11-22T00:10:00", 2, 32),
        ("2026-11-26T12:00:00", 6, 20),
        ("2026-11-29T12:00:00", 9, 0),
    ],
)
def test_the_table_of_late_submissions(tmp_path: Path, submitted: str, days: int, points: int):
    one = graded(submission(tmp_path, "ann", submitted=f"{submitted}+01:00"), {})
    found = scored(one, LAB, Policy(late=POLICY.late))
    assert (found.late_days, found.points) == (days, points)
    assert re.search(rf"(?m)^\| .* \| {points} \|$", GUIDE)


def test_the_figures_of_weights_and_extra_credit(tmp_path: Path):
    one = graded(submission(tmp_path, "ann"), {})
    for rule, points in ((TaskPolicy(), 15), (TaskPolicy(2), 26.09), (TaskPolicy(1, "visible", True), 17.65)):
        found = scored(one, LAB, replace(Policy(scale=100), tasks={"cart-selector": rule}))
        task = next(task for task in found.tasks if task.result.id == "cart-selector")
        assert round(task.points, 2) == points
        assert re.search(rf"\b{points}\b", GUIDE)
