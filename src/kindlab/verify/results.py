"""What `kindlab verify` has found so far, as plain data: written to a JSON file after each answer, and read again by
`--resume` and `--join`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from kindlab import paths
from kindlab.errors import Problem

FORMAT = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Graded:
    """One answer graded on one cluster.

    `verdicts`: check -> passed, failed, could-not-grade; `tasks`: check -> its task; `seen`: of those that did not
    pass, what the check saw; `misjudged`: how it is not what the answer's author says it must be, or "";
    `problem`: why it could not be brought about or graded; `seconds`: of grading."""

    verdicts: dict[str, str]
    tasks: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    misjudged: str = ""
    problem: str = ""
    seconds: float = 0.0

    @property
    def steady(self) -> bool:
        """Whether it is as its author says: worth remembering."""
        return not self.problem and not self.misjudged


@dataclass(frozen=True)
class Difference:
    """A check with two verdicts; `there` and `pocket` are outcomes, or "not run". `seen`: what it saw there."""

    lab: str
    state: str
    check: str
    there: str
    pocket: str
    seen: str = ""

    def __str__(self) -> str:
        why = f" ({self.seen})" if self.seen else ""
        return f"{self.lab} {self.state}: {self.check} is {self.there} there{why} and {self.pocket} on pocket"


@dataclass(frozen=True)
class Answer:
    """One answer on both clusters. `left_out`: its checks that are not compared. `before`: what was found there at the
    first try, where the two differed and it was tried again. `took`: seconds there with everything around it."""

    lab: str
    state: str
    pocket: Graded
    there: Graded
    left_out: tuple[str, ...] = ()
    before: Graded | None = None
    took: float = 0.0

    @property
    def counted(self) -> list[str]:
        return sorted((self.pocket.verdicts.keys() | self.there.verdicts.keys()) - set(self.left_out))

    @property
    def differences(self) -> list[Difference]:
        return list(self._compared(self.there))

    @property
    def problem(self) -> str:
        return self.there.problem or (self.pocket.problem and f"on pocket: {self.pocket.problem}")

    @property
    def agrees(self) -> bool:
        return not self.problem and not self.differences

    @property
    def unsteady(self) -> list[Difference]:
        """What differed at the first try and not at the second."""
        lasting = {found.check for found in self.differences}
        return [d for d in self._compared(self.before) if d.check not in lasting] if self.before else []

    def _compared(self, there: Graded) -> Iterator[Difference]:
        for name in self.counted:
            pair = [graded.verdicts.get(name, "not run") for graded in (there, self.pocket)]
            if pair[0] != pair[1]:
                yield Difference(self.lab, self.state, name, pair[0], pair[1], there.seen.get(name, ""))


@dataclass
class LabResult:
    """One lab. `course`: a digest of the files that decide its verdicts. `away`: why it cannot run there, or "";
    `away_tasks`: its tasks that cannot -> why. `of`: how many answers there are; `problem`: why some were not tried."""

    lab: str
    course: str = ""
    of: int = 0
    away: str = ""
    away_tasks: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    problem: str = ""

    @property
    def verdicts(self) -> int:
        return sum(len(a.counted) for a in self.answers.values())

    @property
    def differences(self) -> list[Difference]:
        return [d for a in self.answers.values() for d in a.differences]

    @property
    def same(self) -> int:
        return self.verdicts - len(self.differences)

    @property
    def right(self) -> int:
        """Answers judged there as their author says they must be."""
        return sum(a.there.steady for a in self.answers.values())

    @property
    def problems(self) -> list[str]:
        found = [f"{a.lab} {a.state}: {a.problem}" for a in self.answers.values() if a.problem]
        return [*found, *([f"{self.lab}: {self.problem}"] if self.problem else [])]

    @property
    def whole(self) -> bool:
        return bool(self.away) or len(self.answers) == self.of > 0

    def row(self) -> dict[str, Any]:
        return {
            "lab": self.lab,
            "answers": len(self.answers),
            "of": self.of,
            "right": self.right,
            "verdicts": self.verdicts,
            "same": self.same,
            "tried_again": sum(a.before is not None for a in self.answers.values()),
            "seconds": round(sum(a.there.seconds for a in self.answers.values()), 1),
            "pocket_seconds": round(sum(a.pocket.seconds for a in self.answers.values()), 1),
            "took": round(sum(a.took for a in self.answers.values()), 1),
            "away": self.away,
            "away_tasks": self.away_tasks,
        }


@dataclass
class Verified:
    """`cluster`: its name and kind. `identity` tells it from a cluster of the same name that was made anew; `facts`:
    (what, which) of facts.py. `date`: of the last answer. `course`: how many labs the course has."""

    cluster: str
    identity: str = ""
    date: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    labs: dict[str, LabResult] = field(default_factory=dict)
    course: int = 0

    @property
    def answers(self) -> list[Answer]:
        return [answer for lab in self.labs.values() for answer in lab.answers.values()]

    @property
    def differences(self) -> list[Difference]:
        return [d for lab in self.labs.values() for d in lab.differences]

    @property
    def problems(self) -> list[str]:
        return [p for lab in self.labs.values() for p in lab.problems]

    @property
    def whole(self) -> bool:
        return bool(self.labs) and all(lab.whole for lab in self.labs.values())

    @property
    def agrees(self) -> bool:
        """Nothing differs, of what can run there, everything was tried, and something was."""
        return self.whole and bool(self.answers) and not self.differences and not self.problems

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "cluster": self.cluster,
            "agrees": self.agrees,
            "rows": [lab.row() for lab in self.labs.values()],
            "differences": [asdict(d) for d in self.differences],
            "problems": self.problems,
            **{k: v for k, v in asdict(self).items() if k != "cluster"},
        }


def save(found: Verified, file: Path) -> None:
    paths.write_atomically(file, json.dumps(found.to_json()) + "\n")


def load(file: Path) -> Verified:
    """What an earlier run has written. Raises Problem when it is not there or not such a file."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']} is not {FORMAT}")
        facts = [(str(what), str(which)) for what, which in data["facts"]]
        found = {slug: _lab(lab) for slug, lab in data["labs"].items()}
        whole = {key: data[key] for key in ("cluster", "identity", "date", "course")}
        return _made(Verified, {**whole, "facts": facts, "labs": found})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            f"{file} holds no results of kindlab verify.",
            f"{type(error).__name__}: {error}.",
            "Begin anew: run the same command without --resume.",
        ) from error


