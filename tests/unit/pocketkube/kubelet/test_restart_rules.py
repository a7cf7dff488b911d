"""Restart policies and rules of single containers."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube import objects
from pocketkube.kubelet.status import should_restart
from pocketkube.objects import Obj


def rule(operator: str, *codes: int) -> Obj:
    return {"action": "Restart", "exitCodes": {"operator": operator, "values": list(codes)}}


@pytest.mark.parametrize(
    ("pod", "container", "code", "again"),
    [
        ("Always", {}, 0, True),
        ("OnFailure", {}, 0, False),
        ("OnFailure", {}, 1, True),
        ("Never", {}, 1, False),
        ("Always", {"restartPolicy": "Never"}, 1, False),
        ("Never", {"restartPolicy": "OnFailure"}, 1, True),
        ("Never", {"restartPolicy": "OnFailure"}, 0, False),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [rule("In", 42)]}, 42, True),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [rule("In", 42)]}, 43, False),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [rule("NotIn", 42)]}, 43, True),
        ("Never", {"restartPolicy": "Never", "restartPolicyRules": [rule("In", 1), rule("NotIn", 1, 2)]}, 2, False),
    ],
)
def test_whether_a_container_starts_again(pod: str, container: Obj, code: int, again: bool) -> None:
    assert should_restart({"spec": {"restartPolicy": pod}}, container, code) is again


async def test_a_rule_restarts_where_the_pod_says_never(node: Any) -> None:
    rules = {"restartPolicy": "Never", "restartPolicyRules": [rule("In", 42)]}
    node.create("p", {"command": ["exit", "42"], **rules}, restartPolicy="Never")
    await node.until(lambda: node.container("p").get("restartCount", 0) >= 1)
    assert objects.status(node.pod("p"))["phase"] in ("Running", "Pending")
    node.create("q", {"command": ["exit", "43"], **rules}, restartPolicy="Never")
    await node.until(lambda: objects.status(node.pod("q")).get("phase") == "Failed")
    assert node.container("q")["restartCount"] == 0


async def test_one_container_may_stay_ended_in_a_pod_that_always_restarts(node: Any) -> None:
    node.create("p", {"command": ["exit", "3"], "restartPolicy": "Never"}, {"name": "other"})
    await node.until(lambda: "terminated" in node.container("p").get("state", {}))
    await node.until(lambda: node.container("p", "other").get("ready"))
    assert node.container("p")["state"]["terminated"]["exitCode"] == 3
    assert objects.status(node.pod("p"))["phase"] == "Running"


async def test_an_init_container_with_a_policy_of_its_own_is_tried_again(node: Any) -> None:
    init = {"name": "i", "command": ["exit", "1"], "restartPolicy": "OnFailure"}
    node.create("p", {}, initContainers=[init], restartPolicy="Never")
    await node.until(lambda: node.container("p", "i").get("restartCount", 0) >= 1)
    assert objects.status(node.pod("p"))["phase"] == "Pending"


async def test_a_failed_probe_of_a_container_that_never_restarts(node: Any) -> None:
    probe = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    node.create("p", {"livenessProbe": probe}, restartPolicy="Never")
    await node.until(lambda: objects.status(node.pod("p")).get("phase") in ("Failed", "Succeeded"))
    assert ("Normal", "Killing", "Container c failed liveness probe") in node.events("p")
