"""What goes to the Pods of a grading Job and comes back, without a cluster."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kindlab.batch.fakes import LAB, graded, submission

from kindlab.api import ApiError
from kindlab.batch import one
from kindlab.batch.elsewhere import indexes, objects, order, parcels, pods, running
from kindlab.batch.elsewhere.order import Answer, Order
from kindlab.batch.submission import Refused
from kindlab.errors import Problem
from kindlab.zips import zipped


class Secrets:
    """As much of an API server as keeps Secrets."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def request(self, method: str, path: str, body: Any = None) -> Any:
        name = path.rpartition("/")[2]
        if method == "GET":
            if name not in self.kept:
                raise ApiError(404, "NotFound", name)
            return self.kept[name]
        name = body["metadata"]["name"]
        if name in self.kept:
            raise ApiError(409, "AlreadyExists", name)
        self.kept[name] = body
        return body


def test_an_order_arrives_as_it_was_given(tmp_path: Path) -> None:
    refused = (Refused("shell", "it may not", "leave it away", "b.yaml"),)
    sent = submission(tmp_path, "zoë", "kind: Ü", refused=refused, notes=("a note",), nodes=("n1", "n2"), problem="")
    asked = Order.of(None, sent, lab=LAB, cluster="pocket", tasks={LAB.tasks[0].id}, evidence=tmp_path / "zoë.zip")
    there = tmp_path / "there"
    there.mkdir()
    came = order.unpacked(replace(asked, seconds=9.0).packed(), there)
    assert came == replace(asked, seconds=9.0, submission=replace(sent, folder=there))
    assert one.digest(came.submission) == one.digest(sent), "--resume knows it again"


def test_an_answer_arrives_as_it_was_given(tmp_path: Path) -> None:
    for answer in (
        Answer(graded(submission(tmp_path, "ann"), {}), "", 1.5, 0.5, b"zip"),
        Answer(None, "it took longer than 9 s", 9.0),
    ):
        assert Answer.unpacked(answer.packed()) == answer


@pytest.mark.parametrize(
    "data",
    [b"", b"no zip", zipped({"graded.json": b"[]"}), zipped({"x": b""})],
    ids=["nothing", "no zip", "a list", "another file"],  # a zip holds the time at which it was made
)
def test_what_is_no_answer_costs_one_submission(tmp_path: Path, data: bytes) -> None:
    done = job(tmp_path)._answered(submission(tmp_path, "ann"), data)
    assert done.result is None
    assert "cannot be read" in done.problem


def test_an_answer_that_is_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "MOST", 1000)
    with pytest.raises(ValueError, match="it holds more than"):
        Answer.unpacked(Answer(None, "x" * 2000).packed())


@pytest.mark.parametrize("size", [0, 1, parcels.PART, parcels.PART + 1, 3 * parcels.PART])
def test_what_is_too_large_for_one_secret_goes_in_parts(size: int) -> None:
    api: Any = Secrets()
    data = bytes(range(251)) * (size // 251 + 1)
    parcels.sent(api, "n", "a", data[:size], {"labels": {}})
    assert parcels.received(api, "n", "a") == data[:size]
    assert list(api.kept)[-1] == "a", "the first part is written last"
    assert all(secret["immutable"] for secret in api.kept.values())
    assert parcels.received(api, "n", "b") is None


def test_what_was_answered_once_stays() -> None:
    api: Any = Secrets()
    parcels.sent(api, "n", "a", b"first", {})
    parcels.sent(api, "n", "a", b"second", {})
    assert parcels.received(api, "n", "a") == b"first"


@pytest.mark.parametrize(("text", "found"), [("", set()), ("0", {0}), ("0,3-5,9", {0, 3, 4, 5, 9})])
def test_indexes_of_a_jobs_status(text: str, found: set[int]) -> None:
    assert indexes.read(text) == found


def job(folder: Path, course: str = "") -> Any:
    where = running.Where("image:1", course or one.lab_digest(LAB), folder)
    return running._Job(None, where, "run", "space", {})  # type: ignore[arg-type]


def test_an_image_of_another_version_of_the_lab_is_refused(tmp_path: Path) -> None:
    sent = submission(tmp_path, "ann")
    with pytest.raises(Problem, match="image:1 holds another version of this lab"):
        job(tmp_path, "another")._answered(sent, Answer(graded(sent, {})).packed())


def test_an_answer_about_somebody_else_is_none(tmp_path: Path) -> None:
    here, data = job(tmp_path), Answer(graded(submission(tmp_path, "ann"), {})).packed()
    assert "another submission" in here._answered(submission(tmp_path, "bob"), data).problem


def test_evidence_goes_only_where_it_was_asked_for(tmp_path: Path) -> None:
    sent = submission(tmp_path, "ann")
    here, result = job(tmp_path), graded(sent, {})
    here.evidence["ann"] = "ann.zip"
    wrong = Answer(replace(result, evidence="../bob.zip"), evidence=b"x")
    assert here._answered(sent, wrong.packed()).result is None
    right = Answer(replace(result, evidence="ann.zip"), evidence=b"x")
    assert here._answered(sent, right.packed()).result == right.graded
    assert (tmp_path / "ann.zip").read_bytes() == b"x"
    assert (tmp_path / "ann.zip").stat().st_mode & 0o077 == 0


def test_the_time_of_a_job_is_enough_for_all_it_may_do() -> None:
    assert objects.seconds(100, 10, 300) >= 10 * 2 * 300
    assert objects.seconds(1, 10, 300) >= 2 * 300


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}, "Evicted: The node was"),
        (
            {
                "phase": "Failed",
                "containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}],
            },
            "OOMKilled, exit code 137",
        ),
        ({"phase": "Succeeded"}, ""),
    ],
)
def test_how_a_pod_ended(status: Any, words: str) -> None:
    assert pods.ended({"status": status}).startswith(words)
    assert bool(pods.ended({"status": status})) == bool(words)
