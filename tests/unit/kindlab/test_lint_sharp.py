"""Each rule of lint's static half finds what it is for: a good lab with one thing broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kindlab import labs, lint

SLUG = "02-services"
Break = Callable[[Path], None]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of one good lab, to be broken."""
    real = labs.find("02")
    lab = tmp_path / "labs" / SLUG
    shutil.copytree(real.folder, lab)
    shutil.copytree(real.solution_folder, tmp_path / "solutions" / SLUG)
    for file in (real.grader, real.notebook):
        (tmp_path / file.parent.name).mkdir()
        shutil.copy(file, tmp_path / file.parent.name)
    with (tmp_path / "solutions" / SLUG / "cart.yaml").open("a") as solution:
        solution.write(f"---\n{SECRET}")
    return tmp_path


def changed(name: str, old: str, new: str) -> Break:
    def change(course: Path) -> None:
        file = course / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return change


def written(name: str, text: str) -> Break:
    def change(course: Path) -> None:
        (course / name).write_text(text)

    return change


TOML, GRADER, TEXT = f"labs/{SLUG}/lab.toml", "graders/test_02_services.py", f"labs/{SLUG}/lab.md"
HINT = "Which labels do the Pods of catalog carry?"
BROKEN: dict[str, tuple[Break, str]] = {
    "a hint with a line of the solution": (
        changed(TOML, HINT, "Write: path: /healthz-of-the-solution"),
        "gives the solution away",
    ),
    "a hint with a value of the solution": (
        changed(TOML, HINT, "It listens on number 48231."),
        "holds what only the solution says: '48231'",
    ),
    "a hint with a name of the solution": (
        changed(TOML, HINT, "Call it tier-of-shelf-nine."),
        "holds what only the solution says: 'tier-of-shelf-nine'",
    ),
    "one hint only": (changed(TOML, "hints = [\n", 'hints = ["One."]\nother = [\n'), "has 1 hints: write two or three"),
    "no points": (changed(TOML, "points = 8", "points = 0"), "is worth 0 points"),
    "no KCNA tag": (changed(TOML, '"Kubernetes Fundamentals: Core Concepts", ', '"Cooking: Soup", '), "KCNA domains"),
    "a notebook of before": (changed(TEXT, "\n## ", "\n## Really: "), "is not what lab.md says: run make notebooks"),
    "a task without its reason": (
        changed(TOML, "points = 8", "points = 8\nbehavioural = false"),
        "say why, with reason",
    ),
    "a task without a check": (
        changed(GRADER, '@check("catalog-scale"', '@check("elsewhere"'),
        "catalog-scale has no check",
    ),
    "a grader that is no Python": (changed(GRADER, "def names", "def def"), "this is not Python"),
    "a grader that reads fields": (
        written(
            GRADER,
            "".join(
                f'@check("{task.id}", "it")\ndef test_{n}(lab):\n    assert lab.get("Service", "x")["spec"]\n'
                for n, task in enumerate(labs.find("02").tasks)
            ),
        ),
        "only 0% of the points come from behaviour (these only read a field: test_0, test_1,",
    ),
    "an entry for no mutant": (
        written(f"labs/{SLUG}/mutants.toml", '[[accept]]\nmutant = "port:none.yaml:*"\nwhy = "it was there once"\n'),
        "mutants.toml: 'port:none.yaml:*' means no mutant of the solution",
    ),
    "an entry without a reason": (
        written(f"labs/{SLUG}/mutants.toml", '[[accept]]\nmutant = "*"\n'),
        "mutants.toml is not usable.",
    ),
    "no text": (lambda course: (course / TEXT).unlink(), f"the text is missing: write {TEXT}"),
    "no debrief": (changed(TOML, 'debrief = """', 'debrief = ""\nwas = """'), "lab.toml has no debrief"),
}
SECRET = """apiVersion: v1
kind: ConfigMap
metadata:
  name: tier-of-shelf-nine
data:
  path: /healthz-of-the-solution
  port: "48231"
"""


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_found(what: str, course: Path) -> None:
    change, says = BROKEN[what]
    change(course)
    found = list(lint.static_problems(labs.read(course / "labs" / SLUG)))
    assert any(says in one for one in found), found


def test_before_nothing_was_broken(course: Path) -> None:
    found = [one for one in lint.static_problems(labs.read(course / "labs" / SLUG)) if "submission" not in one]
    assert found == []


def test_the_share_is_printed_for_each_lab() -> None:
    said: list[str] = []
    found = lint.run([labs.find("02")], live=False, say=said.append)
    assert "02-services: 100% of the points for behaviour" in said
    assert found.to_json()["behavioural"] == {"02-services": 1.0}
