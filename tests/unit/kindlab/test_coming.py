"""Which Pods are worth waiting for before a check looks at them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kindlab.checks.coming import first_answer, is_coming_up, next_asked

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


@pytest.mark.parametrize(
    ("pod", "worth"),
    [
        (running(3, SLOW), True),  # asked 17 seconds from now
        (running(3, {"initialDelaySeconds": 120, "periodSeconds": 1}), False),
        (running(70, {"initialDelaySeconds": 120, "periodSeconds": 1}), True),
        (running(1, {"periodSeconds": 300}), True),  # the first answer may come any moment
        (running(5, {"periodSeconds": 300}), False),
        (running(250, {"periodSeconds": 300}), True),
        (pending(), True),
    ],
)
def test_nobody_waits_for_a_probe_that_asks_too_late(pod: Any, worth: bool) -> None:
    assert is_coming_up(pod, NOW, within=60) is worth


def test_the_next_question_is_the_most_frequent_probes() -> None:
    assert next_asked({}, 3) == 0
    assert next_asked({"readinessProbe": {"periodSeconds": 30}}, 5) == 25
    both = {"startupProbe": {"periodSeconds": 30}, "readinessProbe": {"periodSeconds": 10, "initialDelaySeconds": 4}}
    assert next_asked(both, 1) == 3
    assert next_asked(both, 5) == 0
    assert next_asked(both, 7) == 7


def test_the_first_answer_comes_after_all_probes_in_turn() -> None:
    assert first_answer({}) == 0
    assert first_answer({"readinessProbe": {"periodSeconds": 1, "successThreshold": 3}}) == 3
    assert first_answer({"startupProbe": SLOW, "readinessProbe": {"initialDelaySeconds": 2}}) == 25 + 12
