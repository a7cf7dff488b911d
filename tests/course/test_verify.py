"""`kindlab verify`: the verdicts on a cluster that is not ours beside pocket's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.course.command import PLAIN, Run, runner

from kindlab import labs, scaffold, states
from kindlab.clusters.base import Status

pytestmark = pytest.mark.xdist_group("verify")  # one cluster, not one a worker
SLUG = "17-my-lab"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A course of one small lab."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("labs", "graders", "solutions"):
        (folder / name).mkdir(parents=True)
    (folder / "graders" / "pytest.ini").write_text("[pytest]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINDLAB_COURSE", str(folder))
        scaffold.create(SLUG)
        yield folder


@pytest.fixture(scope="module")
def environment(another: Status, course: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    assert another.kubeconfig
    return {
        "KINDLAB_COURSE": str(course),
        "KINDLAB_HOME": str(tmp_path_factory.mktemp("home")),
        "KUBECONFIG": another.kubeconfig,
    }


@pytest.fixture(scope="module")
def kindlab(environment: dict[str, str]) -> Run:
    run = runner(**environment)
    done = run("up", "--cluster", "current", "--yes")
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.slow
def test_every_answer_is_graded_on_both_and_stopped_runs_go_on(
    kindlab: Run, environment: dict[str, str], another: Status, course: Path, tmp_path: Path
) -> None:
    table, file = tmp_path / "parity.md", tmp_path / "parity.json"
    words = ["verify", "17", "--cluster", "current", "--out", str(table), "--prefix", "check", "--jobs", "1"]
    answers = [state.name for state in states.states(labs.find("17"))]

    stopped_after_the_first_answer(words, environment)
    kept = json.loads(file.read_text())["labs"][SLUG]["answers"]
    assert 0 < len(kept) < len(answers)
    assert "Not finished" in table.read_text()

    done = kindlab(*words, "--resume", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    (row,) = found["rows"]
    assert found["agrees"]
    facts = dict(found["facts"])
    assert (facts["nodes"], facts["classes of ingress"]) == ("3 (1 control plane), 2 zones", "traefik")
    assert "traefik:v3" in facts["runs there"]
    assert [row[key] for key in ("answers", "right", "verdicts", "same")] == [len(answers)] * 4
    assert f"{len(answers) - len(kept)} of {len(answers) - len(kept)}" in done.stderr, "what was kept is not done again"
    text = table.read_text(encoding="utf-8")
    assert f"| {SLUG} | {len(answers)} | {len(answers)} | {len(answers)} | {len(answers)} |" in text
    assert "This is no figure of a real cluster" in text
    assert another.api().get("Namespace", f"check-{SLUG}") is None

    solution = found["labs"][SLUG]["answers"]["solution"]
    remembered = json.loads((Path(environment["KINDLAB_HOME"]) / "verify" / f"pocket-{SLUG}.json").read_text())
    assert remembered["answers"]["solution"] == solution["pocket"]
    joined = kindlab("verify", "--join", str(file), "--json")
    assert json.loads(joined.stdout)["rows"] == found["rows"]


def stopped_after_the_first_answer(words: list[str], environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kindlab.cli", *words],
        env={**os.environ, **PLAIN, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("✔"):
            process.send_signal(signal.SIGINT)
            break
    stdout, stderr = process.communicate()
    assert process.returncode == 130, stdout + stderr
    assert "--resume goes on" in stdout
    assert "Traceback" not in stderr


def test_somebody_s_namespace_is_not_taken_without_asking(kindlab: Run, another: Status) -> None:
    api = another.api()
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SLUG}})
    try:
        done = kindlab("verify", "17", "--cluster", "current")
        assert done.returncode != 0
        assert f"Delete everything in {SLUG}" in done.stderr
        assert api.get("Namespace", SLUG) is not None
    finally:
        api.delete("Namespace", SLUG, wait=True)


def test_there_is_nothing_to_resume(kindlab: Run, tmp_path: Path) -> None:
    done = kindlab("verify", "17", "--cluster", "current", "--resume", "--out", str(tmp_path / "parity.md"))
    assert done.returncode == 3
    assert "Begin anew" in done.stderr
