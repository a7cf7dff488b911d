"""A grade of lab 13 takes no volume that a learner has kept: it tries the class archive out with claims of its own."""

from __future__ import annotations

from typing import Any

import pytest

from kindlab import labs, workspace
from kindlab.api import Api
from kindlab.checks.volumes import Volumes
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome

CLASS, KEPT = "lab13-archive", "lab13-kept"


@pytest.mark.slow
def test_a_kept_volume_that_is_free_stays_the_learners(api: Api) -> None:
    lab = labs.find("13")
    workspace.reset(lab, api)
    try:
        workspace.solve(lab, api)
        spec: dict[str, Any] = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "hostPath": {"path": "/var/lab13-kept"},
        }
        Volumes(api, lab.slug).bound("archive")  # with the volume of its class, before there is another
        made = api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": KEPT}, "spec": spec})
        report = runner.grade(lab, api, only="archive-stays")
        assert report.outcome is Outcome.PASSED, report
        kept = api.get("PersistentVolume", KEPT)
        assert kept is not None
        assert kept["metadata"]["uid"] == made["metadata"]["uid"]
        assert "claimRef" not in kept["spec"]
        assert kept["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    finally:
        workspace.remove_namespaces(api, lab)
