"""The class at a glance, for who grades: one HTML page that needs no network, from 0 to some thousands of students.

How the grades spread, which tasks are hard, which checks fail most and which hop is broken first, who could not be
graded and who is late, and all students in a table that a small script lets one sort; without it the page lacks nothing
else. Nothing in it is withheld: it is not for students.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING

from kindlab.errors import in_a_line
from kindlab.grading.outcome import CheckResult, Outcome
from kindlab.grading.report import pages, told
from kindlab.grading.report.causes import cause

if TYPE_CHECKING:
    from kindlab.batch.scoring import Scored, ScoredTask

MOST = 12
"""Rows of a list of the commonest."""

WIDTH, HEIGHT, FOOT, HEAD = 640, 200, 34, 18
"""Of the histogram, in SVG units; FOOT and HEAD are for the words below and above the bars."""


@dataclass(frozen=True)
class Hard:
    """A task as the class did in it. `graded`: those with a verdict; `first` is its commonest failed check."""

    id: str
    title: str
    solved: int
    graded: int
    mean: float
    max_points: float
    first: str = ""

    @property
    def share(self) -> int:
        return round(100 * self.solved / self.graded) if self.graded else 0


@dataclass(frozen=True)
class Common:
    """Something that went wrong for `students` of them, in tasks."""

    what: str
    tasks: str
    students: int
    share: int


@dataclass(frozen=True)
class Bar:
    """Of the histogram; `x`, `y`, `width`, `height` in SVG units."""

    label: str
    count: int
    x: float
    y: float
    width: float
    height: float


def render(
    all_scored: Sequence[Scored],
    *,
    title: str = "",
    when: str = "",
    links: bool = True,
    tasks: Mapping[str, str] | None = None,
) -> str:
    """The page. `title`: of the lab; `when` it was graded (ISO 8601); `links`: whether the students' reports
    lie beside it, in students/<id>/report.html; `tasks`: the lab's titles by id, for in those of a student may stand
    what is theirs alone."""
    has = [one for one in all_scored if one.has_grade]
    script = (Path(pages.__file__).parent / "templates" / "sort.js").read_text(encoding="utf-8")
    return pages.page(
        "overview.html",
        width="72rem",
        title=title or (all_scored[0].graded.report.lab if all_scored else "no submissions"),
        when=told.moment(when),
        moment=told.moment,
        tiles=_tiles(all_scored, has),
        bars=histogram([one.percent for one in has]),
        size=(WIDTH, HEIGHT, FOOT),
        hard=hardest(all_scored, tasks or {}),
        checks=_commonest(all_scored, lambda check, lab: check.sentence),
        hops=_commonest(all_scored, lambda check, lab: cause(check.broken_hop, lab), first=True),
        not_graded=[(one, told.why_not(one)) for one in all_scored if not one.has_grade],
        late=[one for one in all_scored if one.late_days],
        noted=[one for one in all_scored if one.graded.notes],
        students=[(one, _first(one)) for one in all_scored],
        links=links,
        number=told.number,
        script=script,
        script_source=f"; script-src 'sha256-{_digest(script)}'",
    )


def _digest(script: str) -> str:
    """As a Content-Security-Policy names the one script that may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _tiles(all_scored: Sequence[Scored], has: Sequence[Scored]) -> list[tuple[str, str]]:
    """(label, value) of the figures at the top."""
    percents = [one.percent for one in has]
    judged = [one.passed for one in has if one.passed is not None]
    tiles = [("submissions", str(len(all_scored))), ("graded", str(len(has)))]
    if len(has) < len(all_scored):
        tiles.append(("could not be graded", str(len(all_scored) - len(has))))
    if percents:
        tiles.append(("median", f"{told.number(median(percents))}%"))
        tiles.append(("mean", f"{told.number(mean(percents))}%"))
        tiles.append(("all tasks done", str(sum(one.outcome is Outcome.PASSED for one in has))))
    if judged:
        tiles.append(("passed", f"{sum(judged)} of {len(judged)} ({round(100 * sum(judged) / len(judged))}%)"))
    late = sum(one.late_days > 0 for one in all_scored)
    return [*tiles, ("late", str(late))] if late else tiles


def histogram(percents: Sequence[float]) -> list[Bar]:
    """Ten bars of ten percent, the last with 100 in it, and one more for what is above; empty without grades."""
    if not percents:
        return []
    labels = [f"{low}–{low + 10}" for low in range(0, 100, 10)]
    counts = Counter(min(int(p // 10), 9) if p <= 100 else 10 for p in percents)
    if counts[10]:
        labels.append("over 100")
    slot, most = WIDTH / len(labels), max(counts.values())
    room = HEIGHT - FOOT - HEAD
    return [
        Bar(label, counts[i], i * slot + 3, HEIGHT - FOOT - room * counts[i] / most, slot - 6, room * counts[i] / most)
        for i, label in enumerate(labels)
    ]


def hardest(all_scored: Sequence[Scored], titles: Mapping[str, str]) -> list[Hard]:
    """The tasks, those first that fewest solved; what could not be graded does not count."""
    found: dict[str, list[ScoredTask]] = {}
    for one in all_scored:
        for task in one.tasks if not one.graded.report.problem else ():
            found.setdefault(task.result.id, []).append(task)
    rows = []
    for name, tasks in found.items():
        graded = [task for task in tasks if task.outcome is not Outcome.COULD_NOT_GRADE]
        failed = Counter(c.sentence for t in graded for c in t.result.checks if c.outcome is Outcome.FAILED)
        rows.append(
            Hard(
                id=name,
                title=titles.get(name, tasks[0].result.title),
                solved=sum(task.outcome is Outcome.PASSED for task in graded),
                graded=len(graded),
                mean=mean(task.points for task in graded) if graded else 0.0,
                max_points=tasks[0].max_points,
                first=failed.most_common(1)[0][0] if failed else "",
            )
        )
    return sorted(rows, key=lambda row: (not row.graded, row.share))


def _commonest(
    all_scored: Sequence[Scored], said: Callable[[CheckResult, str], str], *, first: bool = False
) -> list[Common]:
    """What `said` says of failed checks (and the lab's slug), by the number of students of whom it is said; `first`:
    of each task the first failed check alone."""
    students: Counter[str] = Counter()
    tasks: dict[str, dict[str, None]] = {}
    for one in all_scored:
        mine: dict[str, None] = {}
        for task in one.tasks:
            failed = [c for c in task.result.checks if c.outcome is Outcome.FAILED]
            for check in failed[:1] if first else failed:
                if what := said(check, one.graded.report.lab):
                    mine[what] = None
                    tasks.setdefault(what, {})[task.result.id] = None
        students.update(list(mine))
    count = sum(one.has_grade for one in all_scored) or 1
    return [
        Common(what, ", ".join(tasks[what]), many, min(100, round(100 * many / count)))
        for what, many in sorted(students.items(), key=lambda item: (-item[1], item[0]))[:MOST]
    ]


def _first(one: Scored) -> str:
    """What is wrong first, in a line; "" where nothing is, or where it could not be graded, which stands elsewhere."""
    if not one.has_grade:
        return ""
    if one.graded.report.problem:
        return in_a_line(one.graded.report.problem)
    failed = (c for t in one.tasks for c in t.result.checks if c.outcome is Outcome.FAILED)
    check = next(failed, None)
    return f"{check.task}: {check.broken_hop or check.seen or check.sentence}" if check else ""
