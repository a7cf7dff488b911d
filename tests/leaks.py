"""What a cluster in this process holds: tasks, file descriptors, addresses, folders and live objects, counted."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from pathlib import Path

from pocketkube.ipam import PodAddresses
from pocketkube.kubelet.container import Container
from pocketkube.kubelet.pod_worker import PodWorker
from pocketkube.kubelet.probes import Prober
from pocketkube.kubelet.process import Process
from pocketkube.kubelet.sandbox import Sandbox
from pocketkube.network.host import Host
from pocketkube.network.stream import Stream

COUNTED = (Container, Host, PodWorker, Prober, Process, Sandbox, Stream)


def held(folder: Path) -> Counter[str]:
    """What the process holds now, by what it is. `folder`: the state folder of the cluster."""
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
