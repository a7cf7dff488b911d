"""The cells of a pod's table row: READY, STATUS, RESTARTS.

Models printPod (pkg/printers/internalversion/printers.go).
"""

from __future__ import annotations

from dataclasses import dataclass

from pocketkube import objects
from pocketkube.clock import Clock
from pocketkube.objects import Obj
from pocketkube.podphase import TERMINAL
from pocketkube.resources.columns import since


@dataclass
class _Restarts:
    """How often containers restarted, and when the last of them ended before (RFC 3339 texts compare as times do)."""

    count: int = 0
    last: str = ""

    def add(self, status: Obj) -> None:
        self.count += status.get("restartCount", 0)
        ended = objects.dig(status, "lastState", "terminated")
        if ended is not None:
            self.last = max(self.last, ended.get("finishedAt") or "")


@dataclass(frozen=True)
class Summary:
    ready: str
    status: str
    restarts: str


def summary(pod: Obj, clock: Clock) -> Summary:
    """READY, STATUS and RESTARTS of one pod."""
    spec, status = objects.spec(pod), objects.status(pod)
    phase = status.get("phase", "")
    reason = status.get("reason") or phase
    scheduled = objects.condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"

    sidecars = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    total = len(spec.get("containers") or ()) + len(sidecars)
    init, side = _Restarts(), _Restarts()
    stuck, ready = "", 0
    for index, found in enumerate(status.get("initContainerStatuses") or ()):
        init.add(found)
        if found["name"] in sidecars:
            side.add(found)
        if objects.dig(found, "state", "terminated", "exitCode") == 0:
            continue
        if found["name"] in sidecars and found.get("started"):
            ready += bool(found.get("ready"))
            continue
        stuck = _init_reason(found, index, len(spec.get("initContainers") or ()))
        break
    restarts = init
    if stuck:
        reason = stuck
    if not stuck or objects.condition_status(pod, "Initialized") == "True":
        restarts = side
        more_ready, reason = _containers(pod, reason, restarts)
        ready += more_ready
    if objects.is_terminating(pod):
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif phase not in TERMINAL:
            reason = "Terminating"
    shown = str(restarts.count)
    if restarts.count and restarts.last:
        shown = f"{restarts.count} ({since(clock, restarts.last)} ago)"
    return Summary(f"{ready}/{total}", reason, shown)


def _init_reason(status: Obj, index: int, total: int) -> str:
    state = status.get("state") or {}
    ended, waiting = state.get("terminated"), state.get("waiting") or {}
    if ended is not None:
        return f"Init:{_ended(ended)}"
    if waiting.get("reason") and waiting["reason"] != "PodInitializing":
        return f"Init:{waiting['reason']}"
    return f"Init:{index}/{total}"


def _ended(state: Obj) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def _containers(pod: Obj, reason: str, restarts: _Restarts) -> tuple[int, str]:
    """How many containers are ready, and the reason the first of them with something to say gives."""
    ready, running, failed = 0, False, ""
    for found in reversed(objects.status(pod).get("containerStatuses") or ()):
        restarts.add(found)
        state = found.get("state") or {}
        waiting = (state.get("waiting") or {}).get("reason")
        if waiting:
            reason = waiting
        elif state.get("terminated") is not None:
            reason = _ended(state["terminated"])
            if state["terminated"].get("exitCode"):
                failed = reason
        elif found.get("ready") and state.get("running") is not None:
            running = True
            ready += 1
    if reason == "Completed":
        if running and objects.condition_status(pod, "Ready") == "True":
            reason = "Running"
        elif failed:
            reason = failed
        elif running:
            reason = "NotReady"
    return ready, reason


def readiness_gates(pod: Obj) -> str:
    gates = objects.spec(pod).get("readinessGates") or ()
    if not gates:
        return "<none>"
    true = sum(objects.condition_status(pod, gate.get("conditionType", "")) == "True" for gate in gates)
    return f"{true}/{len(gates)}"
