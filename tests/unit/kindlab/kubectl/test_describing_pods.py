"""`kubectl describe pod`: what the comparison with kubectl itself does not reach (ends, deletion, 1.36 alone)."""

from __future__ import annotations

from typing import Any

from kindlab.api import Obj
from kindlab.kubectl import ages, describing, printers


def pod(status: Obj | None = None, meta: Obj | None = None, **container: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns", **(meta or {})},
        "spec": {"containers": [{"name": "c", "image": "i:1", **container}]},
        "status": {"phase": "Running", "qosClass": "BestEffort", **(status or {})},
    }


def described(obj: Obj) -> str:
    text = describing.describe(obj, lambda name: (None, []), list)
    return printers.tabbed(text.split("\n")) + "\n"


def test_a_pod_nobody_has_placed() -> None:
    assert described(pod(status={"phase": "Pending"})) == (
        "Name:         p\n"
        "Namespace:    ns\n"
        "Node:         <none>\n"
        "Labels:       <none>\n"
        "Annotations:  <none>\n"
        "Status:       Pending\n"
        "IP:           \n"
        "IPs:          <none>\n"
        "Containers:\n"
        "  c:\n"
        "    Image:        i:1\n"
        "    Port:         <none>\n"
        "    Host Port:    <none>\n"
        "    Environment:  <none>\n"
        "    Mounts:       <none>\n"
        "Volumes:          <none>\n"
        "QoS Class:        BestEffort\n"
        "Node-Selectors:   <none>\n"
        "Tolerations:      <none>\n"
    )


def test_ports_are_told_with_their_names() -> None:
    ports = [{"name": "http", "containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
    text = described(pod(ports=ports))
    assert "    Ports:        80/TCP (http), 53/UDP\n    Host Ports:   0/TCP (http), 0/UDP\n" in text
    assert "    Port:         80/TCP (http)\n    Host Port:    0/TCP (http)\n" in described(pod(ports=ports[:1]))


def test_how_a_container_ended() -> None:
    ended = {
        "exitCode": 3,
        "reason": "Error",
        "startedAt": "2026-11-21T13:10:07Z",
        "finishedAt": "2026-11-21T13:10:08Z",
    }
    states = {
        "name": "c",
        "containerID": "containerd://1",
        "imageID": "i@sha256:2",
        "ready": False,
        "restartCount": 2,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "not shown"}},
        "lastState": {"terminated": ended},
    }
    text = described(pod(status={"containerStatuses": [states]}))
    assert (
        "    State:          Waiting\n"
        "      Reason:       CrashLoopBackOff\n"
        "    Last State:     Terminated\n"
        "      Reason:       Error\n"
        "      Exit Code:    3\n"
        f"      Started:      {ages.moment(ended['startedAt'])}\n"
        f"      Finished:     {ages.moment(ended['finishedAt'])}\n"
        "    Ready:          False\n"
        "    Restart Count:  2\n"
    ) in text


def test_a_pod_that_is_going() -> None:
    meta = {"deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}
    text = described(pod(meta=meta))
    assert "Status:                    Terminating (lasts " in text
    assert "Termination Grace Period:  30s\n" in text
    assert "Status:       Succeeded\n" in described(pod(meta=meta, status={"phase": "Succeeded"}))
