"""Stopping containers: preStop, stop signal, SIGKILL when the grace period is over; sidecars last.

Models killContainer and the termination ordering of pkg/kubelet/kuberuntime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pocketkube import objects
from pocketkube.kubelet import lifecycle
from pocketkube.kubelet.slot import Slot
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.network.fabric import PodNetwork

SHORTEST_GRACE = 2.0
"""Seconds every container gets between its stop signal and SIGKILL, whatever the pod asks for."""
Record = Callable[[Slot, str, str, str], None]
"""(container, type, reason, message) of an event."""


def grace_of(pod: Obj, slot: Slot | None = None, probe: str = "") -> float:
    """The grace period in seconds; a failed probe may bring its own."""
    own = ((slot.spec if slot else {}).get(f"{probe}Probe") or {}).get("terminationGracePeriodSeconds")
    return float(objects.spec(pod).get("terminationGracePeriodSeconds", 30) if own is None else own)


async def stop(slot: Slot, message: str, grace: float, *, record: Record, node: PodNetwork, pod_ip: str) -> None:
    """Stop one container; nothing happens when it does not run."""
    container = slot.current
    if container is None or not container.running:
        return
    record(slot, "Normal", "Killing", message)
    slot.forget_probes()
    clock = container.clock
    began = clock.time()
    hook = (slot.spec.get("lifecycle") or {}).get("preStop")
    if hook and grace > 0:
        try:
            async with clock.timeout(grace):
                await lifecycle.run_hook(container, slot.spec, hook, node, pod_ip)
        except (lifecycle.Failure, lifecycle.HandlerError):
            if container.running:
                record(slot, "Warning", "FailedPreStopHook", "PreStopHook failed")
        except TimeoutError:
            pass  # the grace period is over: the signal comes all the same
    await container.stop(max(grace - (clock.time() - began), SHORTEST_GRACE))


async def stop_all(slots: Iterable[Slot], grace: float, *, record: Record, node: PodNetwork, pod_ip: str) -> None:
    """Everything but sidecars at once, then the sidecars, last started first, in the time that is left."""
    everyone = [slot for slot in slots if slot.running]
    clock = node.fabric.clock
    began = clock.time()

    async def one(slot: Slot, left: float) -> None:
        await stop(slot, f"Stopping container {slot.name}", left, record=record, node=node, pod_ip=pod_ip)

    async with asyncio.TaskGroup() as group:
        for slot in everyone:
            if slot.role != "sidecar":
                group.create_task(one(slot, grace))
    for slot in reversed(everyone):
        if slot.role == "sidecar":
            await one(slot, max(0.0, grace - (clock.time() - began)))
