"""What a Pod waits for, and which signs count."""

from __future__ import annotations

from typing import Any

import pytest

from kindlab.addons import ready
from kindlab.addons.model import Sign
from kindlab.api import Obj


def pod(*states: Obj, **conditions: str) -> Obj:
    names = [f"c{n}" for n in range(len(states))]
    return {
        "spec": {"containers": [{"name": name, "image": f"registry.example/{name}:v1"} for name in names]},
        "status": {
            "conditions": [
                {"type": kind, "status": status, "message": "no room"} for kind, status in conditions.items()
            ],
            "containerStatuses": [{"name": n, "state": s} for n, s in zip(names, states, strict=True)],
        },
    }


def waiting(reason: str, message: str = "") -> Obj:
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (pod({"running": {}}, Ready="True"), ""),
        (pod(PodScheduled="False"), "finds no node: no room"),
        (pod(PodScheduled="True"), "is being started (its images are pulled first)"),
        (pod(waiting("ContainerCreating")), "is being started (its images are pulled first)"),
        (
            pod({"running": {}}, waiting("ImagePullBackOff", "Back-off pulling image")),
            "image registry.example/c1:v1 is not pulled: Back-off pulling image",
        ),
        (pod(waiting("ErrImagePull")), "image registry.example/c0:v1 is not pulled: ErrImagePull"),
        (pod(waiting("CrashLoopBackOff", "back-off 10s")), "container c0: CrashLoopBackOff back-off 10s"),
        (pod({"running": {}}, Ready="False"), "runs, and its readiness probe does not succeed yet"),
    ],
)
def test_what_a_pod_waits_for(found: Obj, text: str) -> None:
    assert ready.waits_for(found) == text


@pytest.mark.parametrize(
    ("sign", "seen"),
    [
        ({"condition": "Available"}, True),
        ({"condition": "Accepted"}, False),
        ({"condition": "Nothing"}, False),
        ({"field": "spec.drivers.name", "value": "hostpath"}, True),
        ({"field": "spec.drivers.name", "value": "host"}, False),
        ({"field": "spec.drivers.count", "value": "16"}, True),
        ({"field": "spec.nothing", "value": "16"}, False),
    ],
)
def test_a_sign_is_a_condition_that_is_true_or_a_value_somewhere(sign: dict[str, Any], seen: bool) -> None:
    conditions = [{"type": "Available", "status": "True"}, {"type": "Accepted", "status": "False"}]
    drivers = [{"name": "other"}, {"name": "hostpath", "count": 16}]
    found = {"spec": {"drivers": drivers}, "status": {"conditions": conditions}}
    assert ready.is_seen(found, Sign("Node", **sign)) is seen
