"""Nodes that are closed, tainted and emptied, by the API alone. After upstream's e2e tests (test/e2e/node/taints.go,
node_lifecycle.go), on a Node without a machine, where nobody else's Pods are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.parity.network.support import Place, pod

from kindlab.api import Api, ApiError, Obj

MERGE = "application/merge-patch+json"
FAKE = "parity-imaginary"
KEEP = {"key": "parity-keep", "effect": "NoSchedule"}
"""Nobody else's Pods are to come to that node."""


@pytest.fixture
def imaginary(api: Api) -> Iterator[str]:
    """A Node without a machine: nobody runs there, so it may be tainted at will. Its Pods never start."""
    size = {"cpu": "4", "memory": "4Gi", "pods": "110"}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now}
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": FAKE, "labels": {"kubernetes.io/hostname": FAKE}},
            "spec": {"taints": [KEEP]},
            "status": {"capacity": size, "allocatable": size, "conditions": [ready]},
        }
    )
    yield FAKE
    for left in api.list("Pod", None, fields=f"spec.nodeName={FAKE}"):  # nobody else would end them
        path = api.path("Pod", left["metadata"]["namespace"], left["metadata"]["name"])
        with suppress(ApiError):
            api.request("DELETE", path, {"gracePeriodSeconds": 0})
    api.delete("Node", FAKE, None)


def taint(here: Place, name: str, *taints: Obj) -> None:
    """Put the test's taints on a node beside those that controllers hold there."""
    live = here.request("GET", f"/api/v1/nodes/{name}")
    others = [held for held in live["spec"].get("taints") or () if not held["key"].startswith("parity/")]
    body = {
        "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
        "spec": {"taints": [*others, *taints]},
    }
    here.request("PATCH", f"/api/v1/nodes/{name}", body, content_type=MERGE)


def on(node: str, name: str, *tolerations: Obj, **spec: Any) -> Obj:
    """A Pod bound to the node, which tolerates that nobody answers there."""
    quiet = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists"}
        for key in ("not-ready", "unreachable", "unschedulable")
    ]
    return pod(
        name, "pause", nodeName=node, tolerations=[*quiet, *tolerations], terminationGracePeriodSeconds=1, **spec
    )


def going(live: Obj) -> bool:
    return bool(live["metadata"].get("deletionTimestamp"))


def condition(live: Obj, type_: str) -> Obj:
    return next((c for c in live["status"].get("conditions") or () if c["type"] == type_), {})


EVICTS = {"key": "parity/evicts", "value": "yes", "effect": "NoExecute"}


def tolerates(seconds: int | None = None) -> Obj:
    limit = {} if seconds is None else {"tolerationSeconds": seconds}
    return {"key": EVICTS["key"], "operator": "Equal", "value": "yes", "effect": "NoExecute", **limit}


def test_no_execute_evicts_who_does_not_tolerate_it(here: Place, imaginary: str) -> None:
    here.put(on(imaginary, "goes"), on(imaginary, "stays", tolerates()), on(imaginary, "soon", tolerates(2)))
    taint(here, imaginary, EVICTS)
    for name in ("goes", "soon"):
        live = here.wait("Pod", name, going)
        found = condition(live, "DisruptionTarget")
        assert (found["status"], found["reason"]) == ("True", "DeletionByTaintManager")
        assert found["message"] == "Taint manager: deleting due to NoExecute taint"
    assert not going(here.request("GET", here.path("Pod", "stays")))


def test_a_taint_that_goes_in_time_evicts_nobody(here: Place, imaginary: str) -> None:
    here.put(on(imaginary, "waits", tolerates(300)), on(imaginary, "goes"))
    taint(here, imaginary, EVICTS)
    here.wait("Pod", "goes", going)
    taint(here, imaginary)
    cancelled = f"Cancelling deletion of Pod {here.namespace}/waits"
    here.until("Event", lambda events: any(event["message"] == cancelled for event in events))
    assert not going(here.request("GET", here.path("Pod", "waits")))


def test_a_closed_node_takes_no_new_pods(here: Place, imaginary: str) -> None:
    here.request("PATCH", f"/api/v1/nodes/{imaginary}", {"spec": {"unschedulable": True}}, content_type=MERGE)
    key = "node.kubernetes.io/unschedulable"

    def closed(live: Obj) -> bool:
        return any(held["key"] == key for held in live["spec"].get("taints") or ())

    here.wait("Node", imaginary, closed)
    tolerations = [{"key": KEEP["key"], "operator": "Exists"}]
    body = pod("late", "pause", nodeSelector={"kubernetes.io/hostname": imaginary}, tolerations=tolerations)
    here.put(body)
    live = here.wait("Pod", "late", lambda found: condition(found, "PodScheduled").get("status") == "False")
    assert condition(live, "PodScheduled")["reason"] == "Unschedulable"
