"""JUnit XML of one student's grading: a testsuite a task, a testcase a check.

A check that failed is a `failure`, one that could not be graded an `error`, a task that cannot be done on the cluster
`skipped`. The elements and attributes are those that the schema of Jenkins' xUnit plugin allows, so that the usual
readers take it. Visibility is applied as in the other reports a student reads: a check that is not shown is `skipped`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from kindlab.grading.outcome import Outcome
from kindlab.grading.report import told
from kindlab.grading.report.told import ToldCheck, ToldTask

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from kindlab.batch.scoring import Scored

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write."""


def render(scored: Scored, released: Collection[str] = ()) -> str:
    """The file. `released`: told.tasks."""
    report = scored.graded.report
    suites = [_suite(one, report.lab) for one in told.tasks(scored, released)]
    if report.problem:
        suites = [_broken(report.lab, report.problem, "failure" if scored.has_grade else "error")]
    whole = ElementTree.Element("testsuites", {"name": legal(f"{report.lab} {scored.graded.student}"), **_sums(suites)})
    whole.extend(suites)
    ElementTree.indent(whole)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(whole, encoding="unicode")}\n'


def _suite(task: ToldTask, lab: str) -> Element:
    name = f"{lab}.{task.id}"
    cases = [_case(check, name, number) for number, check in enumerate(task.checks, 1)]
    if task.not_here:
        cases = [_one(name, task.title, "skipped", task.not_here)]
    elif not cases:
        kind = "error" if task.outcome is Outcome.COULD_NOT_GRADE else "skipped"
        cases = [_one(name, task.title, kind, "nothing was checked")]
    suite = ElementTree.Element("testsuite", {"name": legal(name), **_counts(cases)})
    properties = ElementTree.SubElement(suite, "properties")
    facts = (("title", task.title), ("points", told.number(task.points)), ("max_points", told.number(task.max_points)))
    for key, value in facts:
        ElementTree.SubElement(properties, "property", {"name": key, "value": legal(value)})
    suite.extend(cases)
    return suite


def _case(check: ToldCheck, suite: str, number: int) -> Element:
    case = ElementTree.Element(
        "testcase",
        {"name": legal(check.sentence or f"check {number}"), "classname": legal(suite), "time": f"{check.seconds:.3f}"},
    )
    text = "\n".join(f"{label}: {said}" for label, said in check.rows)
    message = check.broken_hop or check.seen or check.sentence
    match check.outcome:
        case None:
            _add(case, "skipped", told.NOT_SHOWN)
        case Outcome.FAILED:
            _add(case, "failure", message, text)
        case Outcome.COULD_NOT_GRADE:
            _add(case, "error", message, text)
    return case


def _broken(lab: str, problem: str, kind: str) -> Element:
    case = _one(lab, "the grading as a whole", kind, problem.splitlines()[0], problem)
    suite = ElementTree.Element("testsuite", {"name": legal(lab), **_counts([case])})
    suite.append(case)
    return suite


def _one(classname: str, name: str, kind: str, message: str, text: str = "") -> Element:
    case = ElementTree.Element("testcase", {"name": legal(name), "classname": legal(classname), "time": "0.000"})
    _add(case, kind, message, text)
    return case


def _add(case: Element, kind: str, message: str, text: str = "") -> None:
    types = {"failure": {"type": "CheckFailed"}, "error": {"type": "CouldNotGrade"}}
    ElementTree.SubElement(case, kind, {"message": legal(message), **types.get(kind, {})}).text = legal(text) or None


def _counts(cases: list[Element]) -> dict[str, str]:
    tests = {"tests": len(cases)}
    kinds = {plural: sum(case.find(kind) is not None for case in cases) for kind, plural in _PLURAL.items()}
    seconds = sum(float(case.get("time", 0)) for case in cases)
    return {**{key: str(value) for key, value in (tests | kinds).items()}, "time": f"{seconds:.3f}"}


_PLURAL = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def _sums(suites: list[Element]) -> dict[str, str]:
    keys = ("tests", "failures", "errors")
    sums = {key: str(sum(int(suite.get(key, 0)) for suite in suites)) for key in keys}
    return {**sums, "time": f"{sum(float(suite.get('time', 0)) for suite in suites):.3f}"}


def legal(text: str) -> str:
    """With a mark in place of every character that XML cannot hold; quotes and angle brackets are ElementTree's."""
    return _NO_XML.sub("�", text)
