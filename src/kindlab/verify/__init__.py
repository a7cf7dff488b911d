"""`kindlab verify`: does the course say the same on a real cluster as on the embedded one?

Every answer its authors wrote down (start, solution, alternatives, wrong answers) is graded on both, and the verdicts
are compared check by check. A check that expect.toml leaves to chance (`may`) is not compared, nor is one of a lab or
task that needs what the cluster does not have: those are listed with the reason. A verdict that differs is asked for
once more, and both are kept.

On a real cluster this takes hours, so nothing that was done is lost: `results.py` is written to a file after each
answer and a run can go on from it, `embedded.py` remembers pocket's verdicts as long as the course's files are the
same, and an answer that cannot be brought about ends nothing but itself. `facts.py` says what the cluster is, and
`table.py` writes docs/parity.md.
"""

from __future__ import annotations

from pathlib import Path

from kindlab import labs
from kindlab.api import Api
from kindlab.clusters.base import Status
from kindlab.errors import Problem
from kindlab.identity import identity
from kindlab.labs import Lab
from kindlab.verify import embedded, facts
from kindlab.verify.results import Verified, load


def taken(chosen: list[Lab], api: Api, prefix: str = "") -> list[str]:
    """The labs' namespaces that are on the cluster already, perhaps with somebody's work in them."""
    names = (name for lab in chosen for name in lab.under(prefix).spaces)
    return [name for name in names if api.get("Namespace", name) is not None]


def begun(chosen: list[Lab], status: Status, file: Path, *, resume: bool) -> Verified:
    """What a run begins with: of the labs that are not chosen what `file` has of the same cluster and the same files,
    of the chosen ones too where it is to `resume`. Raises Problem when there is nothing to resume."""
    course, api, cluster = labs.all_labs(), status.api(), f"{status.name} ({status.kind})"
    found = Verified(cluster, identity(api), course=len(course))
    try:
        before = load(file)
        if before.identity != found.identity:
            raise Problem(
                f"{file} is about another cluster.",
                f"It has results of {before.cluster}; this is {cluster}, or it was made anew since.",
                "Begin anew: run the same command without --resume.",
            )
    except Problem:
        if resume:
            raise
        before = Verified(cluster)
    anew = set() if resume else {lab.slug for lab in chosen}
    for lab in course:
        known = before.labs.get(lab.slug)
        if known is not None and lab.slug not in anew and known.course == embedded.digest(lab):
            found.labs[lab.slug] = known
    found.facts = [*facts.of(api), *facts.here(status.kind)]
    return found
