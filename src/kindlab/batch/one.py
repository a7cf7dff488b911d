"""One submission graded on a cluster of its own. This runs in a child of the farm's: whatever it comes to, it costs
this submission only."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from time import monotonic

from kindlab import __version__, digests
from kindlab.api import Api, ApiError
from kindlab.batch.graded import Graded
from kindlab.batch.submission import Submission
from kindlab.errors import Problem, in_a_line
from kindlab.grading.outcome import Outcome, Report, TaskResult, combined, total
from kindlab.labs import Lab

log = logging.getLogger(__name__)


def grade_one(
    api: Api,
    submission: Submission,
    *,
    lab: Lab,
    cluster: str,
    tasks: Collection[str] | None = None,
    evidence: Path | None = None,
) -> Graded:
    """Put it on the cluster and grade it (`tasks`: only these). `evidence`: where its bundle is written. Raises nothing
    that is the cluster's or ours: that is in the report, as what could not be graded."""
    from kindlab.batch import putting
    from kindlab.evidence import recorded
    from kindlab.grading import runner

    began = monotonic()
    graded = _begun(submission, lab)
    watched, tape = recorded(api) if evidence is not None else (api, None)
    try:
        notes: list[str] = []
        refused = (*graded.refused, *putting.put(lab, api, submission, notes=notes))
        versions = {**graded.versions, **_versions(api)}
        graded = replace(graded, refused=refused, notes=(*graded.notes, *notes), versions=versions)
        report = runner.grade(lab, watched, cluster=cluster, only=tasks)
    except (Problem, ApiError) as error:
        report = runner.not_graded(lab, error, only=tasks, cluster=cluster)
    graded = replace(graded, report=report, seconds=round(monotonic() - began, 2))
    if evidence is None or tape is None:
        return graded
    try:
        from kindlab.evidence import write

        graded = replace(graded, evidence=evidence.name)
        write(evidence, tape=tape, graded=graded, submission_folder=submission.folder, lab=lab, api=api)
    except Exception as error:  # the grading stands without it
        log.exception("no evidence of %s", submission.id)
        why = in_a_line(error) or type(error).__name__
        return replace(graded, evidence="", notes=(*graded.notes, f"Its evidence could not be kept: {why}"))
    return graded


def unreadable(submission: Submission, lab: Lab) -> Graded:
    """Of a submission of which nothing can be used: what a student hands in is theirs to answer for, so it gets no
    points, and the report says why; one that could not be read for our fault gets no grade."""
    outcome = Outcome.COULD_NOT_GRADE if submission.ours else Outcome.FAILED
    return replace(_begun(submission, lab), report=_nothing(lab, outcome, submission.problem))


def not_graded(
    submission: Submission, lab: Lab, problem: str, seconds: float = 0.0, tasks: Collection[str] | None = None
) -> Graded:
    """Of a submission whose grading (of these `tasks`) was ended, or broke: no grade, and no zero either."""
    why = f"{problem[:1].upper()}{problem[1:]}".rstrip(".") + "."
    report = _nothing(lab, Outcome.COULD_NOT_GRADE, why, tasks)
    return replace(_begun(submission, lab), report=report, seconds=seconds)


def merged(old: Graded, new: Graded) -> Graded:
    """The old grading with the tasks that were graded again in place of what they were."""
    report = replace(combined(old.report, new.report), problem="")
    said = f"Graded again: {', '.join(task.id for task in new.report.tasks)}."
    kept = [f"The evidence of that: {new.evidence}."] if new.evidence else []
    why = [in_a_line(new.report.problem)] if new.report.problem else []
    notes = tuple(dict.fromkeys((*old.notes, *new.notes, said, *why, *kept)))
    return replace(new, report=report, notes=notes, evidence=old.evidence)


def digest(submission: Submission) -> str:
    """Of what is graded, whatever it is called and whenever it came."""
    said = f"{submission.problem}\0{submission.nodes}"
    return digests.of(sorted(submission.folder.iterdir()) if submission.folder else [], said)


def lab_digest(lab: Lab) -> str:
    """Of the course's files that decide this lab's verdicts."""
    graders = lab.grader.parent
    return digests.of([lab.folder, lab.grader, *sorted(graders.glob("conftest.py"))])


def _begun(submission: Submission, lab: Lab) -> Graded:
    return Graded(
        id=submission.id,
        student=submission.student,
        report=_nothing(lab, Outcome.COULD_NOT_GRADE, ""),
        submitted=submission.submitted,
        refused=submission.refused,
        notes=submission.notes,
        source=submission.source,
        variant=dict(lab.variant),
        versions={"kindlab": __version__, "lab": lab_digest(lab), "submission": digest(submission)},
    )


def _nothing(lab: Lab, outcome: Outcome, problem: str, only: Collection[str] | None = None) -> Report:
    chosen = [task for task in lab.tasks if only is None or task.id in only]
    tasks = [TaskResult(task.id, task.title, 0, task.points, outcome) for task in chosen]
    return Report(lab.slug, outcome, 0, total(tasks), tasks, problem=problem)


def _versions(api: Api) -> dict[str, str]:
    return {"kubernetes": str(api.request("GET", "/version").get("gitVersion", ""))}
