"""The grader's words about snapshots: bytes of the moment, what a class leaves behind, and nothing left of its own."""

from __future__ import annotations

import pytest
from tests.course.test_trace_claim import CSI, bound, claim, put, snapshot

from kindlab.checks import CheckFailed
from kindlab.checks.live import LiveLab
from kindlab.checks.snapshots import Snapshots
from kindlab.kinds import SNAPSHOT, SNAPSHOT_CONTENT

CLASS = "csi-hostpath-snapclass"


def contents(live: LiveLab) -> list[str]:
    return [c["metadata"]["name"] for c in live.api.list(SNAPSHOT_CONTENT)]


def test_a_snapshot_is_restored_and_what_is_stored_is_found_again(live: LiveLab) -> None:
    put(live, claim("books", storageClassName=CSI))
    bound(live, "books")
    words, before = Snapshots(live.api, live.namespace), contents(live)
    with live.volumes.claim("books") as books:
        books.write("page", b"then")
        with words.taken("books", CLASS) as taken:
            books.write("page", b"now")
            with words.restored(taken["metadata"]["name"]) as place:
                assert place.read("page") == b"then"
            content = words.content_of(taken)
            name = content["metadata"]["name"]
            live.api.patch(SNAPSHOT_CONTENT, name, None, {"spec": {"deletionPolicy": "Retain"}})
            words.delete(taken["metadata"]["name"])
            assert live.api.get(SNAPSHOT, taken["metadata"]["name"], live.namespace) is None
            with words.again(content, "lab99-") as again, words.restored(again) as place:
                assert place.read("page") == b"then"
    assert contents(live) == before
    assert live.list(SNAPSHOT) == []
    live.eventually("PersistentVolumeClaim", lambda found: {c["metadata"]["name"] for c in found} == {"books"})
    assert [c["metadata"]["name"] for c in live.list("PersistentVolumeClaim")] == ["books"]


def test_a_snapshot_that_cannot_be_says_why(live: LiveLab) -> None:
    put(live, snapshot("nosuch", "of-nothing"))
    with pytest.raises(CheckFailed, match="cannot get claim from snapshot"):
        live.snapshots.usable("of-nothing")
    with pytest.raises(CheckFailed, match="there is none"):
        live.snapshots.usable("nosuch")


def test_a_grade_that_is_stopped_keeps_no_content(live: LiveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class says Retain, and Ctrl-C comes before anybody has asked which content it is."""
    put(live, claim("diary", storageClassName=CSI))
    bound(live, "diary")
    kind, before, usable = "VolumeSnapshotClass", contents(live), Snapshots.usable
    made = {"driver": "hostpath.csi.k8s.io", "deletionPolicy": "Retain"}
    live.api.create({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": kind, "metadata": {"name": "lab99-k"}, **made})

    def stopped(words: Snapshots, name: str) -> None:
        usable(words, name)
        raise KeyboardInterrupt

    monkeypatch.setattr(Snapshots, "usable", stopped)
    try:
        with pytest.raises(KeyboardInterrupt), live.snapshots.taken("diary", "lab99-k"):
            pass
        assert any(len(found) == len(before) for found in live.api.follow(SNAPSHOT_CONTENT, timeout=30))
    finally:
        live.api.delete(f"{kind}.snapshot.storage.k8s.io", "lab99-k")
