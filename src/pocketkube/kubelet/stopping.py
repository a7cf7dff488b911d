"""Stopping containers: preStop of all at once, stop signals (sidecars' last), SIGKILL when the grace period is over.

Models killContainer and the termination ordering of pkg/kubelet/kuberuntime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from pocketkube import objects
from pocketkube.kubelet import verdicts
from pocketkube.kubelet.lifecycle import Hooks
from pocketkube.kubelet.slot import Slot
from pocketkube.objects import Obj

SHORTEST_GRACE = 2.0
"""Seconds every container gets between its stop signal and SIGKILL, whatever the pod asks for."""
Record = Callable[[Slot, str, str, str], None]
"""(container, type, reason, message) of an event."""


def grace_of(pod: Obj, slot: Slot | None = None, probe: str = "") -> float:
    """The grace period in seconds; a failed probe may bring its own."""
    own = ((slot.spec if slot else {}).get(f"{probe}Probe") or {}).get("terminationGracePeriodSeconds")
    return float(objects.spec(pod).get("terminationGracePeriodSeconds", 30) if own is None else own)


async def stop(
    slot: Slot, message: str, grace: float, *, record: Record, hooks: Hooks, turn: Iterable[asyncio.Event] = ()
) -> None:
    """Stop one container; nothing happens when it does not run. Its signal waits for the others' `turn`."""
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
                await hooks.run(container, slot.spec, hook)
        except (verdicts.Failure, verdicts.HandlerError):
            if container.running:
                record(slot, "Warning", "FailedPreStopHook", "PreStopHook failed")
        except TimeoutError:
            pass  # the grace period is over: the signal comes all the same
    with suppress(TimeoutError):
        async with clock.timeout(max(0.0, grace - (clock.time() - began))):
            for other in turn:
                await other.wait()
    await container.stop(max(grace - (clock.time() - began), SHORTEST_GRACE))


async def stop_all(slots: Iterable[Slot], grace: float, *, record: Record, hooks: Hooks) -> None:
    """Everything at once, but sidecars get their signals when the main containers and those started later are gone."""
    everyone = [slot for slot in slots if slot.running]
    gone = {slot.name: asyncio.Event() for slot in everyone}

    async def one(slot: Slot, turn: list[asyncio.Event]) -> None:
        await stop(slot, f"Stopping container {slot.name}", grace, record=record, hooks=hooks, turn=turn)
        gone[slot.name].set()

    later = [gone[slot.name] for slot in everyone if slot.role == "main"]
    async with asyncio.TaskGroup() as group:
        for slot in reversed(everyone):
            if slot.role == "sidecar":
                group.create_task(one(slot, later))
                later = [*later, gone[slot.name]]
            else:
                group.create_task(one(slot, []))
