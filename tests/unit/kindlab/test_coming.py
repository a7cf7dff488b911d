"""Which Pods are worth waiting for before a check looks at them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kindlab.checks.coming import first_answer, is_coming_up

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SLOW = {"initialDelaySeconds": 20, "periodSeconds": 5}


def running(age: float, probe: dict[str, Any] | None = None, *, ready: bool = False, restarts: int = 0) -> Any:
    started = (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    container = {"name": "c", **({"readinessProbe": probe} if probe else {})}
    status = {"name": "c", "ready": ready, "restartCount": restarts, "state": {"running": {"startedAt": started}}}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "spec": {"containers": [container]},
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [status]},
    }


def pending(reason: str = "", *, scheduled: bool = True) -> Any:
    waiting = {"waiting": {"reason": reason}} if reason else {}
    conditions = [{"type": "PodScheduled", "status": str(scheduled)}]
    statuses = [{"name": "c", "state": waiting}]
    return {"spec": {}, "status": {"phase": "Pending", "conditions": conditions, "containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("pod", "worth"),
    [
        (pending("ContainerCreating"), True),
        (pending(), True),
        (pending("ImagePullBackOff"), False),
        (pending("CreateContainerConfigError"), False),
        (pending(scheduled=False), False),
        (running(3, SLOW), True),
        (running(26, SLOW), True),
        (running(28, SLOW), False),
        (running(3, SLOW, restarts=1), False),
        (running(3, SLOW, ready=True), False),
        (running(9, {}), False),
        (running(3), False),
        (running(1), True),
        ({"spec": {}, "status": {"phase": "Failed"}}, False),
    ],
)
def test_worth_waiting_for(pod: Any, worth: bool) -> None:
    assert is_coming_up(pod, NOW) is worth


def test_the_first_answer_comes_after_all_probes_in_turn() -> None:
    assert first_answer({}) == 0
    assert first_answer({"readinessProbe": {"periodSeconds": 1, "successThreshold": 3}}) == 3
    assert first_answer({"startupProbe": SLOW, "readinessProbe": {"initialDelaySeconds": 2}}) == 25 + 12
