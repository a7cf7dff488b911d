"""`kindlab mutate` from end to end on a small lab: what its graders catch, and what they wrongly fail."""

import json
import shutil
from pathlib import Path

import pytest
from tests.course.command import ROOT, runner

from kindlab import labs, scaffold

READS = """
from kindlab.checks import check

@check("web-answers", "it")
def test_web_answers(lab):
    port = lab.require("Service", "web")["spec"]["ports"][0]["targetPort"]
    lab.expect(port == 8080, expected="targetPort 8080", seen=port)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_good_grader_and_one_that_reads_a_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = tmp_path / "course"
    for folder in ("labs", "graders", "solutions"):
        (course / folder).mkdir(parents=True)
    shutil.copy(ROOT / "graders" / "pytest.ini", course / "graders")
    monkeypatch.setenv("KINDLAB_COURSE", str(course))
    scaffold.create("17-my-lab")
    here = {"KINDLAB_COURSE": str(course), "KINDLAB_CACHE": str(tmp_path / "cache"), "KINDLAB_HOME": str(tmp_path)}
    words = ("mutate", "17", "--only", "targetPort=", "--sample", "2", "--jobs", "1")

    done = runner(**here)(*words, "--json")
    found = json.loads(done.stdout)
    assert {one["operator"]: one["verdict"] for one in found["tried"]} == {
        "target-port": "harmful, caught",
        "target-port-by-name": "harmless, passed",
    }, done.stdout
    assert (found["share_caught"], found["ok"], done.returncode) == (1.0, True, 0)

    labs.find("17").grader.write_text(READS)  # what the answers do is known; they are only graded anew
    done = runner(**here)(*words)
    assert done.returncode == 1
    assert "harmless, wrongly failed: web.yaml: Service/web spec.ports[0].targetPort: 8080 -> http" in done.stdout
    assert "test_web_answers fails: expected targetPort 8080; seen http" in done.stdout
    assert "17-my-lab: 2 mutants: 1 harmful, caught, 1 harmless, wrongly failed; 100.0% caught" in done.stdout
