"""What an autoscaler is about, and when no waiting for it helps."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kindlab.api import Obj
from kindlab.checks.autoscalers import autoscaler_of, goes_by_cpu, is_hopeless, share, targets

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "9Mi"}}}
ONE_CONTAINER = {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "a", "target": {}}}


def hpa(*metrics: Obj, of: str = "web", kind: str = "Deployment", **status: Any) -> Obj:
    spec = {"scaleTargetRef": {"kind": kind, "name": of}, "metrics": list(metrics)}
    return {"metadata": {"name": f"for-{of}"}, "spec": spec, "status": status}


class Lab:
    """Its autoscalers, and the containers of its one Deployment, web."""

    def __init__(self, *autoscalers: Obj, containers: list[Obj] | None = None) -> None:
        self.autoscalers, self.containers = autoscalers, containers

    def list(self, kind: str) -> list[Obj]:
        return list(self.autoscalers)

    def get(self, kind: str, name: str) -> Obj | None:
        if (kind, name) != ("Deployment", "web"):
            return None
        return {"spec": {"template": {"spec": {"containers": self.containers or []}}}}


def lab(*autoscalers: Obj, containers: list[Obj] | None = None) -> Any:
    return cast(Any, Lab(*autoscalers, containers=containers))


def test_the_one_of_a_deployment() -> None:
    mine = hpa(CPU)
    assert autoscaler_of(lab(hpa(CPU, of="other"), hpa(CPU, kind="StatefulSet"), mine), "web") is mine
    assert autoscaler_of(lab(), "web") is None


def test_what_it_goes_by() -> None:
    assert [t["name"] for t in targets(hpa(MEMORY, ONE_CONTAINER))] == ["memory", "cpu"]
    assert goes_by_cpu(hpa(MEMORY, ONE_CONTAINER))
    assert goes_by_cpu(hpa(CPU))
    assert not goes_by_cpu(hpa(MEMORY))
    assert not goes_by_cpu(hpa())


def test_what_it_has_worked_out() -> None:
    assert share(hpa(CPU)) is None
    assert share(hpa(CPU, currentMetrics=[{"type": ""}, {"resource": {"current": {"averageUtilization": 0}}}])) == 0
    assert share(hpa(CPU, currentMetrics=[{"containerResource": {"current": {"averageUtilization": 7}}}])) == 7


@pytest.mark.parametrize(
    ("containers", "hopeless"),
    [
        ([{"resources": {"requests": {"cpu": "1m"}}}, {"resources": {"requests": {"memory": "1Mi"}}}], True),
        ([{}], True),
        ([{"resources": {"limits": {"cpu": "1m"}}}], False),  # mended since
    ],
)
def test_a_missing_request(containers: list[Obj], hopeless: bool) -> None:
    said = {"type": "ScalingActive", "status": "False", "message": "missing request for cpu"}
    assert is_hopeless(lab(containers=containers), hpa(CPU, conditions=[said])) is hopeless


def test_what_is_not_there_is_hopeless_and_what_is_too_early_is_not() -> None:
    assert is_hopeless(lab(), hpa(CPU, of="nobody"))
    assert not is_hopeless(lab(), hpa(CPU, conditions=[{"type": "AbleToScale", "status": "False"}]))
    assert not is_hopeless(lab(containers=[{}]), hpa(CPU))
