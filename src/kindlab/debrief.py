"""What is said when a lab is done: what it taught, which part of the KCNA that is, what to read, what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kindlab import labs, progress
from kindlab.errors import Problem
from kindlab.grading.outcome import Outcome, Report
from kindlab.labs import Lab


def is_due(report: Report, *, whole: bool) -> bool:
    """After a grading of the whole lab in which everything that can be done there is."""
    return whole and report.outcome is Outcome.PASSED and report.points == report.max_points


def lines(lab: Lab) -> Iterator[str]:
    """The debrief, line by line."""
    if lab.debrief:
        yield lab.debrief.strip()
        yield ""
    yield f"KCNA: {by_domain(lab.kcna)}"
    for address in lab.read:
        yield f"Read: {address}"
    after = following(lab)
    yield f"Next: kindlab start {after.number} ({after.title})" if after else "That was the last lab: you are through."


def following(lab: Lab) -> Lab | None:
    """The next lab that is not done; after the last one, the first that is not. None when all are."""
    every = labs.all_labs()
    try:
        done = progress.load()
    except (Problem, OSError):  # said where it matters: what was graded stands all the same
        done = {}
    at = next((n for n, one in enumerate(every) if one.slug == lab.slug), 0)
    around = [*every[at + 1 :], *every[:at]]
    return next((one for one in around if "finished" not in done.get(one.slug, {})), None)


def by_domain(tags: Iterable[str]) -> str:
    """`domain: competency` tags with each domain once: `Container Orchestration (Networking, Storage)`."""
    domains: dict[str, list[str]] = {}
    for tag in tags:
        domain, _, competency = tag.partition(": ")
        domains.setdefault(domain, []).append(competency)
    return ", ".join(f"{domain} ({', '.join(found)})" if any(found) else domain for domain, found in domains.items())
