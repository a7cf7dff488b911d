"""Made-up students for the tests of the reports: graded by hand, scored as a run does it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kindlab.batch.adjustments import Adjustment
from kindlab.batch.graded import Graded
from kindlab.batch.policy import Policy, TaskPolicy
from kindlab.batch.scoring import Scored, scored
from kindlab.batch.submission import Refused
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult, overall
from kindlab.labs import Lab, Task

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE
POINTS = {"web": 6, "dns": 3, "more": 4}
LAB = Lab(
    "02-services", Path("labs/02-services"), "Services", "", 30, (), tuple(Task(i, i, p, ()) for i, p in POINTS.items())
)
SECRET = "the-kitchen-light-is-on"
"""Stands in everything that a check found."""


def student(
    name: str = "Ann",
    *,
    said: str = SECRET,
    problem: str = "",
    refused: tuple[Refused, ...] = (),
    submitted: str = "2026-11-20T12:00:00+00:00",
    **outcomes: Outcome,
) -> Graded:
    """`outcomes` of the tasks web, dns and more, which are passed without; each task has two checks, and the second
    has the task's outcome."""
    tasks = []
    for task, points in POINTS.items():
        outcome = outcomes.get(task, P)
        found = CheckResult(f"test_{task}_works", task, f"{task} works", outcome, seconds=0.25)
        if outcome is not P:
            found = replace(found, expected=f"expected {said}", seen=f"seen {said}", broken_hop=f"hop {said}")
            found.next = f"kubectl get pods {said}"
        first = CheckResult(f"test_{task}_is_there", task, f"{task} is there", P)
        tasks.append(
            TaskResult(task, f"Title of {task}", points if outcome is P else 0, points, outcome, [first, found])
        )
    whole = C if problem else overall([task.outcome for task in tasks])
    if problem:
        tasks = [TaskResult(task.id, task.title, 0, task.max_points, C) for task in tasks]
    report = Report(LAB.slug, whole, sum(t.points for t in tasks), 13, tasks, "pocket", 1.5, problem)
    ident = "".join(letter if letter.isalnum() else "-" for letter in name.lower()) or "nobody"
    return Graded(ident, name, report, submitted, refused, versions={"kindlab": "1.2.3"})


def seen(
    graded: Graded, policy: Policy | None = None, adjustment: Adjustment | None = None, **visibility: str
) -> Scored:
    """`visibility` of tasks (web="hidden") and checks (test_web_works="hidden")."""
    policy = policy or Policy()
    tasks = {**policy.tasks, **{t: TaskPolicy(visibility=v) for t, v in visibility.items() if t in POINTS}}
    checks = {c: v for c, v in visibility.items() if c not in POINTS}
    return scored(graded, LAB, replace(policy, tasks=tasks, checks=checks), adjustment)
