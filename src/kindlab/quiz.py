"""The questions of a lab, `labs/<slug>/quiz.toml`, and those that belong to no lab, `labs/quiz.toml`.

Each has one right option, and says of every option why.

[[questions]]
id = "port-or-target-port"
kcna = "Container Orchestration: Networking"
text = "A Service has port 80 and targetPort 5000. Where must the containers listen?"
options = [
  { text = "On 80", why = "80 is the clients' side." },
  { text = "On 5000", right = true, why = "targetPort is the containers' side." },
  { text = "On both", why = "A container listens where its program says, once." },
]
"""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kindlab import labs, paths
from kindlab.errors import Problem
from kindlab.labs import Lab

DOMAINS = {
    "Kubernetes Fundamentals": 44,
    "Container Orchestration": 28,
    "Cloud Native Application Delivery": 16,
    "Cloud Native Architecture": 12,
}
"""KCNA domain -> its weight in percent, as the curriculum of November 2025 has them."""


COURSE = "course"
"""Stands where a lab's slug stands, for the questions that belong to no lab."""


@dataclass(frozen=True)
class Option:
    """`why` explains: of the right one why it is right, of a distractor what it mistakes."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """`kcna`: "domain: competency". `key` names it in the whole course: `02-services/port-or-target-port`."""

    lab: str
    id: str
    kcna: str
    text: str
    options: tuple[Option, ...]

    @property
    def key(self) -> str:
        return f"{self.lab}/{self.id}"

    @property
    def domain(self) -> str:
        return self.kcna.partition(":")[0]


def questions(lab: Lab) -> list[Question]:
    """A lab's questions, in order; none when it has no quiz. Raises Problem that names the file and what is wrong."""
    if not lab.quiz.is_file():
        return []
    return _read(lab.slug, lab.quiz)


def course_questions() -> list[Question]:
    """Those that belong to no lab; none when the course has no such file. Raises Problem as `questions` does."""
    file = paths.course() / "labs" / "quiz.toml"
    return _read(COURSE, file) if file.is_file() else []


def all_questions() -> list[Question]:
    """Those of every lab, in the order of the course, then those of no lab."""
    return [question for lab in labs.all_labs() for question in questions(lab)] + course_questions()


def asked_for(name: str) -> list[Question]:
    """Those of the lab of that name or number, or of no lab for `course`. Raises UsageProblem when there is none."""
    return course_questions() if name.strip().lower() == COURSE else questions(labs.find(name))


def shuffled(question: Question) -> list[Option]:
    """Its options in an order of its own, the same each time: in the file the right one may always come first."""
    return random.Random(question.key).sample(question.options, len(question.options))


def _read(slug: str, file: Path) -> list[Question]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        found = [_question(slug, one) for one in data["questions"]]
        if len({q.id for q in found}) != len(found):
            raise ValueError("two questions have the same id")
    except (OSError, KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        raise Problem(f"{file} is not a quiz.", why, "Compare it with another lab's.") from error
    return found


def _question(slug: str, data: dict[str, Any]) -> Question:
    options = tuple(Option(o["text"], o["why"], bool(o.get("right", False))) for o in data["options"])
    name = data["id"]
    if sum(option.right for option in options) != 1:
        raise ValueError(f"question {name} has not exactly one right option")
    if not 3 <= len(options) <= 5:
        raise ValueError(f"question {name} has {len(options)} options: give it three to five")
    if not all(option.text.strip() and option.why.strip() for option in options):
        raise ValueError(f"question {name} has an option without text or without why")
    if data["kcna"].partition(":")[0] not in DOMAINS:
        raise ValueError(f"question {name} is of no KCNA domain: {data['kcna']!r}")
    return Question(slug, name, data["kcna"], data["text"], options)
