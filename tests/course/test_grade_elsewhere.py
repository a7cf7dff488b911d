"""`kindlab grade --on kubernetes`: a class graded by an Indexed Job. graderimage.py says what stands for the image."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.course.command import Run, runner
from tests.unit.kindlab.batch.test_grader_image import ROOT, copied

from kindlab import labs, workspace
from kindlab.api import Api
from kindlab.batch import elsewhere, one, spaces
from kindlab.batch.elsewhere import hearing, place, running
from kindlab.batch.submission import Submission
from kindlab.clusters.pocket import Pocket
from kindlab.errors import Problem
from kindlab.farm import Finished

pytestmark = pytest.mark.xdist_group("elsewhere")  # one cluster that knows the image
LAB = labs.find("02")
SOLUTION = [file for file in LAB.solution_folder.iterdir() if file.suffix == ".yaml"]
WRONG = LAB.solution_folder / "wrong" / "cart-service-renamed"
IMAGE, DIES, UNKNOWN = "grader.test/kindlab:1", "grader.test/kindlab:dies", "grader.test/other:1"


@dataclass(frozen=True)
class Graders:
    kindlab: Run
    api: Api
    folder: Path


@pytest.fixture(scope="module")
def graders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graders]:
    """A cluster that knows the image, with what the Dockerfile copies as what is in it."""
    folder = tmp_path_factory.mktemp("graders")
    for source, to in copied():
        inside = folder / (f"{to}{source}" if to.endswith("/") else to).lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, inside, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
        else:
            shutil.copy(ROOT / source, inside)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINDLAB_HOME", str(folder / "home"))
        cluster = Pocket("graders")
    cluster.folder.mkdir(parents=True)
    options = ["--state", cluster.folder, "--name", "graders", "--http-port", "0", "--https-port", "0"]
    command = [sys.executable, str(Path(__file__).with_name("graderimage.py")), *map(str, options)]
    env = {**os.environ, "GRADER_COURSE": str(folder / "course")}
    with open(cluster.log, "ab") as log:
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
    try:
        assert process.stdout is not None
        said = next((line for line in process.stdout if '"step"' not in line), "it ended")
        assert "ready" in json.loads(said), (said, cluster.log.read_text()[-2000:])
        run = runner(KINDLAB_HOME=str(folder / "home"), KUBECONFIG=str(cluster.kubeconfig))
        yield Graders(run, Api(cluster.kubeconfig), folder)
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def nothing_stays(graders: Graders) -> Iterator[None]:
    yield
    left = [one for one in graders.api.list("Namespace", labels=place.NAME)]
    assert [one["metadata"]["name"] for one in left if not one["metadata"].get("deletionTimestamp")] == []
    assert graders.api.list("Job", labels=place.NAME) == []


def handed_in(folder: Path, *files: Path) -> Path:
    folder.mkdir(parents=True)
    for file in files:
        shutil.copy(file, folder)
    return folder


def asked(api: Any, submission: Submission, *, grade: Any) -> Any:
    """As run.run's work."""
    return grade(api, submission, lab=LAB, cluster="pocket")


def graded(graders: Graders, folder: Path, image: str, count: int = 1, **more: Any) -> Iterator[Finished[Any, Any]]:
    where = elsewhere.Where(image, one.lab_digest(LAB), folder, **more)
    files = handed_in(folder / "files", *SOLUTION)
    class_ = [Submission(f"s{number}", f"S{number}", files) for number in range(count)]
    return elsewhere.grown(graders.api, where)(asked, class_)


def test_a_class_is_graded_as_on_this_machine(graders: Graders, tmp_path: Path, nothing_stays: None) -> None:
    handed_in(tmp_path / "class" / "ann", *SOLUTION)
    handed_in(tmp_path / "class" / "bob", *SOLUTION, *WRONG.iterdir())
    out = tmp_path / "out"
    words = ["grade", str(tmp_path / "class"), "--lab", "02", "--out", str(out), "--on", "kubernetes", "--image", IMAGE]
    done = graders.kindlab(*words)
    assert done.returncode == 0, done.stderr
    ann, bob = (json.loads((out / "results" / f"{who}.json").read_text())["report"] for who in ("ann", "bob"))
    lost = LAB.task("cart-selector").points
    assert (ann["points"], bob["points"]) == (LAB.max_points, LAB.max_points - lost)
    again = graders.kindlab("regrade", "--evidence", str(out / "evidence"))
    assert again.returncode == 0, again.stdout
    done = graders.kindlab(*words, "--resume")
    assert "2 were graded before, 0 now." in done.stdout


