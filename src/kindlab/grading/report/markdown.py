"""The report a student reads as text: Markdown (CommonMark and tables), for an e-mail, a repository or a review.

Texts of the cluster and the student are escaped, so that none becomes a heading, a link with another text, an image or
HTML. What it may show is decided in told.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from kindlab.grading.report import told
from kindlab.grading.report.pages import WORDS
from kindlab.grading.report.student_html import ending
from kindlab.grading.report.told import MARKS, ToldTask

if TYPE_CHECKING:
    from kindlab.batch.scoring import Scored

_MARKUP = re.compile(r"[\\`*_\[\]<>|~$&]|^[-+=#]|^\d+(?=[.)])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


def render(scored: Scored, released: Collection[str] = ()) -> str:
    """The report. `released`: told.tasks."""
    return "\n".join(_lines(scored, released)) + "\n"


def _lines(scored: Scored, released: Collection[str]) -> Iterator[str]:
    graded, report = scored.graded, scored.graded.report
    yield f"# {text(report.lab)}: {text(graded.student)}"
    yield from ("", f"**{text(told.grade(scored, released).capitalize())}**")
    for sentence in told.remarks(scored, released):
        yield from ("", f"> {text(sentence)}")
    if report.problem:
        yield from ("", f"## {told.problem_heading(scored)}")
        for line in report.problem.splitlines():
            yield from ("", text(line))
    sums = told.arithmetic(scored, released)
    if sums:
        yield from ("", "## How the grade came about", "")
        yield from _table(("what", "points"), sums)
    if graded.refused:
        yield from ("", "## Left out of what you handed in", "", "The rest was graded as if this was not there.", "")
        rows = ((f"{r.what} (in {r.file})" if r.file else r.what, r.why, r.then) for r in graded.refused)
        yield from _table(("what", "why", "what to do"), rows)
    if not report.problem:
        yield from _tasks(told.tasks(scored, released))
    yield from ("", "---", "", text(ending(scored)))


def _tasks(tasks: list[ToldTask]) -> Iterator[str]:
    if not tasks:
        return
    yield from ("", "## The tasks", "")
    yield from _table(("task", "result", "points"), ((t.title, _state(t), t.score) for t in tasks))
    for task in tasks:
        extra = ", extra credit" if task.extra else ""
        yield from ("", f"### {text(task.title)} ({text(task.score)}{extra})", "")
        if task.not_here:
            yield text(f"{task.not_here} {task.how_to_get}".strip())
        elif not task.checks:
            yield "Nothing was checked."
        for check in task.checks:
            yield f"- {MARKS[check.outcome]} {text(check.sentence)} ({WORDS[check.outcome]})"
            for label, said in check.rows:
                yield f"  - {label}: {code(said) if label == 'next' else text(said)}"
        if task.shares:
            yield from ("", text(task.shares) + ".")


def _state(task: ToldTask) -> str:
    return "not here" if task.not_here else WORDS[task.outcome]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(map(text, row))} |" for row in rows)


def text(value: str) -> str:
    """In one line, with nothing in it that Markdown reads as more than text; a bare URL may still become a link."""
    flat = " ".join(_CONTROL.sub(" ", value).split())
    return _MARKUP.sub(lambda m: f"{m[0]}\\" if m[0].isdigit() else f"\\{m[0]}", flat)


def code(value: str) -> str:
    """As code, whatever backticks are in it."""
    flat = " ".join(_CONTROL.sub(" ", value).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", flat)), default=0))
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"
