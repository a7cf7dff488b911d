"""One submission graded by itself, where somebody else's machinery brings it: Gradescope, GitHub Actions."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from kindlab import farm
from kindlab.batch import intake, one
from kindlab.batch.intake.layout import Found, Source
from kindlab.batch.policy import Policy
from kindlab.batch.scoring import Scored, scored
from kindlab.farm import Limits
from kindlab.labs import Lab

TRIES = 2
"""What could not be graded is tried once more, unless its own Pods took more than there is for one."""


def graded(
    folder: Path,
    lab: Lab,
    *,
    student: str = "",
    submitted: str = "",
    policy: Policy | None = None,
    limits: Limits | None = None,
) -> Scored:
    """The grade of what lies in `folder`, on an embedded cluster of its own that is gone afterwards. Lateness is left
    to whoever brought it. Never raises for the submission. Raises Problem where no cluster can be made."""
    rules = replace(policy, late=None) if policy else None
    with tempfile.TemporaryDirectory(prefix="kindlab-alone-", ignore_cleanup_errors=True) as scratch:
        found = Found("submission", student or "submission", [Source(folder)], submitted)
        submission = intake.read_one(found, lab, Path(scratch) / "files")
        if submission.folder is None:
            return scored(one.unreadable(submission, lab), lab, rules)
        for _ in range(TRIES):
            done = farm.once(partial(one.grade_one, lab=lab, cluster="pocket"), submission, limits)
            graded = done.result or one.not_graded(submission, lab, done.problem, done.seconds)
            result = scored(graded, lab, rules)
            if not result.has_grade and done.overran:
                return scored(one.not_graded(submission, lab, done.problem, done.seconds), lab, rules)
            if result.has_grade:
                break
    return result
