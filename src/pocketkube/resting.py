"""A cluster that has settled and then rests, in the middle of its life, for forks of its process to go on with.

Nearly all that a cluster does until its add-ons run is the same for each: a fork has it for nothing. It wakes as after
the lid of a laptop was closed, which clusters are used to: timers that were due fire, leases are renewed before anybody
misses them. What differs is its own: a copy of the state folder, where it listens, what it draws by chance. What does
not, like the keys of its certificates, is all forks': they are as far apart as their processes.

A fork copies one thread, memory and descriptors, which is why the resting one has no thread, no socket and no file
open, and lives in a loop of pure Python (the kernel's part of an epoll loop would be shared).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import random
import selectors
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pocketkube.__main__ import alone, asked_to_end, config_of, live
from pocketkube.kubelet.filesystem.host import HostTree

if TYPE_CHECKING:
    from pocketkube.cluster import Cluster

SETTLED: Final = 5.0
"""Seconds that the add-ons get to run."""
HERE: Final = Path()
"""The state folder of every fork: it is where the process is."""


class _Loop(asyncio.SelectorEventLoop):
    """A loop that a fork can go on with."""

    def __init__(self) -> None:
        super().__init__(selectors.PollSelector())
        self.helpers = ThreadPoolExecutor()
        self.set_default_executor(self.helpers)

    def renew(self) -> None:
        """In the fork: have what must not be shared anew. asyncio has no public way to replace the sockets by which
        threads and signals wake a loop."""
        self._close_self_pipe()  # type: ignore[attr-defined]
        self._make_self_pipe()  # type: ignore[attr-defined]
        self.set_default_executor(ThreadPoolExecutor())


class Resting:
    """Made, it has settled; `folder` is what it keeps its state in, and the process is there from then on. Raises what
    a cluster dies of, and RuntimeError where a fork would share what it must not."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        folder.mkdir(mode=0o700)
        os.chdir(folder)
        self._loop = _Loop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._cluster = self._runner.run(self._settle())
        self._loop.helpers.shutdown()
        self._refuse_shared()
        gc.collect()
        gc.freeze()

    async def _settle(self) -> Cluster:
        from pocketkube.cluster import Cluster

        cluster = Cluster(config_of(self._options, HERE), lambda step: None, serves=False)
        await cluster.__aenter__()
        settled = asyncio.Event()

        def look(_: object = None) -> None:
            if all(map(_is_available, cluster.registry.objects("deployments"))):
                settled.set()

        stop = cluster.registry.subscribe("deployments", look)
        look()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(settled.wait(), SETTLED)
        stop()
        return cluster

    def _refuse_shared(self) -> None:
        if (threads := len(os.listdir("/proc/self/task"))) != 1:
            raise RuntimeError(f"{threads} threads live here: a fork would copy one of them")
        if (heard := len(self._loop._selector.get_map())) != 1:  # type: ignore[attr-defined]
            raise RuntimeError(f"the loop listens to {heard - 1} sockets: forks would share them")
        for descriptor in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):  # the one that the list was read by
                held = os.readlink(f"/proc/self/fd/{descriptor}")
                if held.startswith(f"{self._folder}/"):
                    raise RuntimeError(f"{held} is open: forks would share it")

    def wake(self, state: Path) -> int:
        """In a fork: be a cluster of its own, which keeps its state in that folder; returns its exit code."""
        logging.getLogger().setLevel(logging.INFO)
        options = argparse.Namespace(**{**vars(self._options), "state": state})
        return alone(options, lambda: self._live(state))

    def _live(self, state: Path) -> None:
        random.seed()
        self._loop.renew()
        _copy(self._folder, state)
        os.chdir(state)
        self._runner.run(self._serve(state))

    async def _serve(self, state: Path) -> None:
        end = asked_to_end()
        try:
            await self._cluster.serve()
            await live(self._cluster, state, end)
        finally:
            await self._cluster.__aexit__(None, None, None)


def _copy(folder: Path, to: Path) -> None:
    """With the owners that a host without extended attributes only remembers, by the numbers of its files."""
    shutil.copytree(folder, to, symlinks=True, dirs_exist_ok=True)
    numbers: dict[int, int] = {}
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            old = Path(above, name)
            numbers[os.lstat(old).st_ino] = os.lstat(to / old.relative_to(folder)).st_ino
    HostTree.renumber(numbers)


def _is_available(deployment: dict[str, Any]) -> bool:
    available = deployment.get("status", {}).get("availableReplicas", 0)
    return bool(available >= deployment["spec"].get("replicas", 1))
