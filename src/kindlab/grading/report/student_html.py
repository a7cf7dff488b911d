"""The report a student reads in a browser: one page that needs no network and no script, in light, dark and on paper.

What it may show is decided in told.py. Hints are not in it: it is read when the work is handed in.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from kindlab.grading.report import pages, told

if TYPE_CHECKING:
    from kindlab.batch.scoring import Scored


PROGRAMS = ("kindlab", "kubernetes")
"""The versions that say something to a student."""


def render(scored: Scored, released: Collection[str] = ()) -> str:
    """The page. `released`: told.tasks."""
    graded, report = scored.graded, scored.graded.report
    has_total = scored.has_grade and told.whole(scored, released)
    return pages.page(
        "student.html",
        width="56rem",
        lab=report.lab,
        student=graded.student,
        grade=told.grade(scored, released).capitalize(),
        share=round(scored.percent) if has_total else None,
        remarks=told.remarks(scored, released),
        heading=told.problem_heading(scored),
        problem=report.problem.splitlines(),
        arithmetic=told.arithmetic(scored, released),
        refused=graded.refused,
        # nothing was graded where there is a problem: no list of tasks that looks like zeros
        tasks=[] if report.problem else told.tasks(scored, released),
        ending=ending(scored),
    )


def ending(scored: Scored) -> str:
    """Where and with what it was graded, in a line."""
    graded, report = scored.graded, scored.graded.report
    on = f" on {report.cluster}" if report.cluster else ""
    versions = ", ".join(f"{name} {graded.versions[name]}" for name in PROGRAMS if graded.versions.get(name))
    submitted = f"Handed in {told.moment(graded.submitted)}. " if graded.submitted else ""
    return f"{submitted}Graded by kindlab{on}{f' ({versions})' if versions else ''}."