def test_an_image_that_cannot_be_pulled_is_said_in_kubelets_words(
    graders: Graders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_stays: None
) -> None:
    monkeypatch.setitem(running.PATIENCE, "image", 0.0)
    with pytest.raises(Problem, match=r"The image grader.test/other:1 cannot be pulled") as said:
        next(graded(graders, tmp_path, UNKNOWN))
    assert "kubelet says " in said.value.why
    assert "failed to resolve reference" in said.value.why
    assert "no such host" in said.value.why


def test_pods_that_end_cost_no_points_and_are_not_tried_for_the_whole_class(
    graders: Graders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_stays: None
) -> None:
    monkeypatch.setattr(running, "HOPELESS", 2)
    finished = graded(graders, tmp_path, DIES, count=3, parallelism=2)
    done = next(finished)
    assert done.result is None
    assert "exit code 139" in done.problem
    assert "Segmentation fault in the test's image" in done.problem
    with pytest.raises(Problem, match="Of the first 2 submissions no Pod handed back a result"):
        next(finished)


def test_in_a_given_namespace_a_quota_is_said_and_only_the_namespace_stays(
    graders: Graders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_stays: None
) -> None:
    monkeypatch.setitem(running.PATIENCE, "none", 0.0)
    api, space = graders.api, "class-of-2026"
    workspace.make_namespace(api, space)
    meta = {"name": "few"}
    api.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": "0"}}}, space)
    try:
        with pytest.raises(Problem, match="makes no Pod") as said:
            next(graded(graders, tmp_path, IMAGE, namespace=space))
        assert "exceeded quota: few" in said.value.why
        for kind in ("Secret", "ServiceAccount", "Role", "RoleBinding"):
            for left in api.follow(kind, space, labels=place.NAME):  # the garbage collector takes them
                if not left:
                    break
            else:
                pytest.fail(f"{kind}s stayed")
    finally:
        workspace.remove_namespace(api, space)


def test_a_quota_that_leaves_no_room_to_hand_over_is_said(
    graders: Graders, tmp_path: Path, nothing_stays: None
) -> None:
    api, space = graders.api, "narrow"
    workspace.make_namespace(api, space)
    meta = {"name": "few"}
    api.create(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"secrets": "0"}}}, space
    )
    try:
        with pytest.raises(Problem, match="could not be made in namespace narrow") as said:
            next(graded(graders, tmp_path, IMAGE, namespace=space))
        assert "exceeded quota: few" in said.value.why
    finally:
        workspace.remove_namespace(api, space)


def test_ctrl_c_removes_all_and_what_a_killed_run_left_is_found(
    graders: Graders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_stays: None
) -> None:
    def pressed(*_: Any) -> None:
        assert graders.api.list("Job", labels=place.NAME)
        raise KeyboardInterrupt

    monkeypatch.setattr(hearing.Hearing, "next", pressed)
    host = spaces.this_run().partition("-")[0]
    left = place.new_name()
    with monkeypatch.context() as killed:
        killed.setattr(spaces, "this_run", lambda: f"{host}-4194305-killed")  # beyond the largest number there is
        workspace.make_namespace(graders.api, left, place.labels(left))
    with pytest.raises(KeyboardInterrupt):
        next(graded(graders, tmp_path, UNKNOWN))


def test_who_may_not_is_told_what_and_nothing_is_made(
    graders: Graders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_stays: None
) -> None:
    monkeypatch.setattr("kindlab.rights.may", lambda api, verb, what, namespace: what != "jobs.batch")
    with pytest.raises(Problem, match="You may not run a grading Job on this cluster") as said:
        next(graded(graders, tmp_path, IMAGE))
    assert "create jobs.batch" in said.value.why
    assert "secrets" not in said.value.why
