"""`kindlab new`: what it makes is a lab, and lint asks only for more of it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from kindlab import labs, lint, manifests, scaffold, states
from kindlab.errors import UsageProblem

SLUG = "17-my-lab"


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("labs", "graders", "solutions"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    return tmp_path


def test_the_four_pieces_are_made(course: Path) -> None:
    made = {str(path.relative_to(course)) for path in scaffold.create(SLUG)}
    assert made == {
        f"labs/{SLUG}/lab.toml",
        f"labs/{SLUG}/lab.md",
        f"labs/{SLUG}/quiz.toml",
        f"labs/{SLUG}/start/web.yaml",
        f"solutions/{SLUG}/web.yaml",
        f"solutions/{SLUG}/alternatives/named-port/web.yaml",
        f"solutions/{SLUG}/wrong/example/web.yaml",
        f"solutions/{SLUG}/wrong/example/expect.toml",
        "graders/test_17_my_lab.py",
        f"notebooks/{SLUG}.ipynb",
    }
    assert all((course / name).read_text(encoding="utf-8").strip() for name in made)
    assert not any("{" + "{" in (course / name).read_text(encoding="utf-8") for name in made)


def test_lint_asks_only_for_more(course: Path) -> None:
    scaffold.create(SLUG)
    assert list(lint.static_problems(labs.find("17"))) == [
        "a lab has 4 to 8 tasks, this one has 1",
        f"labs/{SLUG}/quiz.toml has 1 questions: write at least {lint.LEAST_QUESTIONS}",
        f"1 alternatives: write at least {lint.LEAST_ALTERNATIVES} other right answers",
        f"1 wrong answers: write at least {lint.LEAST_WRONG}",
    ]


def test_every_manifest_is_read_and_the_checks_belong_to_tasks(course: Path) -> None:
    scaffold.create(SLUG)
    lab = labs.find(SLUG)
    for state in states.states(lab):
        assert manifests.read(Path(name) for name in state.files) or state.name == "start"
    functions = {n.name for n in ast.walk(ast.parse(lab.grader.read_text())) if isinstance(n, ast.FunctionDef)}
    for folder in (lab.solution_folder / "wrong").iterdir():
        must, _ = states.expectation(folder)
        assert must
        assert must <= functions


def test_the_grader_is_in_the_project_s_style(course: Path) -> None:
    scaffold.create(SLUG)
    config = Path(__file__).resolve().parents[3] / "pyproject.toml"
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", str(config), str(course / "graders")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "slug", ["my-lab", "7-lab", "17_my_lab", "17-My-Lab", "17-", "../17-x", "17-a--b", "17-" + "x" * 60, ""]
)
def test_an_ill_formed_name_is_refused(course: Path, slug: str) -> None:
    with pytest.raises(UsageProblem, match="cannot be a lab's name"):
        scaffold.create(slug)
    assert not list((course / "labs").iterdir())


def test_what_is_there_is_never_overwritten(course: Path) -> None:
    (course / "solutions" / SLUG).mkdir()
    with pytest.raises(UsageProblem, match="There is already a lab"):
        scaffold.create(SLUG)
    assert not list((course / "labs").iterdir())


def test_a_number_that_is_taken_is_refused_and_a_free_one_named(course: Path) -> None:
    scaffold.create(SLUG)
    with pytest.raises(UsageProblem, match="taken by 17-my-lab") as caught:
        scaffold.create("17-other")
    assert "kindlab new 18-other" in caught.value.then
