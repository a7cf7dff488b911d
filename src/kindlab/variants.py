"""What is each student's own: tokens, names and ports that a lab asks for, so that an answer fits nobody else.

A lab declares them (lab.toml), with what everybody gets who works for themselves as `default`:

    [variants]
    token = { words = 3, default = "green-4-heron" }    # or hex = 8
    port = { from = 30100, to = 32700, default = 30042 }
    animal = { of = ["maple", "cedar", "birch"], default = "maple" }

and writes `{{ token }}` in its start files, text, titles, hints, solutions and wrong answers. `Lab.text` fills them in,
of the lab's own files only and for declared names only: what a student wrote is data, and is never filled in. A grader
reads `lab.variant["token"]`.

A value is chosen by HMAC-SHA256 of the class's seed over lab, student and name. The seed stays with the instructor, so
nobody can compute another one's, and the same seed gives the same values whenever somebody grades again.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kindlab.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from kindlab.labs import Lab

SHORTEST_SEED = 16
"""Characters."""
_PLACE = re.compile(r"\{\{ ?([a-z][a-z0-9_]*) ?\}\}")
_VALUE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
WORDS = tuple(
    re.findall(
        "[a-z]+",
        """
        acorn amber apple april arrow aspen badge baker basil beach birch blaze bloom brass bread brick
        brook cabin camel canal candy cargo cedar chalk cheer chess cider cliff cloud clove coast cobra
        comet coral crane creek crown daisy delta drift eagle early earth ember fable fancy ferry field
        finch flame fleet flint flora focus forest fossil frost fruit ginger globe grape grass green grove
        guava hazel heron honey hotel igloo indigo ivory jade jelly jolly kayak kiosk koala lapis lemon
        lilac lily lotus lucky lunar mango maple march marsh melon merry mint misty mocha moss music nectar
        noble north novel oasis ocean olive onion opal orbit otter oxide paint panda pearl pecan penny peony
        petal piano pilot plain plaza plum polar poppy prism quail quartz quiet quill raven ridge river
        robin rocky rose ruby sable sage salsa satin scout shell silk sky slate smoke snow solar spark spice
        spruce stone storm sugar sunny swift table tango thyme tiger topaz tower trail tulip tundra umber
        valley velvet violet walnut water wheat whale willow windy winter wren yacht yellow zebra zinc
        """,
    )
)
"""Never to be changed: values that students were given are made of them, by their places."""


@dataclass(frozen=True)
class Declared:
    """One thing that differs from student to student; one of the four says how."""

    default: str
    words: int = 0
    hex: int = 0
    numbers: tuple[int, int] = (0, -1)
    """From, to, both included."""
    of: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many values there are."""
        if self.words:
            return int(len(WORDS) ** self.words)
        return int(16**self.hex) if self.hex else len(self.of) or self.numbers[1] - self.numbers[0] + 1

    @property
    def is_telling(self) -> bool:
        """Whether nobody has another one's value by chance."""
        return self.count >= 100_000

    def value(self, number: int) -> str:
        """The value with this number, from 0 to `count` - 1."""
        if self.words:
            found = []
            for _ in range(self.words):
                number, rest = divmod(number, len(WORDS))
                found.append(WORDS[rest])
            return "-".join(found)
        if self.hex:
            return f"{number:0{self.hex}x}"
        return self.of[number] if self.of else str(self.numbers[0] + number)

    def can_be(self, value: str) -> bool:
        """Whether a value can be one of these."""
        if value == self.default:
            return True
        if self.words:
            return len(parts := value.split("-")) == self.words and set(parts) <= set(WORDS)
        if self.hex:
            return bool(re.fullmatch(f"[0-9a-f]{{{self.hex}}}", value))
        if self.of:
            return value in self.of
        return value.isascii() and value.isdigit() and self.numbers[0] <= int(value[:9]) <= self.numbers[1]


def declared(data: Mapping[str, Any]) -> dict[str, Declared]:
    """`[variants]` of a lab.toml. Raises ValueError, KeyError, TypeError for what is not as above."""
    return {name: _declared(name, dict(told)) for name, told in data.items()}


