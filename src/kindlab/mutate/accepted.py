"""`labs/<slug>/mutants.toml`: mutants on which grader and oracle need not agree, each with the reason.

[[accept]]
mutant = "replicas:cart.yaml:*"     # an id as kindlab mutate prints it; * is anything
why = "no task asks how many carts there are"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kindlab.errors import Problem
from kindlab.labs import Lab
from kindlab.mutate.mutants import Mutant

FILE = "mutants.toml"


@dataclass(frozen=True)
class Accepted:
    """One entry. Brackets in ids stand for themselves."""

    pattern: str
    why: str

    def holds(self, mutant: Mutant) -> bool:
        return fnmatchcase(mutant.id, self.pattern.replace("[", "[[]"))


def of(lab: Lab) -> list[Accepted]:
    """Raises Problem for a file that cannot be used."""
    file = lab.folder / FILE
    if not file.is_file():
        return []
    try:
        found = [Accepted(str(one["mutant"]), str(one["why"]).strip()) for one in _entries(file.read_text("utf-8"))]
        if not all(one.pattern and one.why for one in found):
            raise ValueError("mutant and why must not be empty")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(
            f"labs/{lab.slug}/{FILE} is not usable.",
            f"{type(error).__name__}: {error}.",
            'Each entry is [[accept]] with mutant = "an id, or a pattern of it" and why = "the reason".',
        ) from error
    return found


def _entries(text: str) -> list[dict[str, str]]:
    data = tomllib.loads(text)
    if unknown := sorted(data.keys() - {"accept"}):
        raise ValueError(f"it knows only accept, not {', '.join(unknown)}")
    return list(data.get("accept", ()))


def reason(entries: Iterable[Accepted], mutant: Mutant) -> str:
    """Why the mutant is accepted, "" when it is not."""
    return next((one.why for one in entries if one.holds(mutant)), "")


def stale(entries: Iterable[Accepted], every: Iterable[Mutant]) -> list[str]:
    """The entries that mean no mutant at all."""
    made = list(every)
    return [
        f"{one.pattern!r} means no mutant of the solution: remove it"
        for one in entries
        if not any(one.holds(mutant) for mutant in made)
    ]
