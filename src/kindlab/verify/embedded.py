"""Pocket's verdicts: computed once, and remembered as long as the files that decide them are the same."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator
from dataclasses import asdict, replace
from pathlib import Path

from kindlab import digests, lint, paths, trials
from kindlab.grading.outcome import Outcome
from kindlab.labs import Lab
from kindlab.states import State
from kindlab.trials import Tried
from kindlab.verify.results import Graded


def graded(tried: Tried, left_out: frozenset[str] = frozenset()) -> Graded:
    """What a trial found. `left_out`: tasks that cannot run on that cluster; what their checks say does not count."""
    if tried.report is None:
        return Graded({}, problem=tried.problem)
    report = replace(tried.report, tasks=[task for task in tried.report.tasks if task.id not in left_out])
    checks = [check for task in report.tasks for check in task.checks]
    state = tried.state
    if left_out and state.fails is not None:
        state = replace(state, fails=state.fails & {check.name for check in checks})
    return Graded(
        verdicts={c.name: c.outcome.value for c in checks},
        tasks={c.name: c.task for c in checks},
        seen={c.name: c.seen for c in checks if c.outcome is not Outcome.PASSED and c.seen},
        misjudged="" if tried.problem else lint.judge(state, report),
        problem=tried.problem,
        seconds=round(report.seconds, 1),
    )


def digest(lab: Lab) -> str:
    """Of the course's files that decide the lab's verdicts."""
    graders = lab.grader.parent
    files = [lab.folder, lab.solution_folder, lab.grader, *sorted(graders.glob("conftest.py"))]
    return digests.of(files, f"{sys.version_info[:2]}")


def _programs() -> str:
    """Of both packages: what pocket says today it may not say tomorrow, with the same course."""
    package = Path(__file__).resolve().parents[2]
    return digests.of([package / "kindlab", package / "pocketkube"], f"{sys.version_info[:2]}")


def verdicts(lab: Lab, states: list[State], course: str, jobs: int) -> Generator[Graded]:
    """Of each state, in order: what is remembered, and what is not tried on embedded clusters, `jobs` at a time.
    What is not as its author says is tried once more and never remembered: it may have been this machine's fault."""
    file, key = paths.home() / "verify" / f"pocket-{lab.slug}.json", f"{course} {_programs()}"
    known = _known(file, key)
    with contextlib.closing(trials.on_pocket([state for state in states if state.name not in known], jobs)) as fresh:
        for state in states:
            if state.name in known:
                yield known[state.name]
                continue
            found = graded(next(fresh))
            if not found.steady:
                with contextlib.closing(trials.on_pocket([state], 1)) as again:
                    found = graded(next(again))
            if found.steady:
                known[state.name] = found
                _remember(file, key, known)
            yield found


def _known(file: Path, key: str) -> dict[str, Graded]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return {name: Graded(**one) for name, one in data["answers"].items()} if data["files"] == key else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # nothing remembered, or nothing that can be read: it is computed


def _remember(file: Path, key: str, known: dict[str, Graded]) -> None:
    answers = {name: asdict(one) for name, one in known.items()}
    paths.write_atomically(file, json.dumps({"files": key, "answers": answers}))
