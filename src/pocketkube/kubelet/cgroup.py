"""Cgroups: what a pod and each of its containers have of processes, processor and memory, and what they may have.

Models pids.max (podPidsLimit), memory.max with memory.oom.group = 1, which the kubelet sets unless singleProcessOOMKill
asks for something else: a container that wants more memory than limits.memory loses all its processes. What is counted
is what the image says its program needs (`Image.memory`), a little for each further process, and what programs hold of
what they read. Left out: the page cache, swap, memory requests as protection, limits of the pod as a whole.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from dataclasses import dataclass

from pocketkube import quantity
from pocketkube.kubelet.processor import Account, Processor
from pocketkube.objects import Obj

POD_PIDS = 512
"""Processes of a pod. The kubelet's own default is no limit; hosted clusters set about this, or a few times that."""
POD_MEMORY = 192 << 20
"""Bytes that the programs of a pod hold together of what they read: the simulator's own limit."""
PROCESS_MEMORY = 192 << 10
"""Bytes that a process takes beside the container's first one, nominal: a small program's own pages."""


@dataclass(frozen=True)
class Limits:
    """What a container's `resources` come to. `cpu`: cores; `weight`: thousandths of one asked for; `memory`: bytes."""

    cpu: float = math.inf
    weight: int = 2
    memory: int | None = None


def limits_of(resources: Obj) -> Limits:
    """Of spec.containers[].resources. A limit of 0 is none; what is limited and not asked for is asked for."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    cpu = quantity.milli(limits.get("cpu", 0))
    asked = quantity.milli(requests.get("cpu", limits.get("cpu", 0)))
    memory = quantity.value(limits.get("memory", 0))
    return Limits(cpu / 1000 or math.inf, max(2, asked), memory or None)


class OutOfMemory(MemoryError):
    """The container is over its limit; its processes have been killed."""


class PodCgroup:
    """All containers and exec sessions of a pod together."""

    def __init__(self) -> None:
        self.pids = 0
        self._held = 0

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
        pod: PodCgroup | None = None,
        cpu: Account | None = None,
        *,
        limit: int | None = None,
        base: int = 0,
        kill: Callable[[], None] = lambda: None,
    ) -> None:
        self.pod = pod or PodCgroup()
        self.cpu = cpu or Account(Processor(1))
        self.limit = limit
        self.kill = kill
        self.pids = 0
        self.peak = 0
        self.oom_kills = 0
        self._base = base
        self._held = 0

    @property
    def memory(self) -> int:
        """The working set, bytes."""
        if not self.pids:
            return 0
        return self._base + (self.pids - 1) * PROCESS_MEMORY + self._held

    def fork(self) -> None:
        """One process more. Raises BlockingIOError."""
        self.pod.fork()
        self.pids += 1
        self._check()

    def exit(self) -> None:
        self.pod.exit()
        self.pids -= 1

    def hold(self, size: int) -> None:
        """So many bytes more, of memory that the simulator holds too. Raises MemoryError when that is too much for it,
        and nothing is held; OutOfMemory when it is for the container's limit."""
        self.pod.hold(size)
        try:
            self.claim(size)
        except OutOfMemory:
            self.pod.free(size)
            raise

    def free(self, size: int) -> None:
        self.pod.free(size)
        self.unclaim(size)

    def claim(self, size: int) -> None:
        """As `hold`, for memory that is only said to be used. Raises OutOfMemory."""
        self._held += size
        if self._check():
            self._held -= size
            raise OutOfMemory

    def unclaim(self, size: int) -> None:
        self._held -= size

    def _check(self) -> bool:
        """Kill everything when the limit is passed: whether it is."""
        over = self.limit is not None and self.memory > self.limit
        self.peak = max(self.peak, min(self.memory, self.limit) if self.limit is not None else self.memory)
        if over:
            self.oom_kills += 1
            self.kill()
        return over
