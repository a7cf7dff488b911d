"""Quizzes: what an author may get wrong is said, and the order of options gives nothing away."""

from pathlib import Path

import pytest

from kindlab import labs, quiz
from kindlab.errors import Problem

GOOD = """
[[questions]]
id = "one"
kcna = "Kubernetes Fundamentals: Core Concepts"
text = "What?"
options = [
  { text = "this", right = true, why = "because" },
  { text = "that", why = "no" },
  { text = "neither", why = "no" },
]
"""


def read(folder: Path, text: str) -> list[quiz.Question]:
    (folder / "quiz.toml").write_text(text, encoding="utf-8")
    lab = labs.Lab("99-x", folder, "", "", 1, (), ())
    return quiz.questions(lab)


def test_a_question_is_read(tmp_path: Path) -> None:
    (found,) = read(tmp_path, GOOD)
    assert (found.key, found.domain, found.text) == ("99-x/one", "Kubernetes Fundamentals", "What?")
    assert [o.right for o in found.options] == [True, False, False]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("right = true, ", "", "has not exactly one right option"),
        ('{ text = "that",', '{ text = "that", right = true,', "has not exactly one right option"),
        ('  { text = "neither", why = "no" },\n', "", "has 2 options"),
        ('why = "because"', 'why = " "', "without text or without why"),
        ("Kubernetes Fundamentals", "Observability", "of no KCNA domain"),
        ('id = "one"', "", "KeyError"),
        ("[[questions]]", "[[question]]", "KeyError"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(Problem, match="is not a quiz") as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert says in caught.value.why


def test_two_questions_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        read(tmp_path, GOOD + GOOD)
    assert "same id" in caught.value.why


def test_the_order_is_the_same_each_time_and_the_place_of_the_right_one_is_not_told() -> None:
    every = [q for lab in labs.all_labs() for q in quiz.questions(lab)]
    assert every
    places = [next(i for i, o in enumerate(quiz.shuffled(q)) if o.right) for q in every]
    assert places == [next(i for i, o in enumerate(quiz.shuffled(q)) if o.right) for q in every]
    assert len(set(places)) > 1
