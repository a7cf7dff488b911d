"""Cgroups: what a pod and each of its containers have of processes, processor and memory, and what they may have.

Models pids.max (podPidsLimit), memory.max with memory.oom.group = 1, which the kubelet sets unless singleProcessOOMKill
asks for something else: a container that wants more memory than limits.memory loses all its processes, and where all
containers of a pod want more than the pod may have, the worst one does: what it has, and its oom_score_adj in
thousandths of what the pod may have. What is counted is what the image says its program needs (`Image.memory`), a
little for each further process, and what programs hold of what they read. Left out: the page cache, swap, memory
requests as protection, a quota of processor time of the pod as a whole.
"""

from __future__ import annotations

import asyncio
import errno
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from pocketkube import quantity
from pocketkube.kubelet.processor import Account
from pocketkube.objects import Obj

POD_PIDS = 512
"""Processes of a pod. The kubelet's own default is no limit; hosted clusters set about this, or a few times that."""
POD_MEMORY = 192 << 20
"""Bytes that the programs of a pod hold together of what they read: the simulator's own limit."""
PROCESS_MEMORY = 192 << 10
"""Bytes that a process takes beside the container's first one, nominal: a small program's own pages."""


_LEAST_QUOTA = 10
"""Thousandths of a core: the kernel takes no quota below 1 ms in a period of 100 ms."""


@dataclass(frozen=True)
class Limits:
    """What a container's `resources` come to. `cpu`: cores; `weight`: thousandths of one asked for; `memory`: bytes."""

    cpu: float = math.inf
    weight: int = 2
    memory: int | None = None


def limits_of(resources: Obj, whole: Obj | None = None) -> Limits:
    """Of spec.containers[].resources; `whole`: of spec.resources, which limits what has no limit of its own.

    A limit of 0 is none; what is limited and not asked for is asked for.
    """
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    of_pod = (whole or {}).get("limits") or {}
    cpu = quantity.milli(limits.get("cpu", 0)) or quantity.milli(of_pod.get("cpu", 0))
    asked = quantity.milli(requests["cpu"]) if "cpu" in requests else cpu
    memory = quantity.value(limits.get("memory", 0)) or quantity.value(of_pod.get("memory", 0))
    return Limits(max(cpu, _LEAST_QUOTA) / 1000 if cpu else math.inf, max(2, asked), memory or None)


class Killed(asyncio.CancelledError):
    """The container is over its limit and its processes have been killed, the one that asked for more too."""


class PodCgroup:
    """All containers and exec sessions of a pod together. `limit`: bytes of memory, None for no limit."""

    def __init__(self) -> None:
        self.pids = 0
        self.limit: int | None = None
        self.running: dict[Cgroup, None] = {}
        """Those of its containers that have processes."""
        self._held = 0

    @property
    def memory(self) -> int:
        """The working set, bytes."""
        return sum(cgroup.memory for cgroup in self.running)

    def check(self, asking: Cgroup) -> None:
        """Kill the worst if the limit is passed. Raises Killed when it is the one that asks for more."""
        limit = self.limit
        if limit is None or self.memory <= limit:
            return
        worst = max(self.running, key=lambda cgroup: cgroup.memory + limit * cgroup.oom_score_adj // 1000)
        if worst is asking:
            asking.oom()
        with suppress(Killed):
            worst.oom()

    def fork(self) -> None:
        """One process more. Raises BlockingIOError, as fork does with EAGAIN."""
        if self.pids >= POD_PIDS:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self.pids += 1

    def exit(self) -> None:
        self.pids -= 1

    def hold(self, size: int) -> None:
        """So many bytes more. Raises MemoryError when that is too much, and nothing is held."""
        if self._held + size > POD_MEMORY:
            raise MemoryError
        self._held += size

    def free(self, size: int) -> None:
        self._held -= size


class Cgroup:
    """One container instance. `limit`: bytes, None for no limit. `kill` is called when it has run out of memory."""

    def __init__(
        self,
        cpu: Account,
        pod: PodCgroup | None = None,
        *,
        limit: int | None = None,
        base: int = 0,
        oom_score_adj: int = 0,
        kill: Callable[[], None] = lambda: None,
    ) -> None:
        self.pod = pod or PodCgroup()
        self.cpu = cpu
        self.limit = limit
        self.kill = kill
        self.oom_score_adj = oom_score_adj
        self.pids = 0
        self.peak = 0
        self.oom_kills = 0
        self.base = base
        self._held = 0

    @property
    def memory(self) -> int:
        """The working set, bytes."""
        if not self.pids:
            return 0
        return self.base + (self.pids - 1) * PROCESS_MEMORY + self._held

    def fork(self) -> None:
        """One process more. Raises BlockingIOError."""
        self.pod.fork()
        self.pids += 1
        self.pod.running[self] = None

    def exit(self) -> None:
        self.pod.exit()
        self.pids -= 1
        if not self.pids:
            self.pod.running.pop(self, None)

    def grow(self, size: int) -> None:
        """So many bytes more, or fewer. Raises Killed."""
        self._held += size
        try:
            if size > 0:
                self.check()
        except Killed:
            self._held -= size
            raise

    def check(self) -> None:
        """Kill everything if the limit is passed. Raises Killed."""
        memory = self.memory
        if self.limit is not None and memory > self.limit:
            self.oom()
        self.pod.check(self)
        self.peak = max(self.peak, memory)

    def oom(self) -> NoReturn:
        """It is out of memory. Raises Killed."""
        self.peak = max(self.peak, self.memory) if self.limit is None else self.limit
        self.oom_kills += self.pids
        self.kill()
        raise Killed


class Memory:
    """What one process holds, until it lets go or ends."""

    __slots__ = ("_cgroup", "_claimed", "_held")

    def __init__(self, cgroup: Cgroup) -> None:
        self._cgroup = cgroup
        self._held = 0
        self._claimed = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self._held + self._claimed

    def hold(self, size: int) -> None:
        """So many bytes more. Raises Killed when that is too much for the container; MemoryError when it is for the
        simulator, which holds them too."""
        self._cgroup.pod.hold(size)
        try:
            self._cgroup.grow(size)
        except Killed:
            self._cgroup.pod.free(size)
            raise
        self._held += size

    def claim(self, size: int) -> None:
        """As `hold`, for memory that is only said to be used. Raises Killed."""
        self._cgroup.grow(size)
        self._claimed += size

    def exhaust(self) -> None:
        """It wants more than the simulator has. A limit is taken to be passed by that. Raises Killed."""
        if self._cgroup.limit is not None:
            self._cgroup.oom()

    def let_go(self) -> None:
        """Hold nothing any more."""
        self._cgroup.pod.free(self._held)
        self._cgroup.grow(-self.size)
        self._held = self._claimed = 0
