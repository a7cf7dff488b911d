"""Which checks only read a field, by their source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kindlab import behaviour, labs

HEAD = "from kindlab.checks import check\nfrom kindlab.checks.outside import selects\nimport pytest\n"


def only_reads(folder: Path, body: str) -> bool:
    grader = folder / "test_it.py"
    grader.write_text(f"{HEAD}{body}")
    (one,) = behaviour.checks(grader)
    return one.field_only


READS = [
    'assert lab.get("Service", "web")["spec"]["type"] == "ClusterIP"',
    'assert lab.get("Service", "web").get("spec")',
    'assert lab.get("ConfigMap", "facts")["data"]["limit"] == "8"',
    "assert type_of(lab)",
    'assert selects(lab.get("Service", "web"), {})',
]
BEHAVES = [
    'assert lab.get("Service", "web")["spec"] and lab.probe.get("http://web").ok',
    "assert type_of(lab) and asked(lab)",
    'assert lab.get("Service", "web")["spec"] and lab.get("Pod", "x")["status"]',
    'assert replies["spec"]',
    'lab.expect_answers("http://web")',
]
REST = """
def type_of(lab):
    return inner(lab)
def inner(lab):
    return lab.get("Service", "web")["spec"]["type"]
def asked(lab):
    return lab.host("web").run("true")
@pytest.fixture
def replies(lab):
    return {"spec": lab.probe.get("http://web")}
"""


@pytest.mark.parametrize("line", READS)
def test_a_field_and_nothing_else(line: str, tmp_path: Path) -> None:
    assert only_reads(tmp_path, f'@check("one", "it")\ndef test_it(lab):\n    {line}\n{REST}')


@pytest.mark.parametrize("line", BEHAVES)
def test_what_shows_behaviour_counts_also_through_functions_and_fixtures(line: str, tmp_path: Path) -> None:
    assert not only_reads(tmp_path, f'@check("one", "it")\ndef test_it(lab, replies):\n    {line}\n{REST}')


def test_a_check_with_parameters_belongs_to_the_tasks_of_its_parameters(tmp_path: Path) -> None:
    grader = tmp_path / "test_it.py"
    marks = ", ".join(f'pytest.param(1, marks=check("{task}", "it"))' for task in ("one", "two"))
    grader.write_text(f'{HEAD}@pytest.mark.parametrize("n", [{marks}])\ndef test_it(lab, n):\n    pass\n')
    assert [one.task for one in behaviour.checks(grader)] == ["one", "two"]


def test_the_share_is_of_points() -> None:
    lab = labs.find("15")
    share, fields = behaviour.share(lab)
    assert [one.name for one in fields] == ["test_the_limit_is_written_down"]
    assert share == pytest.approx(0.9)
    every = tuple(replace(task, behavioural=True) for task in lab.tasks)
    assert behaviour.share(replace(lab, tasks=every))[0] == pytest.approx(0.9)  # it reads a field, whatever is said
