"""`kindlab grade` on a class: each submission on an embedded cluster of its own, with everything that comes in one."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from tests.course.command import PLAIN, ROOT, runner

from kindlab import labs
from kindlab.api import Api
from kindlab.batch import spaces
from kindlab.clusters.base import Status

pytestmark = [pytest.mark.xdist_group("grade"), pytest.mark.timeout(900)]  # one class, graded once
LAB = labs.find("02")
SOLUTION = sorted(file for file in LAB.solution_folder.iterdir() if file.suffix == ".yaml")
WRONG = LAB.solution_folder / "wrong"
HOSTILE = """
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  hostPID: true
  containers:
    - name: shell
      image: busybox:1.36
      command: [sh, -c, "while true; do :; done"]
      securityContext: {privileged: true}
      volumeMounts: [{name: host, mountPath: /host}]
  volumes: [{name: host, hostPath: {path: /}}]
"""
POLICY = """
pass_mark = 60
[late]
due = 2026-11-20T23:59:00
timezone = "Europe/Berlin"
penalty_per_day = 10
[tasks.catalog-scale]
visibility = "hidden"
"""
ROSTER = "id,name,submitted\nann,Ann,2026-11-20T20:00:00+01:00\nbob,Bob,2026-11-22T08:00:00+01:00\nzoe,Zoë,\n"


@dataclass(frozen=True)
class Class:
    """A graded class: `said` is what the command printed."""

    folder: Path
    out: Path
    done: "subprocess.CompletedProcess[str]"

    def result(self, who: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "results" / f"{who}.json").read_text(encoding="utf-8"))
        return found

    def rows(self) -> dict[str, dict[str, str]]:
        with (self.out / "grades.csv").open(encoding="utf-8", newline="") as file:
            return {row["id"]: row for row in csv.DictReader(file)}


def answer(folder: Path, over: Path | None = None) -> None:
    """The solution, with an answer's files in place of its own."""
    folder.mkdir(parents=True)
    for file in (*SOLUTION, *(over.glob("*.yaml") if over else ())):
        shutil.copy(file, folder / file.name)


def zipped(folder: Path, **more: str) -> None:
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
        for name, text in more.items():
            archive.writestr(name, text)
    shutil.rmtree(folder)


def hand_in(folder: Path) -> None:
    """A class of eight."""
    answer(folder / "ann")
    answer(folder / "bob")
    zipped(folder / "bob")
    answer(folder / "cem", WRONG / "cart-selector-half-fixed")
    answer(folder / "dan", WRONG / "payment-only-port-fixed")
    (folder / "eve").mkdir()
    answer(folder / "fay")
    (folder / "fay" / "zz.yaml").write_text("kind: [Service\n")
    answer(folder / "gil")
    (folder / "gil" / "zz.yaml").write_text(HOSTILE)
    (folder / "hal.zip").write_bytes(b"PK\x03\x04 and then nothing of use")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"KINDLAB_HOME": str(tmp_path_factory.mktemp("home")), "KINDLAB_WORK": str(tmp_path_factory.mktemp("work"))}


