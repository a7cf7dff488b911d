"""Pods that become ready when nobody looks any more; what a grading does to Pods itself is no news."""

from __future__ import annotations

from typing import Any

from kindlab.checks.patience import CATCH_UP
from kindlab.watching.objects import Change
from kindlab.watching.readiness import Readiness


def pod(name: str, *, ready: bool, maker: str = "web", kind: str = "ReplicaSet", **meta: Any) -> dict[str, Any]:
    owner = {"kind": kind, "name": maker, "uid": maker, "controller": True}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "ownerReferences": [owner], **meta},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def news(one: dict[str, Any], at: float) -> Change:
    return Change(("pods", "n", one["metadata"]["name"]), None, one, at)


def gone(one: dict[str, Any], at: float) -> Change:
    return Change(("pods", "n", one["metadata"]["name"]), one, None, at)


def graded() -> Readiness:
    """One Pod of two was ready when a grading began at 100, which took 50 seconds."""
    readiness = Readiness()
    readiness.take(news(pod("a", ready=True), 0.0))
    readiness.take(news(pod("b", ready=False), 0.0))
    readiness.graded(100.0, 150.0, lambda change: change.key[2] != "other")
    return readiness


def test_a_pod_that_becomes_ready_after_patience_has_run_out_is_news() -> None:
    readiness = graded()
    assert not readiness.late()
    assert readiness.take(news(pod("b", ready=True), 120.0))  # while other checks were still at work
    assert set(readiness.late()) == {("pods", "n", "a"), ("pods", "n", "b")}
    readiness.graded(200.0, 201.0, lambda change: True)
    assert not readiness.late()


def test_a_pod_that_checks_waited_for_is_none() -> None:
    readiness = graded()
    assert not readiness.take(news(pod("b", ready=True), 100.0 + CATCH_UP / 2))
    assert not readiness.late()
    assert readiness.take(news(pod("other", ready=True, maker="other"), 100.0 + CATCH_UP / 2))  # its task was not


def test_what_a_grading_took_away_and_comes_back_is_none() -> None:
    readiness = graded()
    readiness.take(gone(pod("a", ready=True), 110.0))
    assert not readiness.take(news(pod("c", ready=True), 160.0))
    readiness.take(news(pod("c", ready=False), 161.0))
    assert not readiness.take(news(pod("c", ready=True), 162.0))
    assert not readiness.late()
    readiness.changed()  # by a person: now nothing has been seen
    assert readiness.late()


def test_pods_of_jobs_and_ours_and_what_goes_are_none() -> None:
    readiness = graded()
    ours = {"app.kubernetes.io/managed-by": "kindlab"}
    assert not readiness.take(news(pod("j", ready=True, maker="job", kind="Job"), 200.0))
    assert not readiness.take(news(pod("p", ready=True, maker="us", labels=ours), 200.0))
    assert not readiness.take(news(pod("g", ready=True, deletionTimestamp="now"), 200.0))
    service = {"kind": "Service", "metadata": {"name": "s"}}
    assert not readiness.take(Change(("services", "n", "s"), None, service, 200.0))
    assert not readiness.late()
