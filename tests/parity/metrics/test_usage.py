"""metrics.k8s.io: when there are numbers, whose, and what they are."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.parity.network.support import BUSYBOX, START, Place, pod

from kindlab.api import ApiError, Obj

METRICS = "/apis/metrics.k8s.io/v1beta1"
MEASURED = 120.0
"""Seconds within which there are numbers of a new Pod: two looks of metrics-server, which may be a minute apart."""
BUSY, IDLE = "trap 'exit 0' TERM; while :; do :; done", "trap 'exit 0' TERM; sleep 100000 & wait"


@pytest.fixture(autouse=True)
def _there(here: Place) -> None:
    if here.api.get("APIService", "v1beta1.metrics.k8s.io") is None:
        pytest.skip("this cluster has no metrics API: no APIService v1beta1.metrics.k8s.io")
    here.wait("APIService", "v1beta1.metrics.k8s.io", available, timeout=START)


def available(live: Obj) -> bool:
    found = live.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Available" and one["status"] == "True" for one in found)


def user(name: str, script: str, **labels: str) -> Obj:
    made = pod(name, image=BUSYBOX, labels=labels)
    limits = {"cpu": "200m", "memory": "64Mi"}
    made["spec"]["containers"] = [
        {"name": "c", "image": BUSYBOX, "command": ["sh", "-c", script], "resources": {"limits": limits}}
    ]
    made["spec"]["terminationGracePeriodSeconds"] = 1
    return made


def usage(here: Place, name: str, least: float = 0.0) -> Obj:
    """PodMetrics, once there are some and the CPU is at least so many cores."""
    deadline = time.monotonic() + MEASURED
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = here.request("GET", f"{METRICS}/namespaces/{here.namespace}/pods/{name}")
            if cores(last) >= least:
                return dict(last)
        except ApiError as error:
            if error.code != 404:
                raise
            last = error
        time.sleep(0.2)  # metrics cannot be watched
    raise AssertionError(f"there are no such metrics of {name} within {MEASURED:.0f} s: {last}")


def cores(found: Obj) -> float:
    from kubernetes.utils.quantity import parse_quantity

    return float(sum(parse_quantity(one["usage"]["cpu"]) for one in found["containers"]))


def test_what_a_container_uses_shows_up_to_its_limit(here: Place) -> None:
    here.start(user("busy", BUSY, app="m", n="1"), user("idle", IDLE, app="m", n="2"))
    busy = usage(here, "busy", 0.1)
    assert cores(busy) <= 0.3, "it is kept to 0.2 cores"
    assert busy["kind"] == "PodMetrics"
    assert busy["metadata"]["labels"].items() >= {"app": "m", "n": "1"}.items()
    assert busy["window"]
    assert cores(usage(here, "idle")) < 0.05
    path = f"{METRICS}/namespaces/{here.namespace}/pods"
    listed = here.request("GET", path)
    assert [one["metadata"]["name"] for one in listed["items"]] == ["busy", "idle"]
    chosen = here.request("GET", path, query={"labelSelector": "n=2"})
    assert [one["metadata"]["name"] for one in chosen["items"]] == ["idle"]


def test_there_are_no_numbers_of_pods_that_do_not_run(here: Place) -> None:
    here.put(user("done", "true") | {"spec": user("done", "true")["spec"] | {"restartPolicy": "Never"}})
    here.wait("Pod", "done", lambda live: live["status"].get("phase") == "Succeeded", timeout=START)
    for name in "done", "nobody":
        with pytest.raises(ApiError, match=f'pods "{name}" not found'):
            here.request("GET", f"{METRICS}/namespaces/{here.namespace}/pods/{name}")
    with pytest.raises(ApiError, match="the server does not allow this method on the requested resource"):
        here.request("DELETE", f"{METRICS}/namespaces/{here.namespace}/pods/done")


def test_every_node_is_measured(here: Place) -> None:
    nodes = {node["metadata"]["name"]: node["metadata"]["labels"] for node in here.api.list("Node")}
    deadline = time.monotonic() + MEASURED
    found: dict[str, Obj] = {}
    while found.keys() != nodes.keys() and time.monotonic() < deadline:
        items = here.request("GET", f"{METRICS}/nodes")["items"]
        found = {one["metadata"]["name"]: one for one in items}
        time.sleep(0.2)
    assert found.keys() == nodes.keys()
    for name, one in found.items():
        assert one["metadata"]["labels"] == nodes[name]
        assert one["usage"]["memory"]
