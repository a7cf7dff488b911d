"""Answers with claims: what the cluster filled in stays, and what may not change is made anew with its Pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
