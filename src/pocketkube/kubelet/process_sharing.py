"""Which processes a container sees: its own, its pod's, those of the container it debugs, or those on the node.

Models the namespace modes of the runtime (POD, TARGET, NODE; kuberuntime/util). In a pod with shareProcessNamespace
process 1 is the sandbox's `/pause`. Left out: a node's own daemons, and with hostPID the processes of pods without it.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from typing import TYPE_CHECKING

from pocketkube import objects
from pocketkube.kubelet.filesystem import FileSystem, MemoryTree
from pocketkube.kubelet.pid_namespace import PidNamespace, ProcessTable
from pocketkube.kubelet.process import Process
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.kubelet.kubelet import Kubelet
    from pocketkube.kubelet.slot import Slot

NOBODY = 65535
"""The user of registry.k8s.io/pause."""


class TargetError(Exception):
    """There is nothing to debug: `reason` is why the container waits, the text the kubelet's or containerd's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def _forever(process: Process) -> int:
    await asyncio.Event().wait()
    return 0


class FirstProcess:
    """Process 1 of a table that containers join; made when the first one does."""

    def __init__(self, kubelet: Kubelet, program: str, uid: int) -> None:
        self._kubelet = kubelet
        self._program = program
        self._uid = uid
        self._process: Process | None = None

    @property
    def table(self) -> ProcessTable:
        if self._process is None:
            now, clock = self._kubelet.clock.time, self._kubelet.clock
            files = FileSystem(MemoryTree(now=now), now=now)
            namespace = PidNamespace(fs=files, net=self._kubelet.net, commands={}, clock=clock, cpu=self._kubelet.cpu)
            self._process = namespace.spawn(_forever, [self._program], env={}, uid=self._uid, gid=self._uid)
        return self._process.namespace.table

    def drop(self) -> None:
        """End it, and with it all that joined."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)
            self._process = None


class ProcessSharing:
    """The processes of one pod."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet
        self._pause = FirstProcess(kubelet, "/pause", NOBODY)

    def table(self, pod: Obj, slot: Slot, slots: dict[str, Slot]) -> ProcessTable | None:
        """The one to join; None for one of its own. Raises TargetError."""
        if objects.spec(pod).get("hostPID"):
            return self._kubelet.host_processes.table
        if objects.spec(pod).get("shareProcessNamespace"):
            return self._pause.table
        wanted = slot.spec.get("targetContainerName")
        if not wanted:
            return None
        target = slots[wanted].current if wanted in slots else None
        if target is None:
            raise TargetError("CreateContainerConfigError", f"unable to find target container {wanted}")
        if not target.running:
            bare = target.id.partition("://")[2]
            why = f"container {bare} is not running - in state CONTAINER_EXITED"
            new = secrets.token_hex(32)
            text = (
                f'failed to generate container "{new}" spec: failed to generate spec: invalid target container: {why}'
            )
            raise TargetError("CreateContainerError", text)
        return target.namespace.table

    def drop(self) -> None:
        """The sandbox ends, and process 1 with it."""
        self._pause.drop()
