"""The scenarios that pocket passes completely, listed in passing.txt, replayed against fresh pocket clusters."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.golden.__main__ import replay_file
from tests.golden.cluster import LEARNS_WITHIN, flags_of, pocket, pocket_exists
from tests.golden.kubectl import find_kubectl
from tests.golden.replay import Options
from tests.golden.report import step_lines, summary
from tests.golden.scenario import load

HERE = Path(__file__).parent
FILES = {path.stem: path for folder in ("api", "kubectl") for path in sorted((HERE / folder).glob("*.yaml"))}


def passing() -> list[str]:
    """The names in passing.txt."""
    lines = (HERE / "passing.txt").read_text().splitlines()
    return [name for line in lines if (name := line.partition("#")[0].strip())]


def _cases() -> list[Any]:
    cases = []
    for name in passing():
        needs = name in FILES and load(FILES[name]).needs_kubectl
        cases.append(pytest.param(name, marks=[pytest.mark.kubectl] if needs else []))
    return cases


@pytest.fixture(scope="session")
def pocket_with() -> Iterator[Callable[[tuple[str, ...]], Path]]:
    """The kubeconfig of a cluster started with these flags: one for each set of them."""
    with ExitStack() as stack:
        yield cache(lambda flags: stack.enter_context(pocket(flags)))


def test_the_list_names_scenarios_once_each() -> None:
    names = passing()
    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if name not in FILES] == []


def test_something_passes() -> None:
    """An empty list would make this module pass without showing anything."""
    assert pocket_exists()
    assert passing(), "tests/golden/passing.txt is empty: run `python -m tests.golden --survey` and list what passes"


@pytest.mark.parametrize("name", _cases())
def test_scenario(name: str, pocket_with: Callable[[tuple[str, ...]], Path], request: pytest.FixtureRequest) -> None:
    kubectl = find_kubectl()
    if kubectl is None and request.node.get_closest_marker("kubectl"):
        pytest.skip("this scenario runs kubectl, and there is none on this machine")
    options = Options(forgive_kubectl_version=True, learns_within=LEARNS_WITHIN)
    result = replay_file(load(FILES[name]), pocket_with(flags_of(name)), kubectl, options)
    report = [line for step in result.failures for line in step_lines(name, step)]
    assert result.passed, "\n".join([summary(result), *report])
