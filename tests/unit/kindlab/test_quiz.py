"""Quizzes: what an author may get wrong is said, and the order of options gives nothing away."""

import random
from collections import Counter
from pathlib import Path

import pytest

from kindlab import labs, quiz, recall
from kindlab.errors import Problem, UsageProblem

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

COMPETENCIES = {
    *(f"Kubernetes Fundamentals: {c}" for c in ("Core Concepts", "Administration", "Scheduling", "Containerization")),
    *(f"Container Orchestration: {c}" for c in ("Networking", "Security", "Troubleshooting", "Storage")),
    *(f"Cloud Native Application Delivery: {c}" for c in ("Application Delivery", "Debugging")),
    "Cloud Native Architecture: Observability",
    "Cloud Native Architecture: Ecosystem and Principles",
    "Cloud Native Architecture: Community and Collaboration",
}
"""Of the curriculum of November 2025."""


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
    every = quiz.all_questions()
    assert every
    places = [next(i for i, o in enumerate(quiz.shuffled(q)) if o.right) for q in every]
    assert places == [next(i for i, o in enumerate(quiz.shuffled(q)) if o.right) for q in every]
    assert len(set(places)) > 1


def test_the_course_has_questions_that_belong_to_no_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "labs").mkdir()
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    assert quiz.asked_for("course") == quiz.all_questions() == []
    (tmp_path / "labs" / "quiz.toml").write_text(GOOD, encoding="utf-8")
    assert [q.key for q in quiz.all_questions()] == ["course/one"]
    assert quiz.asked_for("Course") == quiz.all_questions()
    with pytest.raises(UsageProblem, match="no lab 'coarse'"):
        quiz.asked_for("coarse")
    (tmp_path / "labs" / "quiz.toml").write_text("[[questions]]", encoding="utf-8")
    with pytest.raises(Problem, match="is not a quiz"):
        quiz.all_questions()


def test_the_course_has_enough_of_every_domain_for_a_whole_exam() -> None:
    chosen = recall.drawn(quiz.all_questions(), 60, random.Random(1))
    assert Counter(q.domain for q in chosen) == dict(zip(quiz.DOMAINS, (26, 17, 10, 7), strict=True))


def test_every_question_is_of_a_competency_of_the_curriculum() -> None:
    assert {q.kcna for q in quiz.all_questions()} <= COMPETENCIES


def test_the_right_option_is_not_told_by_its_length() -> None:
    """Neither in one question, nor by choosing the longest every time."""
    longest = 0
    for question in quiz.all_questions():
        right = next(len(o.text) for o in question.options if o.right)
        others = max(len(o.text) for o in question.options if not o.right)
        assert right <= 1.4 * others + 8, question.key
        longest += right > others
    assert longest <= 0.33 * len(quiz.all_questions())
