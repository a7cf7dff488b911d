"""What a run needs is looked at before any work: every mistake that can be known is said then."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir

from kindlab import terminal
from kindlab.batch import policy, store
from kindlab.batch.store import Run, Store
from kindlab.batch.writing import POLICY
from kindlab.errors import UsageProblem
from kindlab.labs import Lab


def opened(
    submissions: Path,
    out: Path,
    lab: Lab,
    *,
    cluster: str = "pocket",
    seed: bytes | None = None,
    rules: Path | None = None,
    resume: bool = False,
    into: bool = False,
) -> Store:
    """The folder that the run is kept in. `rules`: its policy.toml, which is copied there; `resume` and `into` go on
    with a run that is there already (`into`: it must be). Raises Problem."""
    _refuse_no_submissions(submissions)
    _refuse_one_in_the_other(submissions, out)
    if rules is not None:
        policy.load(rules, lab)
    store.refuse_full_disk(out.resolve(), Path(gettempdir()))
    begun = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    run = Run(lab.slug, str(submissions.resolve()), cluster, fingerprint(seed), begun)
    going_on = into or (resume and store.is_run(out))
    found = store.go_on(out, run) if going_on else store.new(out, run)
    try:
        if rules is not None:
            found.write(out / POLICY, rules.read_text(encoding="utf-8-sig"))
        elif (out / POLICY).is_file():
            policy.load(out / POLICY, lab)
    except BaseException:
        found.close()
        raise
    return found


def fingerprint(seed: bytes | None) -> str:
    """What is written down of a class's seed: enough to know it again, and not the seed."""
    return hashlib.sha256(b"kindlab seed\0" + seed).hexdigest()[:16] if seed else ""


def _refuse_no_submissions(folder: Path) -> None:
    if not folder.exists():
        raise UsageProblem(
            f"There is no {folder}.",
            "It should hold the submissions: a folder or an archive for each student, or an LMS's download.",
            f"You are in {Path.cwd()}; docs/grading.md shows what it can look like.",
        )
    if folder.is_dir() and not any(folder.iterdir()):
        raise UsageProblem(
            f"{folder} is empty.", "There is no submission to grade.", "docs/grading.md shows what it can look like."
        )


def _refuse_one_in_the_other(submissions: Path, out: Path) -> None:
    """Reports must not be taken for a submission, nor a submission be written over."""
    whence, to = submissions.resolve(), out.resolve()
    if to.is_relative_to(whence) or whence.is_relative_to(to):
        raise UsageProblem(
            "--out and the folder of submissions lie in each other.",
            f"{to} and {whence}: the next run would take its own reports for a submission.",
            f"Name a folder beside it: --out {terminal.path(whence.parent / 'graded')}",
        )
