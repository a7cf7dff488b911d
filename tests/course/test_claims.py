"""Answers with claims: what the cluster filled in stays, and what may not change is made anew with its Pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kindlab import workspace
from kindlab.checks.live import LiveLab

CLASS = "csi-hostpath-sc"


def put(live: LiveLab, folder: Path, *objects: dict[str, Any]) -> None:
    file = folder / "answer.yaml"
    file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    workspace.apply(live.api, live.namespace, [file])


def claim(size: str = "1Gi", **spec: str) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "books"}, "spec": asked}


def reader() -> dict[str, Any]:
    container = {"name": "reader", "image": "busybox:1.36", "command": ["sleep", "600"]}
    mounted = {**container, "volumeMounts": [{"name": "books", "mountPath": "/books"}]}
    volume = {"name": "books", "persistentVolumeClaim": {"claimName": "books"}}
    template = {
        "metadata": {"labels": {"app": "reader"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [mounted], "volumes": [volume]},
    }
    spec = {"selector": {"matchLabels": {"app": "reader"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reader"}, "spec": spec}


def test_a_claim_that_is_the_same_or_grows_keeps_its_volume(live: LiveLab, tmp_path: Path) -> None:
    put(live, tmp_path, claim(storageClassName=CLASS))
    before = live.volumes.bound("books")
    for size in ("1Gi", "2Gi"):
        put(live, tmp_path, claim(size, storageClassName=CLASS))
        after = live.volumes.bound("books")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["spec"]["volumeName"] == before["spec"]["volumeName"]
        assert after["spec"]["resources"]["requests"]["storage"] == size


def test_a_class_by_default_is_kept_and_none_on_purpose_is_not(live: LiveLab, tmp_path: Path) -> None:
    put(live, tmp_path, claim(storageClassName=""))
    assert live.require("PersistentVolumeClaim", "books")["spec"]["storageClassName"] == ""
    put(live, tmp_path, claim())
    made = live.require("PersistentVolumeClaim", "books")
    assert made["spec"]["storageClassName"] == "standard"
    put(live, tmp_path, claim())
    assert live.require("PersistentVolumeClaim", "books")["metadata"]["uid"] == made["metadata"]["uid"]


def test_a_claim_of_another_class_is_made_anew_though_a_pod_uses_it(live: LiveLab, tmp_path: Path) -> None:
    put(live, tmp_path, claim(storageClassName=CLASS), reader())
    live.settled("reader")
    before = live.require("PersistentVolumeClaim", "books")
    assert live.pods_of("reader")
    put(live, tmp_path, claim(storageClassName="standard"))
    after = live.volumes.bound("books")  # by the Pod that the Deployment makes in place of the first
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert live.eventually("Pod", lambda pods: [p for p in pods if p["status"].get("phase") == "Running"])


def volume(name: str, path: str, **spec: Any) -> dict[str, Any]:
    by_hand = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "hostPath": {"path": path, "type": "DirectoryOrCreate"},
        **spec,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": by_hand}


@pytest.fixture
def by_hand(live: LiveLab) -> Iterator[str]:
    """The name of a volume, which is removed in the end."""
    name = live.namespace
    yield name
    live.api.delete("PersistentVolumeClaim", "books", live.namespace)
    live.api.delete("PersistentVolume", name)


def test_a_volume_that_is_put_in_place_again_stays_bound(live: LiveLab, by_hand: str, tmp_path: Path) -> None:
    put(live, tmp_path, volume(by_hand, "/var/course"), claim(storageClassName=by_hand))
    before = live.volumes.bound("books")
    put(live, tmp_path, volume(by_hand, "/var/course", persistentVolumeReclaimPolicy="Delete"))
    after = live.api.get("PersistentVolume", by_hand)
    assert after is not None
    assert after["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    assert after["spec"]["claimRef"]["uid"] == before["metadata"]["uid"]
    assert "namespace" not in after["metadata"]


def test_a_volume_that_may_not_change_is_made_anew_with_its_claim(live: LiveLab, by_hand: str, tmp_path: Path) -> None:
    put(live, tmp_path, volume(by_hand, "/var/course"), claim(storageClassName=by_hand), reader())
    live.volumes.bound("books")
    live.settled("reader")
    put(live, tmp_path, volume(by_hand, "/var/other"))
    after = live.volumes.bound("books")
    assert after["spec"]["volumeName"] == by_hand
    made = live.api.get("PersistentVolume", by_hand)
    assert made is not None
    assert made["spec"]["hostPath"]["path"] == "/var/other"


def test_a_volume_that_was_left_is_free_again(live: LiveLab, by_hand: str, tmp_path: Path) -> None:
    put(live, tmp_path, volume(by_hand, "/var/course"), claim(storageClassName=by_hand))
    live.volumes.bound("books")
    live.api.delete("PersistentVolumeClaim", "books", live.namespace, wait=True)
    put(live, tmp_path, volume(by_hand, "/var/course"), claim(storageClassName=by_hand))
    assert live.volumes.bound("books")["spec"]["volumeName"] == by_hand
