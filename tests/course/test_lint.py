"""Every lab's grader, tried out on live clusters: the start scores 0, the solution and each alternative 100%, and each
wrong answer is caught by the check that should catch it. The catch rate is in pytest's summary."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.course.command import PLAIN, ROOT, runner

from kindlab import scaffold

LABS = sorted(file.parent.name for file in (ROOT / "labs").glob("*/lab.toml"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slug", LABS)
def test_a_lab_grades_every_answer_as_it_should(
    slug: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    kindlab = runner(KINDLAB_HOME=str(tmp_path / "home"), KINDLAB_WORK=str(tmp_path / "work"))
    done = kindlab("lint", slug, "--json", "--jobs", "1")  # beside as many other tests as there are processors
    found = json.loads(done.stdout)
    record_property("summary", f"{slug}: {found['caught']} of {found['wrong']} wrong answers caught")
    assert found["problems"] == []
    assert done.returncode == 0
    assert found["caught"] == found["wrong"] >= 12
    assert found["states"] >= found["wrong"] + 2 + 1 + 3  # two starts, the solution, three alternatives


@pytest.mark.slow
def test_a_lint_that_is_killed_leaves_no_cluster_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch, course = tmp_path / "scratch", tmp_path / "course"
    for folder in (scratch, *(course / name for name in ("labs", "graders", "solutions"))):
        folder.mkdir(parents=True)
    monkeypatch.setenv("KINDLAB_COURSE", str(course))
    scaffold.create("17-my-lab")
    env = {**os.environ, **PLAIN, "TMPDIR": str(scratch), "KINDLAB_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "kindlab.cli", "lint", "17", "--only", "a", "--jobs", "1"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if " start files" in line:  # one state has been tried: the cluster runs
                break
        clusters = list(scratch.glob("kindlab-farm-*/*/clusters/*"))
        process.terminate()
        process.stdout.read()
    assert clusters
    assert not list(scratch.iterdir())
    assert process.returncode == 130
