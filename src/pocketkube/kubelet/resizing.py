"""Resizing a pod in place: whether the node has room for what it wants now, and giving it to the containers.

Models pkg/kubelet/allocation and doPodResizeAction of pkg/kubelet/kuberuntime; conditions PodResizePending (Deferred)
and PodResizeInProgress, restarts where the resize policy asks for them. Left out: pod-level resources, priorities among
resizes that wait, swap. What was not given before a restart of the node is given, or waits, anew.
"""

from __future__ import annotations

import math
from typing import Any

import orjson

from pocketkube import objects, quantity
from pocketkube.kubelet import admission
from pocketkube.kubelet.cgroup import limits_of
from pocketkube.kubelet.pod_state import PodState
from pocketkube.kubelet.publishing import Publisher
from pocketkube.kubelet.slot import Slot, limits_and_requests
from pocketkube.kubelet.starting import RESYNC
from pocketkube.objects import Obj

PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"


class Resizer:
    """For one pod."""

    def __init__(self, state: PodState, publisher: Publisher) -> None:
        self._state = state
        self._publisher = publisher

    def look(self) -> float | None:
        """Allocate what is wanted, if there is room, and give it. Returns when to look again."""
        changed = [slot for slot in self._slots() if slot.allocated != wanted_of(slot)]
        if not changed:
            self._state.resizing.pop(PENDING, None)
        elif self._fits():
            for slot in changed:
                slot.allocated = wanted_of(slot)
            self._state.resizing.pop(PENDING, None)
            self._tell(IN_PROGRESS, "", "")
            self._event("Normal", "ResizeStarted", "Pod resize started")
            self._publisher.publish()
        again = self._actuate()
        return self._state.clock.time() + RESYNC if again or PENDING in self._state.resizing else None

    def _slots(self) -> list[Slot]:
        return [slot for slot in self._state.slots.values() if slot.role != "ephemeral"]

    def _fits(self) -> bool:
        state = self._state
        reason = admission.lacks_room(state.client, state.pod, state.kubelet.admitted())
        if not reason:
            return True
        before = state.resizing.get(PENDING) or {}
        self._tell(PENDING, "Deferred", reason)
        if before.get("observedGeneration") != state.pod["metadata"].get("generation"):
            self._event("Warning", "ResizeDeferred", "Pod resize Deferred", reason)
        return False

    def _actuate(self) -> bool:
        """Give the containers what is allocated. True when one cannot have it now."""
        state = self._state
        problems = []
        for slot in self._slots():
            if slot.current is None or not slot.running:
                slot.actuated = slot.allocated
                continue
            if slot.actuated == slot.allocated or slot.resized:
                continue
            if _restarts(slot):
                slot.resized = True
                continue
            limits = limits_of(slot.allocated)
            used = slot.current.cgroup.memory
            if limits.memory is not None and used > limits.memory:
                what = f'container "{slot.name}" memory limit ({limits.memory})'
                problems.append(f"attempting to set {what} below current usage ({used})")
                continue
            slot.current.resize(limits)
            slot.actuated = slot.allocated
        if problems:
            self._trouble(f"cannot decrease memory limits: {_joined(problems)}")
            return True
        given = all(slot.actuated == slot.allocated for slot in self._slots())
        if given and state.resizing.pop(IN_PROGRESS, None) is not None:
            self._event("Normal", "ResizeCompleted", "Pod resize completed")
        return False

    def _trouble(self, message: str) -> None:
        before = self._state.resizing.get(IN_PROGRESS) or {}
        self._tell(IN_PROGRESS, "Error", message)
        if before.get("message") != message:
            self._event("Warning", "ResizeError", "Pod resize error", message)

    def _tell(self, type_: str, reason: str, message: str) -> None:
        state = self._state
        now, old = state.clock.now(), state.resizing.get(type_) or {}
        condition: Obj = {"type": type_}
        if generation := state.pod["metadata"].get("generation"):
            condition["observedGeneration"] = generation
        since = old["lastTransitionTime"] if old and old.get("reason", "") == reason else now
        condition |= {"status": "True", "lastProbeTime": now, "lastTransitionTime": since}
        condition |= {name: text for name, text in (("reason", reason), ("message", message)) if text}
        if {**old, "lastProbeTime": now} != condition:
            state.resizing[type_] = condition

    def _event(self, kind: str, reason: str, text: str, error: str = "") -> None:
        """With what is wanted, as JSON."""
        state = self._state
        summary: dict[str, Any] = {}
        for field in ("initContainers", "containers"):
            listed = objects.spec(state.pod).get(field) or ()
            if listed:
                summary[field] = [{"name": c["name"], "resources": c.get("resources") or {}} for c in listed]
        summary["generation"] = state.pod["metadata"].get("generation", 0)
        if error:
            summary["error"] = error
        state.client.record(state.pod, kind, reason, f"{text}: {orjson.dumps(summary).decode()}")


def wanted_of(slot: Slot) -> Obj:
    """The resources its spec asks for."""
    return limits_and_requests(slot.spec.get("resources"))


def _restarts(slot: Slot) -> bool:
    """Whether the resize policy wants a restart for one of the resources that change."""
    policies = {policy["resourceName"]: policy["restartPolicy"] for policy in slot.spec.get("resizePolicy") or ()}
    return any(
        policies.get(name) == "RestartContainer" and not _same(slot.actuated, slot.allocated, name)
        for name in ("cpu", "memory")
    )


def _same(one: Obj, other: Obj, name: str) -> bool:
    return all(_amount(one, side, name) == _amount(other, side, name) for side in ("requests", "limits"))


def _amount(resources: Obj, side: str, name: str) -> float:
    text = (resources.get(side) or {}).get(name)
    return math.inf if text is None else float(quantity.parse(text))


def _joined(problems: list[str]) -> str:
    """As Go prints an aggregate of errors."""
    return problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
