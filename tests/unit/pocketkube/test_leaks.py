"""Pods that come and go leave nothing behind: no task, file descriptor, address, folder or live object."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.cluster import Cluster, Config
from pocketkube.ipam import PodAddresses
from pocketkube.kubelet.container import Container
from pocketkube.kubelet.pod_worker import PodWorker
from pocketkube.kubelet.probes import Prober
from pocketkube.kubelet.process import Process
from pocketkube.kubelet.sandbox import Sandbox
from pocketkube.network.host import Host
from pocketkube.network.stream import Stream

WAVES, PODS = 2, 100
COUNTED = (Container, Host, PodWorker, Prober, Process, Sandbox, Stream)
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


def held(folder: Path) -> Counter[str]:
    """What the process holds now, by what it is."""
    gc.collect()
    found = Counter({"tasks": len(asyncio.all_tasks())})
    for obj in gc.get_objects():
        if isinstance(obj, COUNTED):
            found[type(obj).__name__] += 1
        elif isinstance(obj, PodAddresses):
            found["addresses"] += len(obj)
    descriptors = Path("/proc/self/fd")
    if descriptors.is_dir():
        found["descriptors"] = len(os.listdir(descriptors))
    found["folders"] = sum(1 for _ in folder.glob("nodes/*/pods/*"))
    return found


async def settled(folder: Path, most: Counter[str]) -> Counter[str]:
    """What is held once nothing more than `most` is, or after some turns of the loop: what ends, ends in a few."""
    for _ in range(20):
        await asyncio.sleep(0)
        if not held(folder) - most:
            break
    return held(folder)


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
