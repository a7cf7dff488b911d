"""The first minute: `kindlab tour`, and `make start` that prepares it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.course.command import ROOT, Run

from kindlab import labs
from kindlab.api import Api

pytestmark = pytest.mark.xdist_group("course")


def test_the_tour_fails_says_why_passes_and_shows_what_runs(kindlab: Run) -> None:
    done = kindlab("tour")
    assert done.returncode == 0, done.stdout + done.stderr
    parts = re.split(r"^(\d\. .*|Your turn)$", done.stdout, flags=re.MULTILINE)
    told = dict(zip(parts[1::2], parts[2::2], strict=True))
    begin, before, solve, after, picture, turn = told.values()
    assert re.findall(r"kindlab \w+ 02", " ".join(told)) == [
        f"kindlab {c} 02" for c in ("start", "check", "solve", "check")
    ]
    lab = labs.find("02")
    assert lab.title in begin
    assert f"0 of {lab.max_points} points" in before
    assert before.count("✘") == len(lab.tasks)
    assert before.count("broken hop") == len(lab.tasks)
    assert "✘" not in solve
    assert f"{lab.max_points} of {lab.max_points} points" in after
    assert after.count("✔") == len(lab.tasks)
    services = re.findall(r"^svc/(\S+)", picture, re.MULTILINE)
    assert services == ["cart", "catalog", "inventory", "orders", "payment"]
    assert re.search(r"^  [├└]─ 10\.244\.\d+\.\d+:8080  ready +catalog-\S+  on \S+worker", picture, re.MULTILINE)
    assert "no endpoints" not in picture
    assert "kindlab-probe" not in picture
    for command in ("kindlab start 02", "kindlab notebook", "kindlab list", "kindlab down"):
        assert command in turn
    found = shutil.which("kindlab") is not None or not (Path(sys.prefix) / "bin" / "activate").is_file()
    assert ("bin/activate" in turn) is not found, "what is suggested must be found by the shell"
    assert done.stderr == ""


@pytest.fixture
def installed(tmp_path: os.PathLike[str]) -> str:
    """A mark as `make` leaves it once everything is installed."""
    mark = os.path.join(tmp_path, "installed")
    with open(mark, "w", encoding="utf-8"):
        return mark


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
def test_a_second_make_start_installs_nothing(installed: str) -> None:
    command = ["make", "--no-print-directory", "--dry-run", "start", f"INSTALLED={installed}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == [".venv/bin/kindlab up --cluster auto", ".venv/bin/kindlab tour", ""]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
def test_the_first_make_start_installs_from_the_lock_file(installed: str) -> None:
    command = ["make", "--no-print-directory", "--dry-run", "start", f"INSTALLED={installed}/missing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--require-hashes" in done.stdout
    assert "--requirement requirements.lock" in done.stdout
    assert done.stdout.index("requirements.lock") < done.stdout.index("kindlab up") < done.stdout.index("kindlab tour")


def test_the_tour_touches_no_learners_work(kindlab: Run, work: Path, api: Api) -> None:
    assert kindlab("start", "02").returncode == 0
    progress = (work / "progress.toml").read_text()
    before = {o["metadata"]["uid"]: o["metadata"]["generation"] for o in api.list("Deployment", "02-services")}
    assert before
    assert kindlab("tour").returncode == 0
    after = {o["metadata"]["uid"]: o["metadata"]["generation"] for o in api.list("Deployment", "02-services")}
    assert after == before
    assert (work / "progress.toml").read_text() == progress


def test_what_make_start_runs_goes_again_on_a_running_cluster(kindlab: Run) -> None:
    again = kindlab("up", "--cluster", "pocket", "--name", f"test{os.getpid()}", "--json")
    assert again.returncode == 0, again.stderr
    assert kindlab("status").returncode == 0
