"""`kindlab quiz` and `kindlab exam` as people use them: letters on standard input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.course.command import PLAIN, ROOT

from kindlab import labs, quiz


@pytest.fixture
def ask(tmp_path: Path):  # type: ignore[no-untyped-def]
    """`ask("a\\nb\\n", "quiz", "02")`: the command with these answers."""
    env = {**PLAIN, "KINDLAB_COURSE": str(ROOT), "KINDLAB_WORK": str(tmp_path), "PATH": "/usr/bin:/bin"}

    def run(answers: str, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "kindlab.cli", *words]
        return subprocess.run(command, input=answers, capture_output=True, text=True, env=env, check=False)

    return run


def letters(right: bool) -> str:
    """An answer to each question of lab 02, as they come: all right, or all wrong."""
    answers = []
    for question in quiz.questions(labs.find("02")):
        places = [i for i, o in enumerate(quiz.shuffled(question)) if o.right is right]
        answers.append("abcde"[places[0]])
    return "\n".join(answers) + "\n"


def test_every_answer_is_explained_and_what_was_missed_comes_again(ask) -> None:  # type: ignore[no-untyped-def]
    questions = quiz.questions(labs.find("02"))
    done = ask(letters(False), "quiz", "02")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✘ Wrong.") == len(questions)
    assert f"0 of {len(questions)} right." in done.stdout
    for question in questions:
        right = next(o for o in question.options if o.right)
        assert f"Right is: {right.text}. {right.why}" in done.stdout
    again = ask(letters(True), "quiz", "02")
    assert f"{len(questions)} of {len(questions)} right." in again.stdout
    assert "none is due yet" in ask("q\n", "quiz", "02").stdout


def test_a_typo_is_asked_again_and_the_end_of_the_input_keeps_what_was_answered(ask, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = ask("7\n\na\n", "quiz", "02")
    assert done.returncode == 0, done.stderr
    assert "'7' is none of them." in done.stdout
    assert "Choose a letter." in done.stdout
    assert "of 1 right." in done.stdout
    assert (tmp_path / "quiz.toml").read_text(encoding="utf-8").count("asked = 1") == 1


def test_the_exam_says_nothing_until_the_end(ask) -> None:  # type: ignore[no-untyped-def]
    done = ask("a\n" * 80, "exam", "--count", "40", "--seed", "7")
    assert done.returncode == 0, done.stderr
    asked, _, told = done.stdout.partition("a pass mark of 75% is commonly quoted")
    assert told
    assert "✘" not in asked
    assert "Right is: " in told
    assert ask("", "exam", "--count", "40", "--seed", "7").stdout.splitlines()[0] == done.stdout.splitlines()[0]


def test_an_exam_ends_when_its_time_is_up(ask) -> None:  # type: ignore[no-untyped-def]
    done = ask("a\n" * 80, "exam", "--minutes", "0")
    assert "The time is up." in done.stdout
    assert " right: 0%" in done.stdout


def test_the_list_is_for_programs_too(ask) -> None:  # type: ignore[no-untyped-def]
    found = json.loads(ask("", "quiz", "--list", "--json").stdout)["questions"]
    assert {q["lab"] for q in found} == {q.lab for q in quiz.all_questions()}
    for question in found:
        assert sum(o["right"] for o in question["options"]) == 1
        assert all(o["why"] for o in question["options"])