def join(found: Iterable[Verified]) -> Verified:
    """Several runs as one, of the same cluster or of such made alike (as a workflow's jobs make them): each lab as the
    last run that has it says. Raises Problem when there is none."""
    runs = list(found)
    if not runs:
        raise Problem("There are no results to join.", "", "Name the JSON files of finished runs.")
    whole = Verified(runs[0].cluster, runs[0].identity, max(r.date for r in runs), runs[0].facts, {}, runs[0].course)
    for run in runs:
        whole.labs.update(run.labs)
        whole.facts += [fact for fact in run.facts if fact not in whole.facts]
    whole.labs = dict(sorted(whole.labs.items()))
    return whole


def _lab(data: dict[str, Any]) -> LabResult:
    return _made(LabResult, {**data, "answers": {name: _answer(a) for name, a in data["answers"].items()}})


def _answer(data: dict[str, Any]) -> Answer:
    graded = {key: _made(Graded, data[key]) for key in ("pocket", "there")}
    before = _made(Graded, data["before"]) if data["before"] else None
    return _made(Answer, {**data, **graded, "before": before, "left_out": tuple(data["left_out"])})


def _made(kind: type[T], fields: dict[str, Any]) -> T:
    """Raises TypeError for a field that there is not, or whose value is of another type."""
    hints = get_type_hints(kind)
    for name, value in fields.items():
        if name in hints and not _fits(value, hints[name]):
            raise TypeError(f"{name} is {value!r}"[:200])
    return kind(**fields)


def _fits(value: Any, hint: Any) -> bool:
    within = get_args(hint)
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(isinstance(k, str) and _fits(v, within[1]) for k, v in value.items())
    if get_origin(hint) in (list, tuple):
        return isinstance(value, list | tuple) and all(_fits(one, within[0]) for one in value if within[0] is str)
    if hint is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, hint)
