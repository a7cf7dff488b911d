"""Real graders on real answers: recorded once, written as bundles, and every verdict repeated from them by another
process, in which sets have another order and there is no cluster."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.course.command import runner

from kindlab import evidence, labs, states, workspace
from kindlab.api import Api
from kindlab.batch.graded import Graded
from kindlab.grading import runner as grading

pytestmark = [pytest.mark.xdist_group("course"), pytest.mark.timeout(900)]

PREFIX = "appeal"
ANSWERS = {
    "02-services": "solution",
    "03-service-discovery": "solution",
    "05-exposing-services": "wrong/cloakroom-no-service",
    "08-network-policy": "wrong/crawler-except-todays-pods",
    "11-volumes": "wrong/binder-all-keys",
    "14-snapshots-and-clones": "wrong/class-delete",
}
"""Traffic, names, ways in, silence, files, and bytes that others restore."""


@pytest.fixture(scope="module")
def bundles(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    for slug, name in ANSWERS.items():
        lab = labs.find(slug).under(PREFIX)
        (state,) = (one for one in states.states(labs.find(slug)) if one.name == name)
        try:
            states.bring_about(state, api, PREFIX)
            watched, tape = evidence.recorded(api)
            graded = Graded(slug, slug, grading.grade(lab, watched, cluster="pocket"))
            files = lab.solution_folder if name == "solution" else lab.solution_folder / name
            evidence.write(folder / f"{slug}.zip", tape=tape, graded=graded, submission_folder=files, lab=lab, api=api)
        finally:
            workspace.remove_namespaces(api, lab)
    return folder


@pytest.fixture(scope="module")
def repeated(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    away = runner(KINDLAB_HOME=str(tmp_path_factory.mktemp("away")), KUBECONFIG="/dev/null", PYTHONHASHSEED="1")
    done = away("regrade", "--evidence", str(bundles), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["unusable"] == {}
    return {one["lab"]: one for one in found["bundles"]}


@pytest.mark.parametrize("slug", ANSWERS)
def test_every_verdict_is_repeated_to_the_word(repeated: dict[str, Any], slug: str) -> None:
    one = repeated[slug]
    assert (one["cannot"], one["differs"]) == ({}, [])
    assert one["verdicts"] >= len(labs.find(slug).tasks)
    assert one["then"]["outcome"] == ("passed" if ANSWERS[slug] == "solution" else "failed")
    keys = ("name", "outcome", "expected", "seen", "broken_hop", "next")
    then, now = (
        [{key: check[key] for key in keys} for task in one[when]["tasks"] for check in task["checks"]]
        for when in ("then", "now")
    )
    assert now == then
