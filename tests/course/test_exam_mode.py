"""`kindlab start --exam`, as a student takes it from the beginning to the end, each command a process."""

import json
from pathlib import Path

import pytest
from tests.course.command import Run

from kindlab import labs

pytestmark = pytest.mark.xdist_group("course")
LAB = labs.find("02")
VERDICTS = ("✔", "✘", "points", "expected", "seen ", "broken hop")


def test_an_exam_from_its_beginning_to_its_end(kindlab: Run, work: Path) -> None:
    assert kindlab("reset", "02", "--yes").returncode == 0
    begun = kindlab("start", "02", "--exam", "--minutes", "30")
    assert begun.returncode == 0, begun.stderr
    assert f"The exam of {LAB.slug} begins now: you have 30 minutes." in begun.stdout
    assert "goes on" not in begun.stdout

    early = kindlab("check")
    assert early.returncode == 0, early.stderr
    assert f"{LAB.slug}, exam: {len(LAB.tasks)} of {len(LAB.tasks)} tasks looked at" in early.stdout
    assert not [word for word in VERDICTS if word in early.stdout + early.stderr]
    told = json.loads(kindlab("check", "02", "--json").stdout)
    assert told["exam"]["minutes"] == 30
    assert [task["looked_at"] for task in told["tasks"]] == [True] * len(LAB.tasks)
    assert not {"points", "outcome"} & {key for task in told["tasks"] for key in task}

    for words in (("hint", "02", "1"), ("why", "svc/catalog"), ("solve", "02"), ("start", "03", "--exam")):
        refused = kindlab(*words)
        assert refused.returncode == 2, words
        assert "kindlab finish 02 ends it" in refused.stderr
    again = kindlab("start", "02")
    assert f"The exam of {LAB.slug} goes on: " in again.stdout

    for file in labs.manifests(LAB.solution_folder):  # what the student comes to write, and applies
        (work / LAB.slug / file.name).write_text(LAB.text(file), encoding="utf-8")
    applied = kindlab("kubectl", "apply", "-f", str(work / LAB.slug), "-n", LAB.namespace)
    assert applied.returncode == 0, applied.stderr
    done = kindlab("finish")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{LAB.max_points} of {LAB.max_points} points" in done.stdout
    assert done.stdout.count("✔") == len(LAB.tasks)

    over = kindlab("finish", "02")
    assert over.returncode == 2
    assert "There is no exam of 02-services to finish." in over.stderr
    assert kindlab("hint", "02", "1").returncode == 0
    assert "points" in kindlab("check", "02").stdout
