"""`kindlab why node/NAME`: each thing that keeps Pods away, by its words; no cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from kindlab import clock
from kindlab.api import Api, Obj
from kindlab.trace import trace
from kindlab.trace.hops import Trace

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still: these tests are about what is said, and the run may take its time."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Fake:
    """One node `n`, its lease and its Pods."""

    def __init__(
        self, *, ready: str = "True", lease: float | None = 3, pods: tuple[Obj, ...] = (), **spec: Any
    ) -> None:
        condition = {"type": "Ready", "status": ready, "lastTransitionTime": ago(100), "reason": "R", "message": "m"}
        self.node: Obj = {
            "metadata": {"name": "n"},
            "spec": spec,
            "status": {
                "conditions": [condition] if ready else [],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "2"},
            },
        }
        self.lease = None if lease is None else {"spec": {"renewTime": ago(lease), "leaseDurationSeconds": 40}}
        self.pods = list(pods)

    def get(self, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        return self.lease if kind == "Lease" else self.node if name == "n" else None

    def list(self, kind: str, namespace: str | None = None, **query: str) -> list[Obj]:
        return self.pods if kind == "Pod" else [self.node]


def pod(**meta: Any) -> Obj:
    return {"metadata": meta, "status": {"phase": "Running"}}


def why(fake: Fake, name: str = "n") -> Trace:
    return trace(cast(Api, fake), "", f"node/{name}")


def taint(key: str, effect: str = "NoSchedule", **more: str) -> Obj:
    return {"key": key, "effect": effect, **more}


def test_a_node_that_takes_pods() -> None:
    path = why(Fake(pods=(pod(),), taints=[taint("soft", "PreferNoSchedule")]))
    assert path.broken is None
    assert [hop.name for hop in path.hops] == ["Node", "Ready", "Pressure", "Cordon", "Taints", "Room"]
    assert path.hops[-1].evidence == "1 of 2 Pods"
    assert "its lease was renewed 3s ago" in path.hops[1].evidence


def test_a_control_planes_taint_is_as_usual() -> None:
    assert why(Fake(taints=[taint("node-role.kubernetes.io/control-plane")])).broken is None


@pytest.mark.parametrize(
    ("fake", "hop", "says", "then"),
    [
        (Fake(ready=""), "Ready", "nobody has said anything", "describe node n"),
        (Fake(ready="Unknown", lease=75), "Ready", "its lease was renewed 75s ago", "kindlab node start n"),
        (Fake(ready="Unknown", lease=None), "Ready", "it has no lease", "kindlab node list"),
        (
            Fake(ready="Unknown", pods=(pod(deletionTimestamp="x"), pod())),
            "Ready",
            "2 Pods are bound to it, 1 of them being deleted, which only it can finish",
            "kindlab node start n",
        ),
        (Fake(ready="False"), "Ready", "it is not ready: R: m", "describe node n"),
        (Fake(lease=90), "Ready", "called Ready, but its lease was renewed 90s ago", "kubectl get node n -w"),
        (
            Fake(unschedulable=True, taints=[taint("node.kubernetes.io/unschedulable")]),
            "Cordon",
            "cordoned",
            "uncordon n",
        ),
        (
            Fake(taints=[taint("k", value="v")]),
            "Taints",
            "tolerate k=v:NoSchedule may come",
            "taint nodes n k:NoSchedule-",
        ),
        (Fake(taints=[taint("k", "NoExecute")]), "Taints", "may come or stay", "taint nodes n k:NoExecute-"),
        (Fake(taints=[taint("node.kubernetes.io/not-ready")]), "Taints", "not-ready:NoSchedule", "describe node n"),
        (Fake(pods=(pod(), pod())), "Room", "2 Pods and takes 2", "spec.nodeName=n"),
    ],
)
def test_what_keeps_pods_away(fake: Fake, hop: str, says: str, then: str) -> None:
    broken = why(fake).broken
    assert broken is not None
    assert broken.name == hop
    assert says in broken.evidence
    assert then in broken.next


def test_pressure() -> None:
    fake = Fake()
    fake.node["status"]["conditions"].append(
        {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure"}
    )
    broken = why(fake).broken
    assert broken is not None
    assert (broken.name, "short of disk space" in broken.evidence) == ("Pressure", True)


def test_a_node_that_is_not_there() -> None:
    broken = why(Fake(), "m").broken
    assert broken is not None
    assert "there is no Node m; there are: n" in broken.evidence
