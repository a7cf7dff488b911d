"""A twin under an autoscaler like the learner's: it grows, or it is plain that it will not; nothing is left."""

from __future__ import annotations

from typing import Any

import pytest
from tests.course.test_trace import deployment, put
from tests.course.test_trace_autoscaler import KIND, autoscaler

from kindlab.checks.live import LiveLab
from kindlab.checks.twin import LABEL, Twin

pytestmark = pytest.mark.xdist_group("pocket")


def rushed(live: LiveLab, *, cpu: bool = True, **spec: Any) -> Twin:
    requests = {"requests": {"cpu": "50m"}, "limits": {"cpu": "200m"}} if cpu else {}
    put(live, deployment(replicas=1, resources=requests), autoscaler(**spec))
    live.settled("web")
    found = Twin(live, "web", timeout=300.0).rush()
    assert [o["metadata"]["name"] for k in (KIND, "Deployment") for o in live.list(k)] == ["web", "web"]
    assert live.eventually("Pod", lambda pods: not any(LABEL in p["metadata"]["labels"] for p in pods), timeout=120)
    return found


def test_it_grows(live: LiveLab) -> None:
    found = rushed(live)
    assert found.grown, found.seen
    assert "asks for 2 Pods" in found.seen


def test_without_a_request_it_is_not_waited_for(live: LiveLab) -> None:
    assert not rushed(live, cpu=False).grown


def test_without_an_autoscaler_by_the_cpu_there_is_nothing_to_try(live: LiveLab) -> None:
    memory = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}
    found = rushed(live, metrics=[{"type": "Resource", "resource": memory}])
    assert (found.grown, found.seen) == (False, "")
