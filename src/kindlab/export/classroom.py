"""`kindlab export classroom LAB`: a starter repository for GitHub Classroom, and what its workflow runs.

The workflow checks out the student's repository and, beside it, the course; kindlab grades the repository on an
embedded cluster, writes the report to the job's summary, and hands the points to GitHub Classroom's own reporter in the
form that its graders use: base64 of JSON with status, max_score and tests, one result a task (read in the source of
github.com/classroom-resources/autograding-grading-reporter in 2025). What could not be graded hands over nothing, and
the job fails saying so: no points are reported, and none are taken.

Nobody has run it on GitHub yet.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kindlab.batch.scoring import ScoredTask
    from kindlab.labs import Lab

WORKFLOW = Path(".github", "workflows", "classroom.yml")
COURSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[\w.-]+")
REF = re.compile(r"\w[\w./-]*")
ACTIONS = {
    "checkout": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "python": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "reporter": "classroom-resources/autograding-grading-reporter@d13b5912daf5042ac1b71bc38bdb4a6bcd61d8ca # v1",
}
"""Pinned by commit; the comment is the tag, as copies of their repositories from 2025 and 2026 have it."""


@click.command("classroom")
@click.argument("lab")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The repository to make."
)
@click.option("--course", required=True, metavar="OWNER/NAME", help="The course's repository on GitHub.")
@click.option("--ref", default="main", show_default=True, metavar="REF", help="Which commit, tag or branch of it.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def command(lab: str, out: Path, course: str, ref: str, force: bool) -> None:
    """A repository for LAB that GitHub Actions grades.

    It holds the files to complete and a workflow that hands the points to GitHub Classroom.
    """
    from kindlab import labs, terminal

    found = labs.find(lab)
    _refuse(course, ref)
    for file in make(found, out, course, ref, force=force):
        click.echo(f"made {terminal.path(file)}")
    click.echo("Next: push it as a template repository, and make the assignment from that.")
    click.echo(
        f"Protect the path {WORKFLOW.parent.as_posix()}/** there: who can change the workflow can change the points."
    )


def _refuse(course: str, ref: str) -> None:
    from kindlab.errors import UsageProblem

    if not COURSE.fullmatch(course):
        raise UsageProblem(
            f"{course!r} is no repository on GitHub.",
            "The workflow takes the labs and their graders from there.",
            "For example: --course my-university/kindlab",
        )
    if not REF.fullmatch(ref) or ".." in ref:
        raise UsageProblem(
            f"{ref!r} cannot be a commit, tag or branch.", "The workflow checks it out.", "For example: --ref v1.0"
        )


def make(lab: Lab, out: Path, course: str, ref: str, *, force: bool = False) -> list[Path]:
    """Write the repository's files; returns them. Raises UsageProblem, having written nothing, where one is there."""
    from kindlab import export, paths

    values = {"lab": lab, "course": course, "ref": ref, "actions": ACTIONS, "variables": variables(lab)}
    texts = {
        out / WORKFLOW: export.filled("classroom.yml", **values),
        out / "README.md": export.filled("classroom.md", **values),
        **{out / file.name: lab.text(file) for file in lab.start_files},
    }
    export.refuse_to_overwrite(list(texts), force=force)
    for file, text in texts.items():
        paths.write_atomically(file, text)
    return sorted(texts)


def variables(lab: Lab) -> dict[str, str]:
    """Task -> the environment variable in which the reporter looks for its result."""
    return {task.id: f"{task.id.upper()}_RESULTS" for task in lab.tasks}


# -- what runs in the workflow


def main(slug: str, folder: Path) -> int:
    """Grade the repository in `folder`: the report to $GITHUB_STEP_SUMMARY, each task's result to $GITHUB_OUTPUT.
    Returns the exit code: 0 when there is a grade, whatever it is."""
    from kindlab import labs
    from kindlab.batch import alone
    from kindlab.errors import COULD_NOT_GRADE, PASSED
    from kindlab.grading.report import markdown, told

    lab = labs.find(slug)
    found = alone.graded(folder, lab, student=os.environ.get("GITHUB_ACTOR", ""))
    _append("GITHUB_STEP_SUMMARY", markdown.render(found))
    if not found.has_grade:
        why = _one_line(told.why_not(found)).rstrip(".")
        print(f"::error title=Could not be graded::{why}. Run the job again; it costs no points.")
        return COULD_NOT_GRADE
    for task in found.tasks:
        _append("GITHUB_OUTPUT", f"{task.result.id}={encoded(task)}\n")
    print(f"{found.points:g} of {found.max_points:g} points; the summary of this run says why.")
    for task in found.tasks:
        print(f"  {task.points:g}/{task.max_points:g}  {_one_line(task.result.title)}")
    return PASSED


def encoded(task: ScoredTask) -> str:
    """One task's result as the reporter reads it: all must have one, and one of no points counts nothing."""
    from kindlab.grading.outcome import Outcome

    status = "pass" if task.outcome is Outcome.PASSED or task.result.not_here else "fail"
    test = {"name": task.result.title, "status": status, "score": task.points, "line_no": 0}
    found: dict[str, Any] = {"version": 3, "status": status, "max_score": task.max_points, "tests": [test]}
    return base64.b64encode(json.dumps(found).encode()).decode()


def _append(variable: str, text: str) -> None:
    """To the file that the variable names; nowhere outside a workflow."""
    if name := os.environ.get(variable):
        with open(name, "a", encoding="utf-8") as file:
            file.write(text)


def _one_line(text: str) -> str:
    """For a workflow command, in which a line is all there is and % begins an escape."""
    return " ".join(text.split()).replace("%", "%25")


if __name__ == "__main__":
    from kindlab.errors import Problem

    try:
        sys.exit(main(sys.argv[1], Path(sys.argv[2])))
    except Problem as problem:
        print(f"::error title=Could not be graded::{_one_line(str(problem))}")
        sys.exit(problem.exit_code)
