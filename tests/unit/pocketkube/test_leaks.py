"""Pods that come and go leave nothing behind: no task, file descriptor, address, folder or live object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.leaks import held, settled

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.cluster import Cluster, Config

WAVES, PODS = 2, 100
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(Config(tmp_path, host_ports=False)) as cluster:
        yield cluster


def pod(name: str) -> objects.Obj:
    container = {
        "name": "web",
        "image": IMAGE,
        "args": ["netexec"],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
            "terminationGracePeriodSeconds": 1,
        },
    }


async def until(client: Client, holds: Callable[[], bool]) -> None:
    """Wait for a state of the pods."""
    changed = asyncio.Event()
    stop = client.subscribe("pods", lambda event: changed.set())
    try:
        async with asyncio.timeout(60):
            while not holds():
                changed.clear()
                await changed.wait()
    finally:
        stop()


async def wave(client: Client) -> None:
    """A hundred pods come, are ready, and go."""
    names = [f"web-{n}" for n in range(PODS)]
    for name in names:
        client.create("pods", pod(name))
    await until(client, lambda: all(objects.condition_status(p, "Ready") == "True" for p in client.list("pods")))
    for name in names:
        client.delete("pods", ("default", name))
    await until(client, lambda: not client.list("pods", "default"))


async def test_three_hundred_pods_leave_nothing_behind(cluster: Cluster, tmp_path: Path) -> None:
    client = Client(cluster.registry, "test")
    # CoreDNS runs before anything is counted, and one wave has loaded what is loaded once
    await until(client, lambda: bool(client.list("pods")))
    await wave(client)
    for _ in range(20):
        await asyncio.sleep(0)
    before = held(tmp_path)
    for _ in range(WAVES):
        await wave(client)
    after = await settled(tmp_path, before)
    assert before["PodWorker"] > 0  # CoreDNS: the counting sees what there is
    assert not after - before, f"left behind: {after - before}"
