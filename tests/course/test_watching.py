"""A lab that is followed: what is changed is graded again, at once, and nothing else."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.course.command import PLAIN, ROOT

from kindlab import labs, workspace
from kindlab.api import Api
from kindlab.clusters.base import Status
from kindlab.grading.outcome import Outcome
from kindlab.kubectl import applying
from kindlab.watching.follow import Follower, Round

pytestmark = pytest.mark.xdist_group("course")

SLUG, PATIENCE = "98-watched", 60.0
TASK = """
[[tasks]]
id = "{0}"
title = "Let ConfigMap {0} say yes"
points = 1
hints = ["a", "b"]
files = ["{0}.yaml"]
"""
GRADER = """
from kindlab.checks import check

def says(lab, name):
    found = lab.get("ConfigMap", name)
    lab.expect(found and found["data"]["says"] == "yes", expected="yes", seen="no")

@check("one", "one says yes")
def test_one(lab):
    slow = lab.get("Pod", "slow")
    says(lab, "one")
    conditions = slow["status"].get("conditions", []) if slow else [{"type": "Ready", "status": "True"}]
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    lab.expect(ready, expected="a Pod that is ready", seen="one that is not")

@check("two", "two says yes, whatever the grader does besides")
def test_two(lab):
    number = int(lab.require("ConfigMap", "counter")["data"]["number"])
    lab.api.patch("ConfigMap", "counter", lab.namespace, {"data": {"number": str(number + 1)}})
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}}
    lab.api.create(made, lab.namespace)
    lab.api.delete("ConfigMap", "made", lab.namespace, wait=True)
    says(lab, "two")
