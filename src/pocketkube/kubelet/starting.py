"""Starting one container: image, configuration, files, process, hook, probes, with the events of each step.

Models startContainer of pkg/kubelet/kuberuntime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from pocketkube import objects, quantity
from pocketkube.kubelet import assembly, oom, verdicts
from pocketkube.kubelet.cgroup import limits_of
from pocketkube.kubelet.container import Container, StartError
from pocketkube.kubelet.environment import ConfigError, Environment, most_of
from pocketkube.kubelet.pod_state import PodState
from pocketkube.kubelet.probes import Prober
from pocketkube.kubelet.process_sharing import TargetError
from pocketkube.kubelet.pulling import Puller, PullError
from pocketkube.kubelet.slot import Slot
from pocketkube.kubelet.status import should_restart
from pocketkube.kubelet.volumes.image import VOLUME as ImageVolume
from pocketkube.objects import Obj

RESYNC = 10.0
"""Seconds after which a kubelet looks again at what it could not do."""
SETTLE = 4


def wanted(slots: Mapping[str, Slot]) -> Iterator[Slot]:
    """The containers that should be running now, in order; looked at while earlier ones are being started."""
    initialized = any(slot.current is not None for slot in slots.values() if slot.role == "main")
    everyone = tuple(slots.values())
    yield from (slot for slot in everyone if slot.role == "ephemeral")
    for slot in everyone:
        if slot.role == "ephemeral":
            continue
        if slot.role == "sidecar":
            yield slot
            if not slot.started and not initialized:
                return
        elif slot.role == "init":
            if initialized or (slot.exit_code == 0 and slot.current is not None):
                continue
            yield slot
            return
        else:
            yield slot


def restarts(pod: Obj, slot: Slot, code: int) -> bool:
    """Whether a container that ended with that code is started again."""
    if slot.role == "ephemeral":
        return False
    if slot.role == "main":
        return should_restart(pod, slot.spec, code)
    if slot.role == "sidecar" or (slot.current is None and code == 0):
        return True  # a new sandbox after a restart of the node runs all init containers again
    return code != 0 and should_restart(pod, slot.spec, code)


class Starter:
    """For the containers of one pod."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._kubelet = state.kubelet
        self._puller = Puller(state.kubelet.catalogue, state.clock.time)

    async def start(self, pod: Obj, slot: Slot) -> float | None:
        """A new instance in `slot`, or what it waits for. Returns when to try again, if that has to wait."""

        def record(type_: str, reason: str, message: str) -> None:
            self._state.record(slot, type_, reason, message)

        try:
            self._pull_volumes(pod, slot)
            image = self._puller.pull(slot.spec["image"], slot.spec.get("imagePullPolicy", "IfNotPresent"), record)
        except PullError as error:
            record("Warning", "Failed", f"Error: {error.reason}")
            slot.waiting = (error.reason, error.message)
            slot.fresh = False
            return error.again
        spec = {**slot.spec, "resources": slot.allocated}
        try:
            config = assembly.configure(
                pod,
                spec,
                image,
                limits=limits_of(slot.allocated, self._state.allocated),
                oom_score_adj=self._oom_score_adjustment(pod, spec),
                hostname=self._state.sandbox.hostname,
                environment=self._environment(pod).of,
                services=self._kubelet.services,
                volumes=self._state.volumes.mounted,
            )
            files = assembly.files(
                slot.spec,
                config,
                volumes=self._state.volumes.mounted,
                kubelet_files=self._state.sandbox.files,
                now=self._kubelet.clock.time,
                keep_programs=self._kubelet.keep_programs,
            )
            table = self._state.sharing.table(pod, slot, self._state.slots)
        except ConfigError as error:
            record("Warning", "Failed", f"Error: {error}")
            slot.waiting = ("CreateContainerConfigError", str(error))
            return self._kubelet.clock.time() + RESYNC
        except TargetError as error:
            record("Warning", "Failed", f"Error: {error}")
            slot.waiting = (error.reason, str(error))
            return self._kubelet.clock.time() + RESYNC
        assert self._state.sandbox.net is not None
        container = Container(
            config,
            fs=files,
            net=self._state.sandbox.net.share(),
            clock=self._kubelet.clock,
            attempt=slot.restarts + 1,
            on_exit=self._state.wake.set,
            cpu=self._kubelet.cpu,
            cgroup=self._state.sandbox.cgroup,
            table=table,
            log_path=self._state.logs / slot.name / f"{slot.restarts + 1}.log",
        )
        slot.forget_probes()
        slot.take(container)
        record("Normal", "Created", "Container created")
        try:
            container.start()
        except StartError as error:
            record("Warning", "Failed", f"Error: {error}")
            if restarts(pod, slot, slot.exit_code or 0):
                slot.waiting = ("RunContainerError", str(error))
            return self._kubelet.clock.time()
        record("Normal", "Started", "Container started")
        slot.prober = Prober(
            slot.spec,
            container,
            node=self._kubelet.net,
            pod_ip=self._state.sandbox.ip or "",
            record=record,
            change=self._state.wake.set,
        )
        await self._post_start(pod, slot, container)
        for _ in range(SETTLE):  # a kubelet notices a start late enough for the program to have begun; so do we
            await asyncio.sleep(0)
        return None

    def _oom_score_adjustment(self, pod: Obj, container: Obj) -> int:
        memory = quantity.value(self._kubelet.node.capacity["memory"])
        return oom.score_adjustment(pod, self._state.allocated_spec(), container, memory)

    def _pull_volumes(self, pod: Obj, slot: Slot) -> None:
        """The images it mounts, with events of the pod. Raises PullError."""

        def record(type_: str, reason: str, message: str) -> None:
            self._state.client.record(pod, type_, reason, message)

        mounts = {mount["name"] for mount in slot.spec.get("volumeMounts") or ()}
        for name, volume in self._state.volumes.mounted.items():
            if name in mounts and isinstance(volume, ImageVolume):
                volume.show(self._puller.pull(volume.reference, volume.policy, record))

    async def _post_start(self, pod: Obj, slot: Slot, container: Container) -> None:
        hook = (slot.spec.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        try:
            await self._state.hooks.run(container, slot.spec, hook)
        except (verdicts.Failure, verdicts.HandlerError):
            if container.running:
                self._state.record(slot, "Warning", "FailedPostStartHook", "PostStartHook failed")
                await self._state.stop(slot, "FailedPostStartHook")

    def _environment(self, pod: Obj) -> Environment:
        node = self._kubelet.node
        return Environment(
            self._kubelet.client,
            pod,
            status=self._state.addresses,
            allocatable=most_of(objects.spec(pod), node.allocatable),
            volumes=self._state.volumes.mounted,
        )

    def probe(self, slot: Slot) -> None:
        """Run the probes a running container has by now."""
        prober = slot.prober
        if prober is None or not slot.running or (slot.probing and not prober.results.started):
            return
        running = {task.get_name() for task in slot.probing if not task.done()}
        for kind in prober.kinds():
            name = f"{kind} {slot.name}"
            if name not in running and (kind != "livenessProbe" or prober.results.live):
                task = self._kubelet.spawn(prober.run(kind), name)
                slot.probing.add(task)
                task.add_done_callback(slot.probing.discard)