def _declared(name: str, told: dict[str, Any]) -> Declared:
    default = str(told.pop("default"))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not _VALUE.fullmatch(default):
        raise ValueError(f"variant {name}: its name and its default are small letters, digits and dashes")
    match sorted(told):
        case ["words"]:
            found = Declared(default, words=int(told["words"]))
        case ["hex"]:
            found = Declared(default, hex=int(told["hex"]))
        case ["from", "to"]:
            found = Declared(default, numbers=(int(told["from"]), int(told["to"])))
        case ["of"]:
            found = Declared(default, of=tuple(map(str, told["of"])))
        case other:
            raise ValueError(
                f"variant {name} has {', '.join(other) or 'nothing'}: it needs words, hex, from and to, or of"
            )
    if not 1 < found.count <= 16**32 or not all(map(_VALUE.fullmatch, found.of)):
        raise ValueError(f"variant {name} has {found.count} values: it needs two or more, of small letters and digits")
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each `{{ name }}` that has a value; any other stays as it is."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), text) if values else text


# -- a class


def seed(file: Path) -> bytes:
    """The class's seed. Raises UsageProblem for a file that is none."""
    try:
        text = file.read_bytes().strip()
    except OSError as error:
        raise UsageProblem(
            f"The seed {file} cannot be read.",
            f"{error.strerror or error}.",
            "Name the file that kindlab handout --seed wrote: the values of the whole class are made from it.",
        ) from error
    if len(text) < SHORTEST_SEED:
        raise UsageProblem(
            f"The seed in {file} is too short.",
            f"It has {len(text)} characters. Who guesses it can compute everybody's values.",
            f"Write at least {SHORTEST_SEED} random characters, or let kindlab handout make the file.",
        )
    return text


def of(lab: Lab, key: bytes, student: str) -> dict[str, str]:
    """A student's values. `student` is their id, as the roster or the run's results spell it."""
    return {name: one.value(_number(key, lab.slug, student, name) % one.count) for name, one in lab.variants.items()}


def _number(key: bytes, *said: str) -> int:
    from kindlab.batch.intake.names import label

    slug, student, name = said
    message = "\0".join(("kindlab variant 1", slug, label(student).casefold(), name)).encode()
    return int.from_bytes(hmac.digest(key, message, "sha256"))


def anothers(text: str, lab: Lab, key: bytes, student: str, students: Iterable[str]) -> list[str]:
    """Sentences on what of a submission is somebody else's of the class: `text` is all its files'. Nothing is said of
    values that two may have by chance."""
    own = of(lab, key, student)
    found = []
    for other in students:
        theirs = of(lab, key, other) if _is_another(other, student) else {}
        found += [
            f"It carries the {name} of {other}, {value}: its own would be {own[name]}."
            for name, value in theirs.items()
            if value != own[name] and lab.variants[name].is_telling and _has(text, value)
        ]
    return found + list(_defaults(text, lab, own))


def _is_another(other: str, student: str) -> bool:
    from kindlab.batch.intake.names import label

    return label(other).casefold() != label(student).casefold()


def _defaults(text: str, lab: Lab, own: Mapping[str, str]) -> Iterator[str]:
    for name, one in lab.variants.items():
        if one.words and not _has(text, own[name]) and _has(text, one.default):
            yield f"It carries the {name} of those who have no hand-out, {one.default}: its own would be {own[name]}."


def _has(text: str, value: str) -> bool:
    """Whether a text has the value as a word, or in base64 as a Secret's data has it."""
    whole = value.encode()[: len(value) // 3 * 3]  # the rest is encoded together with what follows
    encoded = base64.b64encode(whole).decode()
    if len(encoded) >= 12 and encoded in text:
        return True
    return re.search(rf"(?<![A-Za-z0-9-]){re.escape(value)}(?![A-Za-z0-9-])", text) is not None


# -- a learner


def checked(lab: Lab, values: Mapping[str, Any]) -> dict[str, str]:
    """Values as they came in a file. Raises Problem for what cannot be this lab's."""
    wrong = [name for name, one in lab.variants.items() if not one.can_be(str(values.get(name, "")))]
    if wrong or set(values) - set(lab.variants):
        raise Problem(
            f"These values are not for lab {lab.slug}.",
            f"Its values are called {', '.join(lab.variants) or 'nothing: everybody gets the same'}; "
            f"{', '.join(wrong or sorted(set(values) - set(lab.variants)))} does not fit.",
            "Take the hand-out of this lab, and the course's version that it was made with.",
        )
    return {name: str(values[name]) for name in lab.variants}