"""


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


class Heard:
    """A screen whose rounds and notes a test takes one after the other."""

    def __init__(self) -> None:
        self.rounds: queue.Queue[Round] = queue.Queue()
        self.notes: queue.Queue[str] = queue.Queue()

    def busy(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.put(text)

    def shown(self, one: Round) -> None:
        self.rounds.put(one)

    def next(self) -> Round:
        return self.rounds.get(timeout=PATIENCE)


@pytest.fixture
def lab(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[labs.Lab]:
    folder = tmp_path / "labs" / SLUG
    (folder / "start").mkdir(parents=True)
    head = 'format = 1\ntitle = "W"\nabout = "w"\nminutes = 1\nkcna = ["none"]\n'
    (folder / "lab.toml").write_text(head + TASK.format("one") + TASK.format("two"))
    for name in ("one", "two"):
        (folder / "start" / f"{name}.yaml").write_text(json.dumps(config_map(name, says="no")))
    (tmp_path / "graders").mkdir()
    (tmp_path / "graders" / "test_98_watched.py").write_text(GRADER)
    shutil.copyfile(ROOT / "graders" / "pytest.ini", tmp_path / "graders" / "pytest.ini")
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path / "work"))
    found = labs.find(SLUG)
    workspace.start(found, api)
    for name in ("one", "two"):
        api.create(config_map(name, says="no"), SLUG)
    api.create(config_map("counter", number="0"), SLUG)
    yield found
    workspace.remove_namespace(api, SLUG)


@pytest.fixture
def heard(lab: labs.Lab, pocket: Status) -> Iterator[Heard]:
    """The lab is being followed, and has been graded once."""
    heard = Heard()
    follower = Follower(lab, lambda: pocket, heard)
    thread = threading.Thread(target=follower.run, daemon=True)
    thread.start()
    first = heard.next()
    assert first.tasks == ("one", "two")
    assert {t.outcome for t in first.told.report.tasks} == {Outcome.FAILED}
    yield heard
    follower.end()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_only_what_a_change_concerns_is_graded_and_at_last_everything(heard: Heard, api: Api) -> None:
    api.patch("ConfigMap", "one", SLUG, {"data": {"says": "yes"}})
    second = heard.next()
    assert (second.tasks, second.passed, second.why) == (("one",), ("one",), "configmap/one changed")
    assert second.began is not None
    assert second.began < PATIENCE
    api.patch("ConfigMap", "two", SLUG, {"data": {"says": "maybe"}})
    # nothing that the grading of `two` did itself, at first and now, has set off another round
    third = heard.next()
    assert (third.tasks, third.passed, third.lost) == (("two",), (), ())
    api.patch("ConfigMap", "one", SLUG, {"data": {"says": "no"}})
    fourth = heard.next()
    assert (fourth.tasks, fourth.lost) == (("one",), ("one",))
    for name in ("one", "two"):
        api.patch("ConfigMap", name, SLUG, {"data": {"says": "yes"}})
    last = heard.next()
    while last.told.report.outcome is not Outcome.PASSED:
        last = heard.next()
    assert last.tasks == ("one", "two")  # all of it once more, before it says so
    assert any(line.startswith("Next:") or "through" in line for line in last.told.after)
    assert last.told.news is not None
    api.patch("ConfigMap", "one", SLUG, {"data": {"more": "x"}})
    while (after := heard.next()).tasks != ("one",):  # what was done stays done: no grading of everything
        assert after.told.report.outcome is Outcome.PASSED
    assert after.told.report.outcome is Outcome.PASSED
    assert after.told.news is not None
    assert after.told.news.attempt == last.told.news.attempt


def test_a_pod_that_becomes_ready_when_checks_have_given_up_is_graded_again(heard: Heard, api: Api) -> None:
    nobodys = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "c"}]}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "slow"}, "spec": nobodys}, SLUG)
    assert "one" in heard.next().tasks
    api.patch("ConfigMap", "one", SLUG, {"data": {"says": "yes"}})
    while (round_ := heard.next()).why != "configmap/one changed":
        pass
    assert (round_.tasks, round_.passed) == (("one",), ())  # only the Pod is missing
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    path = f"/api/v1/namespaces/{SLUG}/pods/slow/status"
    api.request("PATCH", path, body=ready, content_type="application/merge-patch+json")
    late = heard.next()
    assert (late.why, late.tasks, late.passed) == ("pod/slow ready", ("one",), ("one",))


def test_a_saved_file_is_graded_and_said_to_differ_until_it_is_applied(heard: Heard, api: Api, lab: labs.Lab) -> None:
    file = workspace.folder(lab) / "one.yaml"
    wanted = config_map("one", says="yes")
    file.write_text(json.dumps(wanted))
    note = heard.notes.get(timeout=PATIENCE)
    assert "one.yaml is saved, and the cluster does not know yet (configmap/one): kubectl apply -f " in note
    assert heard.next().tasks == ("one",)
    applying.apply(api, SLUG, wanted)
    while "one" not in (applied := heard.next()).passed:  # a file that was seen half-written is another save
        assert applied.tasks == ("one",)
    file.write_text("kind: [")
    assert "not valid YAML" in heard.notes.get(timeout=PATIENCE)
    assert heard.next().tasks == ("one",)


def test_in_a_terminal_s_place_it_writes_lines_and_ends_quietly(lab: labs.Lab, api: Api, pocket: Status) -> None:
    command = [sys.executable, "-m", "kindlab.cli", "check", SLUG, "--watch", "--apply"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **PLAIN}
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        seen = []
        for line in run.stdout:
            seen.append(line)
            if "Following your files" in line:
                break
        (workspace.folder(lab) / "one.yaml").write_text(json.dumps(config_map("one", says="yes")))
        for line in run.stdout:
            seen.append(line)
            if "NEWLY PASSED" in line:
                break
        run.send_signal(signal.SIGTERM)  # as Ctrl-C, for a process that may have been started with that ignored
        rest, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 1, (seen, rest, errors)  # of the last report: two is still to do
    assert "one.yaml: configmap/one configured" in "".join(seen)
    assert (rest, errors) == ("", "")
