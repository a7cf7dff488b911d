"""Keeping a container running: what starts it, what stops it, and how long it waits in between.

Models computePodActions and doBackOff of pkg/kubelet/kuberuntime/kuberuntime_manager.go for one container.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.kubelet import assembly
from pocketkube.kubelet.backoff import seconds
from pocketkube.kubelet.pod_state import PodState
from pocketkube.kubelet.slot import Slot
from pocketkube.kubelet.starting import Starter, restarts


class Restarter:
    """For the containers of one pod."""

    def __init__(self, state: PodState, starter: Starter) -> None:
        self._state = state
        self._starter = starter

    async def ensure(self, slot: Slot) -> float | None:
        """Start a container that should run and does not. Returns when to try again, if that has to wait."""
        state = self._state
        if slot.running:
            if slot.fresh:
                await state.stop(slot, f"Container {slot.name} definition changed, will be restarted")
            elif slot.resized:
                await state.stop(slot, f"Container {slot.name} resize requires restart")
                slot.fresh = True
            elif slot.prober is not None and not slot.prober.results.live:
                kind = "liveness" if slot.prober.results.started else "startup"
                # rules are about exit codes, and it has none yet
                policy = slot.spec.get("restartPolicy") or objects.spec(state.pod).get("restartPolicy", "Always")
                then = "" if policy == "Never" else ", will be restarted"
                await state.stop(slot, f"Container {slot.name} failed {kind} probe{then}", probe=kind)
            else:
                return None
        now = state.clock.time()
        code = slot.exit_code
        if code is not None and not slot.fresh:
            if not restarts(state.pod, slot, code):
                slot.waiting = None
                return None
            if slot.backoff.waiting(slot.ended_at, now):
                return self._back_off(slot)
            slot.backoff.next(now)
        return await self._starter.start(state.pod, slot)

    def _back_off(self, slot: Slot) -> float:
        name = assembly.full_name(self._state.pod)
        if slot.waiting is None or slot.waiting[0] != "CrashLoopBackOff":
            text = f"Back-off restarting failed container {slot.name} in pod {name}"
            self._state.record(slot, "Warning", "BackOff", text)
        delay = seconds(slot.backoff.delay)
        slot.waiting = ("CrashLoopBackOff", f"back-off {delay} restarting failed container={slot.name} pod={name}")
        return slot.backoff.until(slot.ended_at)
