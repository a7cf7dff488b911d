"""Everything that is written from a run's results: the gradebook, the class overview, each student's reports."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from kindlab.batch import adjustments, policy, summary
from kindlab.batch.scoring import Scored, scored
from kindlab.batch.store import Store
from kindlab.labs import Lab

POLICY, ADJUSTMENTS, ROSTER = "policy.toml", "adjustments.csv", "roster.csv"
"""In the folder of a run: with another roster the same submissions would have other ids."""


def all_scored(store: Store, lab: Lab) -> list[Scored]:
    """The grades of the run, by its policy.toml and adjustments.csv. Raises Problem."""
    results = list(store.results())
    rules = policy.load(store.out / POLICY, lab) if (store.out / POLICY).is_file() else None
    by_hand = {}
    if (store.out / ADJUSTMENTS).is_file():
        by_hand = adjustments.load(store.out / ADJUSTMENTS, {one.id: one.student for one in results})
    return [scored(one, lab, rules, by_hand.get(one.id)) for one in results]


def write(store: Store, lab: Lab, released: Collection[str] = ()) -> dict[str, Any]:
    """Write all reports anew; returns the content of summary.json. `released`: which of after_due_date and
    after_published students may see by now. Raises Problem."""
    from kindlab.grading.report import csv_, gradescope, junit, markdown, overview, student_html

    grades = all_scored(store, lab)
    for one in grades:
        folder = store.students(one.graded.id)
        store.write(folder / "report.html", student_html.render(one, released))
        store.write(folder / "report.md", markdown.render(one, released))
        store.write(folder / "results.json", gradescope.render(one))
        store.write(folder / "junit.xml", junit.render(one, released))
    found = summary.of(grades, lab.slug)
    store.write(store.out / "summary.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    titles = {task.id: task.title for task in lab.tasks}
    page = overview.render(grades, title=lab.title, when=store.run.begun, tasks=titles)
    store.write(store.out / "overview.html", page)
    columns = [task.id for task in lab.tasks]
    store.write(store.out / "grades.csv", csv_.render(grades, columns, released, _emails(store)))
    return found


def _emails(store: Store) -> dict[str, str]:
    """Of the students of the run's roster, by the ids of their submissions."""
    from kindlab.batch.intake import names, roster

    file = store.out / ROSTER
    return {names.label(one.id): one.email for one in roster.read(file)} if file.is_file() else {}
