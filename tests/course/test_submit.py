"""`kindlab submit`: what a learner hands in is what their cluster shows, and intake reads it."""

import json
import zipfile
from pathlib import Path

import pytest
from tests.course.command import Run, runner

from kindlab import labs, manifests
from kindlab.api import Api
from kindlab.batch import intake
from kindlab.batch.submission import Submission

LAB = "01-pod-networking"


@pytest.fixture(scope="module")
def begun(kindlab: Run, api: Api, work: Path) -> Path:
    """Lab 01, with an object that is in no file, one that was changed on the cluster only, and one deleted."""
    assert kindlab("reset", "01", "--yes").returncode == 0
    return work / LAB


def read(tmp_path: Path, archive: Path) -> Submission:
    folder = tmp_path / "handed-in"
    folder.mkdir()
    archive.rename(folder / "ann.zip")
    (found,) = intake.read(folder, labs.find(LAB), tmp_path / "scratch")
    return found


def test_files_and_what_is_live_only(kindlab, api, begun, tmp_path):
    deployment = next(o for o in api.list("Deployment", LAB) if not o["metadata"]["name"].startswith("kindlab-"))
    name = deployment["metadata"]["name"]
    api.patch("Deployment", name, LAB, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}})
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "by-hand"}, "data": {"a": "b"}}, LAB)
    out = tmp_path / "out" / "mine.zip"
    done = kindlab("submit", "01", "-o", str(out), "--student", "ann")
    assert done.returncode == 0, done.stderr
    assert "in no file: configmap/by-hand" in done.stdout
    assert f"deployment/{name} (on the cluster otherwise" in done.stdout
    with zipfile.ZipFile(out) as archive:
        told = json.loads(archive.read(f"{LAB}/kindlab.json"))
    assert told["student"] == "ann"
    assert told["cluster"] == "pocket"
    assert len(told["nodes"]) == 3
    found = read(tmp_path, out)
    assert found.nodes == tuple(told["nodes"])
    assert found.submitted == told["time"]
    assert not found.refused
    assert found.folder is not None
    live = {f"{o['kind']}/{o['metadata']['name']}": o for o in manifests.read([found.folder / "zz-live.yaml"])}
    assert live["ConfigMap/by-hand"]["data"] == {"a": "b"}
    assert live[f"Deployment/{name}"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 7
    assert not any(key.startswith(("ReplicaSet/", "Pod/kindlab", "ServiceAccount/")) for key in live)
    assert {file.name for file in begun.glob("*.yaml")} < {file.name for file in found.folder.iterdir()}
    # put in place again, nothing is missing and nothing differs any more
    for obj in live.values():
        api.replace(obj, LAB)
    (begun / "zz-live.yaml").write_bytes((found.folder / "zz-live.yaml").read_bytes())
    again = kindlab("submit", "01", "-o", str(out))
    (begun / "zz-live.yaml").unlink()
    assert "in no file" not in again.stdout
    assert "otherwise" not in again.stdout


def test_without_a_cluster_only_the_files(begun, tmp_path):
    work = begun.parent
    alone = runner(KINDLAB_WORK=str(work), KINDLAB_HOME=str(tmp_path / "home"))
    (begun / "broken.yaml").write_text("a: [")
    done = alone("submit", "01", "-o", str(tmp_path / "mine.zip"), "--cluster", "pocket")
    (begun / "broken.yaml").unlink()
    assert done.returncode == 0, done.stderr
    assert "files only" in done.stdout
    assert "broken.yaml will not be graded" in done.stdout
    assert read(tmp_path, tmp_path / "mine.zip").folder


def test_nothing_to_hand_in(tmp_path):
    empty = runner(KINDLAB_WORK=str(tmp_path / "work"), KINDLAB_HOME=str(tmp_path / "home"))
    done = empty("submit", "05", "-o", str(tmp_path / "mine.zip"), "--cluster", "pocket")
    assert done.returncode == 2
    assert "nothing of lab 05" in done.stderr
    assert not (tmp_path / "mine.zip").exists()
