"""The hop Scheduling: what the scheduler says is quoted, and what is said about volumes leads somewhere."""

from __future__ import annotations

import pytest

from kindlab.trace.hops import Trace
from kindlab.trace.mounting import scheduled

BUSY = "0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode"


@pytest.mark.parametrize(
    ("said", "then"),
    [
        ("0/2 nodes are available: 2 node(s) exceed max volume count.", "kubectl get csinodes "),
        (f"{BUSY} already in-use by another pod.", "kubectl describe pvc "),
        ("0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.", "kubectl describe pv "),
        ("0/2 nodes are available: 2 Insufficient cpu.", "kubectl describe pod late -n shop"),
    ],
)
def test_where_to_look(said: str, then: str) -> None:
    conditions = [{"type": "PodScheduled", "status": "False", "message": said}]
    pod = {"metadata": {"name": "late", "namespace": "shop"}, "spec": {}, "status": {"conditions": conditions}}
    path = Trace("pvc/data", "shop")
    assert not scheduled([pod], path)
    assert path.broken is not None
    assert path.broken.evidence == f"Pod late has no node: {said}"
    assert path.broken.next.startswith(then)
