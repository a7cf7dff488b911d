"""What a kubelet keeps of one pod, shared by the parts of its worker: the pod, its sandbox, volumes and containers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pocketkube import objects
from pocketkube.kubelet.environment import sources
from pocketkube.kubelet.lifecycle import Hooks
from pocketkube.kubelet.pod_volumes import PodVolumes
from pocketkube.kubelet.process_sharing import ProcessSharing
from pocketkube.kubelet.sandbox import Sandbox
from pocketkube.kubelet.slot import Slot, limits_and_requests, slots_of
from pocketkube.kubelet.stopping import grace_of, stop, stop_all
from pocketkube.objects import Key, Obj

if TYPE_CHECKING:
    from pocketkube.kubelet.kubelet import Kubelet

LOGS = "logs"
_FIELDS = {
    "main": "containers",
    "init": "initContainers",
    "sidecar": "initContainers",
    "ephemeral": "ephemeralContainers",
}


class PodState:
    """`wake` is set when there is something to look at."""

    def __init__(self, kubelet: Kubelet, pod: Obj) -> None:
        self.kubelet = kubelet
        self.client = kubelet.client
        self.clock = kubelet.client.clock
        self.pod = pod
        self.uid = objects.uid(pod)
        self.logs = kubelet.state_dir / LOGS / self.uid
        """The folder of its containers' logs."""
        self.wake = asyncio.Event()
        self.sandbox = Sandbox(kubelet)
        self.volumes = PodVolumes(kubelet, self.uid, self.addresses, self.wake.set)
        self.sharing = ProcessSharing(kubelet)
        self.slots: dict[str, Slot] = slots_of(pod, self.clock.now())
        self.start_time = objects.status(pod).get("startTime") or self.clock.now()
        self.admitted = bool(objects.status(pod).get("startTime"))
        """The node takes it (before a restart of the node: took it)."""
        self.failure: tuple[str, str] | None = None
        """(reason, message) of a pod the kubelet ended itself."""
        self.allocated: Obj = limits_and_requests(objects.spec(pod).get("resources"))
        """The resources the node has set aside for the pod as a whole."""
        self.actuated: Obj | None = None
        """Those it has been given; None before its first container starts."""
        self.resizing: dict[str, Obj] = {}
        """The conditions that tell of a resize, by type."""
        self.stopped = False
        """All containers have been stopped, and none will start again."""
        self.finished = False
        """Nothing of it runs or can run: the phase is final."""

    @property
    def key(self) -> Key:
        return objects.key(self.pod)

    def addresses(self) -> Mapping[str, str]:
        """What fieldRefs to status see."""
        pod, node = self.sandbox.ips, self.kubelet.node_ips
        return {
            "podIP": next(iter(pod), ""),
            "podIPs": ",".join(pod),
            "hostIP": node[0],
            "hostIPs": ",".join(node),
        }

    def depends_on(self) -> Iterator[tuple[str, Key]]:
        """(resource, key) of the objects this pod shows, is configured by, or whose volumes wait for."""
        space = objects.namespace(self.pod)
        yield from (found for found in self.volumes.depends_on() if found[0] != "pods")
        for slot in self.slots.values():
            yield from ((resource, (space, name)) for resource, name in sources(slot.spec))

    def allocated_spec(self) -> Obj:
        """Its spec with the resources that are allocated, which may not be those it wants."""
        return self._spec_with(self.allocated, {name: slot.allocated for name, slot in self.slots.items()})

    def actuated_spec(self) -> Obj:
        """Its spec with the resources that it has."""
        whole = self.allocated if self.actuated is None else self.actuated
        return self._spec_with(whole, {name: slot.actuated for name, slot in self.slots.items()})

    def _spec_with(self, whole: Obj, resources: Mapping[str, Obj]) -> Obj:
        spec = {**objects.spec(self.pod)}
        if spec.get("resources") is not None:
            spec["resources"] = whole
        for field in ("initContainers", "containers"):
            if spec.get(field):
                spec[field] = [{**container, "resources": resources[container["name"]]} for container in spec[field]]
        return spec

    def record(self, slot: Slot, type_: str, reason: str, message: str) -> None:
        """An event about one container."""
        where = f"spec.{_FIELDS[slot.role]}{{{slot.name}}}"
        self.client.record(self.pod, type_, reason, message, field_path=where)

    @property
    def hooks(self) -> Hooks:
        return Hooks(self.kubelet.net, self.sandbox.ip or "", self._warn)

    def _warn(self, reason: str, message: str) -> None:
        self.client.record(self.pod, "Warning", reason, message)

    async def stop(self, slot: Slot, message: str, probe: str = "") -> None:
        """One container, in its own grace period."""
        await stop(slot, message, grace_of(self.pod, slot, probe), record=self.record, hooks=self.hooks)

    async def stop_all(self, grace: float) -> None:
        """Every container, within `grace` seconds."""
        await stop_all(self.slots.values(), grace, record=self.record, hooks=self.hooks)

    def drop_sandbox(self) -> None:
        """Process 1, address, network."""
        self.sharing.drop()
        self.sandbox.drop()

    def kill(self) -> None:
        for slot in self.slots.values():
            if slot.current is not None:
                slot.current.kill()
