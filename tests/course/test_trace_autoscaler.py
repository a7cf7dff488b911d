"""`kindlab why hpa/NAME` on a live cluster; every way to be stuck is in tests/unit/kindlab/test_trace_autoscaler.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.course.command import Run
from tests.course.test_trace import broken, deployment, names, put, why

from kindlab.api import Obj
from kindlab.checks.live import LiveLab

KIND = "HorizontalPodAutoscaler"


def autoscaler(name: str = "web", **spec: Any) -> Obj:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    share = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    whole = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [{"type": "Resource", "resource": share}], **spec}
    meta = {"name": name}
    return {"apiVersion": "autoscaling/v2", "kind": KIND, "metadata": meta, "spec": whole}


def told(live: LiveLab, type_: str, status: str) -> None:
    def holds(found: Iterable[Obj]) -> bool:
        conditions = [c for one in found for c in (one.get("status") or {}).get("conditions") or ()]
        return any((c["type"], c["status"]) == (type_, status) for c in conditions)

    assert live.eventually(KIND, holds, timeout=120.0)


def test_an_autoscaler_with_nothing_to_do(live: LiveLab, kindlab: Run) -> None:
    put(live, deployment(replicas=1, resources={"requests": {"cpu": "100m"}}), autoscaler())
    told(live, "ScalingActive", "True")
    path = why(live, "hpa/web")
    assert path.broken is None, path.broken
    assert names(path) == [KIND, "Target", "Requests", "Metrics API", "Metrics", "Load", "Decision"]
    done = kindlab("why", "hpa/web", "-n", live.namespace)
    assert done.returncode == 0, done.stdout
    assert "Every hop is in order." in done.stdout


def test_containers_that_request_nothing(live: LiveLab) -> None:
    put(live, deployment(replicas=1), autoscaler())
    told(live, "ScalingActive", "False")
    hop, evidence = broken(why(live, "hpa/web"))
    assert hop == "Requests"
    assert "container server of Pod web-" in evidence


def test_a_target_that_is_not_there(live: LiveLab) -> None:
    put(live, autoscaler())
    told(live, "AbleToScale", "False")
    assert broken(why(live, "hpa/web"))[1].startswith("there is no Deployment web in namespace")
