"""What a lab needs of its cluster: what only a trial shows is asked when it starts, not at every grade."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from kindlab import labs, needs
from kindlab.api import Api, ApiError
from kindlab.checks.verdict import CouldNotGrade
from kindlab.grading import runner


def test_what_could_not_be_found_out_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    def trial(api: Any) -> bool:
        raise CouldNotGrade("no Pod of ours gets ready")

    monkeypatch.setitem(needs.NEEDS, "network-policy", (trial, "enforced policies"))
    assert needs.missing(cast(Api, None), ["network-policy"]) == ["enforced policies"]


def test_a_grade_begins_without_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Cluster:
        server = "https://nowhere"

        def get(self, *_: Any) -> dict[str, Any]:
            return {}

    def seen(api: Any, words: list[str]) -> list[str]:
        asked.extend(words)
        return ["everything"]  # so that nothing is graded

    monkeypatch.setattr(runner, "missing", seen)
    lab = replace(labs.find("02"), needs=("metrics", "network-policy"))
    assert "It lacks everything" in runner.grade(lab, cast(Api, Cluster())).problem
    assert asked == ["metrics"]
    assert set(needs.NEEDS) >= needs.TRIED


class Listing:
    """An API that has only these objects; other kinds are not served."""

    def __init__(self, **objects: list[dict[str, Any]]) -> None:
        self.objects = objects

    def list(self, kind: str) -> list[dict[str, Any]]:
        if kind.partition(".")[0] not in self.objects:
            raise ApiError(404, "NotFound", f"no kind {kind}")
        return self.objects[kind.partition(".")[0]]


def has(need: str, **objects: list[dict[str, Any]]) -> bool:
    return needs._has(cast(Api, Listing(**objects)), need)


def test_snapshots_need_two_classes_of_one_driver() -> None:
    local, hostpath = {"provisioner": "rancher.io/local-path"}, {"provisioner": "hostpath.csi.k8s.io"}
    snapclass = {"driver": "hostpath.csi.k8s.io"}
    assert has("snapshots", StorageClass=[local, hostpath], VolumeSnapshotClass=[snapclass])
    assert not has("snapshots", StorageClass=[local], VolumeSnapshotClass=[snapclass])
    assert not has("snapshots", StorageClass=[local, hostpath], VolumeSnapshotClass=[])
    assert not has("snapshots", StorageClass=[local, hostpath])  # the kind is not there


def test_expansion_needs_a_class_that_allows_it_and_its_driver() -> None:
    growing = {"provisioner": "hostpath.csi.k8s.io", "allowVolumeExpansion": True}
    driver = {"metadata": {"name": "hostpath.csi.k8s.io"}}
    assert has("expansion", StorageClass=[growing], CSIDriver=[driver])
    assert not has("expansion", StorageClass=[{**growing, "allowVolumeExpansion": False}], CSIDriver=[driver])
    assert not has("expansion", StorageClass=[growing], CSIDriver=[])  # it was removed, and its class was left behind


def test_volume_limits_need_a_class_whose_driver_says_how_many_a_node_takes_and_few_enough_to_fill_it() -> None:
    classes = [{"provisioner": "hostpath.csi.k8s.io"}]

    def node(**said: Any) -> dict[str, Any]:
        return {"metadata": {"name": "node"}, "spec": {"drivers": [{"name": "hostpath.csi.k8s.io", **said}]}}

    without_drivers = {"metadata": {"name": "bare"}, "spec": {"drivers": None}}
    assert has("volume-limits", StorageClass=classes, CSINode=[without_drivers, node(allocatable={"count": 16})])
    assert not has("volume-limits", StorageClass=classes, CSINode=[without_drivers, node()])
    assert not has("volume-limits", StorageClass=classes, CSINode=[node(allocatable={"count": 128})])
    assert not has("volume-limits", StorageClass=[], CSINode=[node(allocatable={"count": 16})])
