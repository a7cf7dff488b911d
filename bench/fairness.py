"""What containers that compute leave to everybody else: the API server's answers beside endless loops, and how soon a
container that crashed runs again."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from statistics import median, quantiles
from time import perf_counter, sleep
from typing import Any
from urllib.parse import urlsplit

from bench.cases import NAMESPACE, Figure, cluster, credentials
from kindlab import workspace
from kindlab.api import Api
from kindlab.clusters.base import Status

LOOP = "while true; do :; done"
_ROUNDS = 400
_PAUSE = 0.005
"""Seconds between two requests: people do not ask without end."""


def no_loop() -> Iterator[Figure]:
    """For comparison."""
    yield from _beside(0)


def one_loop() -> Iterator[Figure]:
    """Answers beside one container that runs `while true; do :; done`."""
    yield from _beside(1)


def ten_loops() -> Iterator[Figure]:
    """The same with ten of them, on two nodes."""
    yield from _beside(10)


def _beside(count: int) -> Iterator[Figure]:
    with cluster() as (status, _):
        api = status.api()
        workspace.make_namespace(api, NAMESPACE)
        for number in range(count):
            api.create(_pod(f"loop-{number}", LOOP), NAMESPACE)
        _until_running(api, count)
        for what, took in _timed(status).items():
            worst = quantiles(took, n=100)[98] * 1000
            yield Figure(f"API: {what} beside {count} endless loop{'s' * (count != 1)}, p99", worst, "ms", "< 50", 1)


def _timed(status: Status) -> dict[str, list[float]]:
    """Seconds that requests of each kind took, over one kept connection."""
    server, ca, token = credentials(status)
    url = urlsplit(server)
    connection = http.client.HTTPSConnection(
        url.hostname or "", url.port, context=ssl.create_default_context(cafile=str(ca))
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    took: dict[str, list[float]] = {"create": [], "get": [], "list of 20": []}

    def ask(what: str, method: str, target: str, body: bytes | None, expected: int) -> None:
        sleep(_PAUSE)
        began = perf_counter()
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        answer.read()
        took[what].append(perf_counter() - began)
        assert answer.status == expected, (answer.status, target)

    for number in range(_ROUNDS):
        body = json.dumps({"metadata": {"name": f"c{number}"}, "data": {"k": "v"}}).encode()
        ask("create", "POST", path, body, 201)
        ask("get", "GET", f"{path}/c{number}", None, 200)
        ask("list of 20", "GET", f"{path}?limit=20", None, 200)
    connection.close()
    return took


def restart() -> Iterator[Figure]:
    """A container that exits: from when the API says so to when it says that the next instance runs."""
    with cluster() as (status, _):
        api = status.api()
        workspace.make_namespace(api, NAMESPACE)
        took = []
        for number in range(9):
            name = f"crash-{number}"
            api.create(_pod(name, "[ -f /data/seen ] && sleep 1000; touch /data/seen; sleep 1; exit 1"), NAMESPACE)
            took.append(_restarted(api, name) * 1000)
        yield Figure("container exited to next instance running, median", median(took), "ms", "<= 100", 1)
        yield Figure("container exited to next instance running, worst of 9", max(took), "ms", "<= 100", 1)


def _restarted(api: Api, name: str) -> float:
    exited = 0.0
    for live in api.follow("Pod", NAMESPACE, timeout=60):
        found = (live.get(f"{NAMESPACE}/{name}", {}).get("status", {}).get("containerStatuses") or [{}])[0]
        if not exited and ("terminated" in found.get("state", {}) or found.get("restartCount")):
            exited = perf_counter()
        if found.get("restartCount") and "running" in found["state"]:
            return perf_counter() - exited
    raise TimeoutError(name)


def _pod(name: str, script: str) -> dict[str, Any]:
    container = {
        "name": "c",
        "image": "busybox:1.36",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _until_running(api: Api, count: int) -> None:
    for live in api.follow("Pod", NAMESPACE, timeout=60):
        if sum(pod.get("status", {}).get("phase") == "Running" for pod in live.values()) == count:
            return
    raise TimeoutError(f"{count} pods did not run within 60 s")


CASES: list[Callable[[], Iterator[Figure]]] = [no_loop, one_loop, ten_loops, restart]