@pytest.fixture(scope="module")
def graded(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Class:
    place = tmp_path_factory.mktemp("grade")
    hand_in(place / "class")
    (place / "my.toml").write_text(POLICY)
    (place / "roster.csv").write_text(ROSTER)
    words = ["--lab", "02", "--out", str(place / "out"), "--policy", str(place / "my.toml")]
    done = runner(**environment)("grade", str(place / "class"), *words, "--roster", str(place / "roster.csv"))
    return Class(place / "class", place / "out", done)


@pytest.mark.slow
def test_each_is_graded_for_what_it_does(graded: Class) -> None:
    assert graded.done.returncode == 0, graded.done.stdout + graded.done.stderr
    assert "9 of 9 submissions graded." in graded.done.stdout
    points = {who: float(row["points"]) for who, row in graded.rows().items()}
    cart, payment = LAB.task("cart-selector").points, LAB.task("payment-ports").points
    assert points == {
        "ann": LAB.max_points,
        "bob": LAB.max_points * 0.8,
        "cem": LAB.max_points - cart,
        "dan": LAB.max_points - payment,
        "eve": 0,
        "fay": LAB.max_points,
        "gil": LAB.max_points,
        "hal": 0,
        "zoe": 0,
    }
    assert "Traceback" not in graded.done.stderr


@pytest.mark.slow
def test_what_is_refused_is_said_and_the_rest_counts(graded: Class) -> None:
    (broken,) = graded.result("fay")["refused"]
    assert (broken["file"], "not valid YAML" in broken["why"]) == ("zz.yaml", True)
    (shell,) = graded.result("gil")["refused"]
    assert (shell["what"], shell["file"]) == ("pod/shell", "zz.yaml")
    page = (graded.out / "students" / "gil" / "report.html").read_text(encoding="utf-8")
    assert "pod/shell" in page


@pytest.mark.slow
def test_nothing_that_can_be_graded_is_a_zero_that_says_why(graded: Class) -> None:
    for who in ("eve", "hal", "zoe"):
        result = graded.result(who)
        assert result["report"]["outcome"] == "failed"
        assert result["report"]["problem"]
    summary = json.loads((graded.out / "summary.json").read_text())
    assert set(summary["nothing_to_grade"]) == {"eve", "hal", "zoe"}
    assert summary["could_not_grade"] == {}


@pytest.mark.slow
def test_the_policy_holds_and_reports_are_there(graded: Class) -> None:
    rows = graded.rows()
    assert (rows["bob"]["late days"], rows["bob"]["passed"], rows["eve"]["passed"]) == ("2", "yes", "no")
    for who in rows:
        files = {file.name for file in (graded.out / "students" / who).iterdir()}
        assert files == {"report.html", "report.md", "results.json", "junit.xml"}
    tests = json.loads((graded.out / "students" / "ann" / "results.json").read_text())["tests"]
    assert [test["visibility"] for test in tests].count("hidden") == 1
    assert "<html" in (graded.out / "overview.html").read_text(encoding="utf-8")
    assert "2026" in graded.result("ann")["submitted"]


@pytest.mark.slow
def test_resume_grades_only_what_has_changed_and_compare_says_what_became_of_it(
    graded: Class, environment: dict[str, str], tmp_path: Path
) -> None:
    """In copies, so that the others find what was graded."""
    klass, out = tmp_path / "class", tmp_path / "out"
    shutil.copytree(graded.folder, klass)
    shutil.copytree(graded.out, out)
    before = {file.name: file.stat().st_mtime_ns for file in (out / "results").iterdir()}
    answer(tmp_path / "right")
    shutil.copy(tmp_path / "right" / "cart.yaml", klass / "cem" / "cart.yaml")
    run = runner(**environment)
    done = run("grade", str(klass), "--lab", "02", "--out", str(out), "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["submissions"] == 9
    after = {file.name: file.stat().st_mtime_ns for file in (out / "results").iterdir()}
    again = {name for name in before if before[name] != after[name]}
    assert "cem.json" in again
    assert not again & {f"{who}.json" for who in ("dan", "fay", "gil")}
    compared = run("compare", str(graded.out), str(out), "--json")
    assert compared.returncode == 1
    cem = next(one for one in json.loads(compared.stdout)["changed"] if one["id"] == "cem")
    assert (list(cem["tasks"]), cem["files"]) == (["cart-selector"], True)


GUIDED = (
    "## Quick start",
    "## While it runs",
    "## policy.toml",
    "### Weights",
    "### Adjustments",
    "## Grading again",
)
"""Sections of docs/grading.md whose commands are run here, in this order."""


@pytest.mark.slow
def test_the_commands_of_the_guide_run_as_they_are_written(environment: dict[str, str], tmp_path: Path) -> None:
    sections = re.split(r"(?m)^(?=##)", (ROOT / "docs" / "grading.md").read_text(encoding="utf-8"))
    chosen = [section for heading in GUIDED for section in sections if section.startswith(heading)]
    script = "\n".join(block for section in chosen for block in re.findall(r"(?s)```sh\n(.*?)```", section))
    assert script.count("kindlab ") >= 8
    (tmp_path / "solutions").symlink_to(ROOT / "solutions")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "kindlab").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kindlab.cli "$@"\n')
    (tools / "kindlab").chmod(0o700)
    env = {**os.environ, "KINDLAB_COURSE": str(ROOT), **PLAIN, **environment}
    env["PATH"] = f"{tools}:{env['PATH']}"
    command = ["sh", "-eux", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 submissions graded." in done.stdout
    with (tmp_path / "graded" / "grades.csv").open(encoding="utf-8", newline="") as file:
        points = {row["id"]: float(row["points"]) for row in csv.DictReader(file)}
    # two points taken, and five percent given: of the lab's 40
    assert points == {"ann": 38, "bob": LAB.max_points - LAB.task("cart-selector").points + 2}
    ann = json.loads((tmp_path / "graded" / "results" / "ann.json").read_text())
    assert "Graded again: cart-selector." in ann["notes"]
    assert [task["id"] for task in ann["report"]["tasks"]] == [task.id for task in LAB.tasks], "the rest stays"


@pytest.mark.slow
def test_on_a_cluster_that_goes_on_living_nothing_is_left(
    pocket: Status, api: Api, environment: dict[str, str], tmp_path: Path
) -> None:
    assert pocket.kubeconfig
    answer(tmp_path / "class" / "ann")
    run = runner(**{**environment, "KUBECONFIG": pocket.kubeconfig})
    assert run("up", "--cluster", "current", "--yes").returncode == 0
    words = ["--lab", "02", "--out", str(tmp_path / "out"), "--cluster", "current"]
    done = run("grade", str(tmp_path / "class"), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = csv.DictReader((tmp_path / "out" / "grades.csv").read_text().splitlines())
    assert float(row["points"]) == LAB.max_points
    assert not [space for space in api.list("Namespace") if spaces.RUN in (space["metadata"].get("labels") or {})]
    other = run("grade", str(tmp_path / "class"), "--lab", "02", "--out", str(tmp_path / "out"), "--resume")
    assert other.returncode == 2
    assert "--cluster was current there" in other.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(environment: dict[str, str], tmp_path: Path) -> None:
    count = 12
    for number in range(count):
        answer(tmp_path / "class" / f"s{number}")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "kindlab.cli", "grade", str(tmp_path / "class"), "--lab", "02", "--out", str(out)]
    env = {**os.environ, "KINDLAB_COURSE": str(ROOT), **PLAIN, **environment}
    with subprocess.Popen([*command, "--jobs", "1"], env=env, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(out.glob("results/*.json")):
            sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    kept = len(list(out.glob("results/*.json")))
    assert process.returncode == 130, said
    assert 0 < kept < count
    assert f"Kept: {kept} result" in said
    assert "--resume" in said
    assert len(list(csv.DictReader((out / "grades.csv").read_text().splitlines()))) == kept
