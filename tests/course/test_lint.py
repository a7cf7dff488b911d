"""Every lab's grader, tried out on live clusters: the start scores 0, the solution and each alternative 100%, and each
wrong answer is caught by the check that should catch it. The catch rate is in pytest's summary."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.course.command import ROOT, runner

LABS = sorted(file.parent.name for file in (ROOT / "labs").glob("*/lab.toml"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slug", LABS)
def test_a_lab_grades_every_answer_as_it_should(
    slug: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    kindlab = runner(KINDLAB_HOME=str(tmp_path / "home"), KINDLAB_WORK=str(tmp_path / "work"))
    done = kindlab("lint", slug, "--json")
    found = json.loads(done.stdout)
    record_property("summary", f"{slug}: {found['caught']} of {found['wrong']} wrong answers caught")
    assert found["problems"] == []
    assert done.returncode == 0
    assert found["caught"] == found["wrong"] >= 10
    assert found["states"] >= found["wrong"] + 2 + 1 + 3  # two starts, the solution, three alternatives
