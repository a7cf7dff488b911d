"""`grades.csv`: a header row and one row a submission, for a gradebook or a spreadsheet.

The columns keep their order: the fixed ones, one a task in the order of the lab (`task: ID`), a comment, and notes. The
comment may go to students with the grade, so it says what their report may say (told.py); all else, the tasks' points
and the notes above all, is for who grades. A submission that could not be graded has no number in any column of its
grade, and its comment says why.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from kindlab.grading.outcome import Outcome
from kindlab.grading.report import told
from kindlab.grading.report.told import ToldCheck

if TYPE_CHECKING:
    from kindlab.batch.scoring import Scored

COLUMNS = (
    "student",
    "id",
    "email",
    "points",
    "max points",
    "percent",
    "passed",
    "outcome",
    "submitted",
    "late days",
    "penalty",
    "adjustment",
    "adjustment reason",
    "extra",
)
LONGEST_COMMENT = 1000
"""Characters; the whole is in the student's report."""

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_FORMULA = re.compile(r"(^|[,;|])(\s*)(?=[=+\-@＝＋－＠])")
"""Where a spreadsheet could take what follows for a formula: at the beginning of a cell, and behind what separates
cells in some countries, where a program reads our commas as text (OWASP, CSV injection)."""


def render(
    all_scored: Sequence[Scored],
    tasks: Sequence[str] = (),
    released: Collection[str] = (),
    emails: Mapping[str, str] | None = None,
) -> str:
    """The file. `tasks`: the ids of the lab's tasks; without them those that the submissions have. `released`:
    told.tasks. `emails`: of students by the id of their submission."""
    listed = list(tasks) or list(dict.fromkeys(t.result.id for one in all_scored for t in one.tasks))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"task: {text(name)}" for name in listed), "comment", "notes"])
    for one in all_scored:
        known = (emails or {}).get(one.graded.id, "") or email(one.graded.student) or email(one.graded.id)
        writer.writerow([*_row(one, listed, known), text(comment(one, released)), text(" ".join(one.graded.notes))])
    return out.getvalue()


def _row(one: Scored, tasks: Sequence[str], address: str) -> Iterator[str]:
    graded, has = one.graded, one.has_grade
    yield text(graded.student)
    yield text(graded.id)
    yield text(address)
    yield number(one.points if has else None)
    yield number(one.max_points)
    yield number(one.percent if has else None)
    yield {True: "yes", False: "no", None: ""}[one.passed if has else None]
    yield one.outcome.value
    yield text(graded.submitted)
    yield number(one.late_days)
    yield number(one.penalty if has else None)
    yield number(one.adjustment if has else None)
    yield text(one.adjustment_reason)
    yield number(one.extra if has else None)
    points = {t.result.id: None if t.outcome is Outcome.COULD_NOT_GRADE else t.points for t in one.tasks}
    for name in tasks:
        yield number(points.get(name))


def comment(one: Scored, released: Collection[str] = ()) -> str:
    """What to read beside the grade, in one line: why there is none, what is wrong first in each task that is not
    done, what was left out."""
    said = [_flat(one.graded.report.problem)] if one.graded.report.problem else list(_of_tasks(one, released))
    said += one.remarks
    if one.graded.refused:
        left_out = (f"{r.what} ({r.why})" if r.why else r.what for r in one.graded.refused)
        said.append(f"left out: {'; '.join(left_out)}")
    line = _flat(" | ".join(said))
    return line if len(line) <= LONGEST_COMMENT else f"{line[: LONGEST_COMMENT - 1]}…"


def _of_tasks(one: Scored, released: Collection[str]) -> Iterator[str]:
    for task in told.tasks(one, released):
        if task.not_here:
            yield f"{task.id}: cannot be done here"
        elif task.outcome is Outcome.COULD_NOT_GRADE:
            stuck = told.stuck(task.checks)
            yield f"{task.id}: could not be graded{f': {stuck}' if stuck else ''}"
        elif task.outcome is Outcome.FAILED:
            failed = [check for check in task.checks if check.outcome is Outcome.FAILED]
            yield f"{task.id}: {_wrong(failed[0]) if failed else 'not done'}"


def _wrong(check: ToldCheck) -> str:
    return check.broken_hop or check.seen or check.sentence


def email(of: str) -> str:
    """The address in what a class calls a student; "" where there is none."""
    found = _ADDRESS.search(of)
    return found[0] if found else ""


def text(value: str) -> str:
    """A text that no spreadsheet takes for a formula, in one line and without control characters."""
    return _FORMULA.sub(r"\1\2'", _flat(value))


def number(value: float | None) -> str:
    """With a point, and without places that say nothing; empty for no value."""
    if value is None:
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _flat(value: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", " ", value).split())
