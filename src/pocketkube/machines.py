"""The machines under the nodes: each runs a kubelet and a kube-proxy's health server, and has a switch.

The switches are in a ConfigMap, `kube-system/pocketkube-machines`: `data: {"pocket-worker": "off"}` takes the power of
that node's machine (`docker stop kind-worker`, were it kind); any other value, or none, gives it back. It is not an
annotation of the Node, so that a Node deleted while its machine is off stays away. Without power a kubelet is cancelled
in the middle of what it does: its containers are gone and the API learns nothing of it, the node's and its pods'
addresses are silent, the lease is not renewed; what was written to disks stays. With power again the node boots: its
kubelet registers, and starts the containers of the pods that are still bound to it anew.

The machine that runs the API server has no switch: nobody could turn it on again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.kubelet.kubelet import Kubelet
from pocketkube.kubelet.runtime import Runtime
from pocketkube.network.fabric import Fabric
from pocketkube.objects import Obj
from pocketkube.store import DELETED, Event

log = logging.getLogger(__name__)

SWITCHES = ("kube-system", "pocketkube-machines")
OFF = "off"

Boot = Callable[[], Kubelet]
Parts = Callable[[], Iterable[Coroutine[None, None, None]]]


class Machine:
    """`boot` makes the kubelet of a machine that gets power, `parts` what else runs there. `run` is its task."""

    def __init__(self, name: str, boot: Boot, parts: Parts, *, fabric: Fabric, runtime: Runtime, on: bool) -> None:
        self.name = name
        self._boot, self._parts = boot, parts
        self._fabric, self._runtime = fabric, runtime
        self.on = on
        """Where its switch stands."""
        self._cut = asyncio.Event()
        """The power went off since it came on, however shortly."""
        self._turned_on = asyncio.Event()
        self._kubelet = self._start() if on else None

    def _start(self) -> Kubelet:
        kubelet = self._boot()
        self._runtime.join(kubelet)
        return kubelet

    def switch(self, on: bool) -> None:
        if on == self.on:
            return
        self.on = on
        log.info("the machine of node %s is switched %s", self.name, "on" if on else "off")
        if on:
            self._turned_on.set()
        else:
            self._turned_on.clear()
            self._cut.set()

    async def run(self) -> None:
        """Until cancelled. Raises what one of its parts died of."""
        while True:
            if self._kubelet is None:
                await self._turned_on.wait()
                self._kubelet = self._start()
            self._cut.clear()
            if not self.on:
                self._cut.set()
            await self._serve(self._kubelet)
            self._kubelet = None

    async def _serve(self, kubelet: Kubelet) -> None:
        """Until the power is cut."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in (kubelet.run(), *self._parts())]
            await self._cut.wait()
            self._runtime.leave(self.name)
            self._fabric.unplug(self.name)
            for task in tasks:
                task.cancel()


class Machines:
    """All machines of a cluster, and who listens to their switches; the first is the API server's."""

    def __init__(self, client: Client, fabric: Fabric, runtime: Runtime) -> None:
        self._client = client
        self._fabric, self._runtime = fabric, runtime
        self._machines: dict[str, Machine] = {}
        self._first = ""

    def add(self, name: str, boot: Boot, parts: Parts) -> None:
        """One that gets power now, if its switch says so."""
        self._first = self._first or name
        on = name == self._first or not self._is_off(name)
        self._machines[name] = Machine(name, boot, parts, fabric=self._fabric, runtime=self._runtime, on=on)

    def running(self) -> set[str]:
        """The names of the nodes whose machines are on."""
        return {name for name, machine in self._machines.items() if machine.on}

    async def run(self) -> None:
        stop = self._client.subscribe("configmaps", self._changed)
        try:
            async with asyncio.TaskGroup() as group:
                for machine in self._machines.values():
                    group.create_task(machine.run(), name=f"machine of {machine.name}")
                self._follow(self._client.find("configmaps", *SWITCHES))
        finally:
            stop()

    def _is_off(self, name: str) -> bool:
        return _says_off(self._client.find("configmaps", *SWITCHES), name)

    def _changed(self, event: Event) -> None:
        if objects.key(event.object) == SWITCHES:
            self._follow(None if event.type == DELETED else event.object)

    def _follow(self, switches: Obj | None) -> None:
        for name, machine in self._machines.items():
            if name != self._first:
                machine.switch(not _says_off(switches, name))
            elif _says_off(switches, name):
                log.warning("the machine of node %s stays on: the API server runs there", name)


def _says_off(switches: Obj | None, name: str) -> bool:
    value = ((switches or {}).get("data") or {}).get(name, "")
    return bool(value.strip().lower() == OFF)
