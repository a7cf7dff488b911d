"""Resizing a pod in place: whether the node has room for what it wants now, and giving it to the containers.

Models pkg/kubelet/allocation and doPodResizeAction of pkg/kubelet/kuberuntime; conditions PodResizePending (Deferred)
and PodResizeInProgress, restarts where the resize policy asks for them; which of those that wait goes first: `pending`.
Left out: swap. What was not given before a restart of the node is given, or waits, anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import orjson

from pocketkube import objects, quantity
from pocketkube.kubelet import pending, whole
from pocketkube.kubelet.cgroup import Limits, limits_of
from pocketkube.kubelet.pending import PENDING
from pocketkube.kubelet.pod_state import PodState
from pocketkube.kubelet.publishing import Publisher
from pocketkube.kubelet.slot import Slot, limits_and_requests
from pocketkube.kubelet.starting import RESYNC
from pocketkube.objects import Obj

IN_PROGRESS = "PodResizeInProgress"


class Resizer:
    """For one pod."""

    def __init__(self, state: PodState, publisher: Publisher) -> None:
        self._state = state
        self._publisher = publisher

    def look(self) -> float | None:
        """Allocate what is wanted, if there is room, and give it. Returns when to look again."""
        state = self._state
        changed = [slot for slot in self._slots() if slot.allocated != wanted_of(slot)]
        of_pod = limits_and_requests(objects.spec(state.pod).get("resources"))
        if not changed and state.allocated == of_pod:
            state.resizing.pop(PENDING, None)
        elif self._fits():
            for slot in changed:
                slot.allocated = wanted_of(slot)
            state.allocated = of_pod
            state.resizing.pop(PENDING, None)
            pending.retry(state.kubelet)
            self._tell(IN_PROGRESS, "", "")
            self._event("Normal", "ResizeStarted", "Pod resize started")
            self._publisher.publish()
        again = self._actuate()
        return state.clock.time() + RESYNC if again or PENDING in state.resizing else None

    def _slots(self) -> list[Slot]:
        return [slot for slot in self._state.slots.values() if slot.role != "ephemeral"]

    def _fits(self) -> bool:
        state = self._state
        reason = pending.why_not(state)
        if not reason and (other := pending.first_before(state)) is not None:
            other.wake.set()
            reason = f"pod {objects.name(other.pod)} goes first"
        if not reason:
            return True
        before = state.resizing.get(PENDING) or {}
        self._tell(PENDING, "Deferred", reason)
        if before.get("observedGeneration") != state.pod["metadata"].get("generation"):
            self._event("Warning", "ResizeDeferred", "Pod resize Deferred", reason)
        return False

    def _actuate(self) -> bool:
        """Give pod and containers what is allocated. True when they cannot have it now."""
        state = self._state
        if state.actuated != state.allocated or any(slot.actuated != slot.allocated for slot in self._slots()):
            changing = [slot for slot in self._slots() if self._is_to_change(slot)]
            together = whole.memory_limit(state.allocated_spec())
            if problems := list(self._too_little(changing, together)):
                self._trouble(f"cannot decrease memory limits: {_joined(problems)}")
                return True
            state.sandbox.cgroup.limit, state.actuated = together, state.allocated
            for slot in changing:
                assert slot.current is not None
                slot.current.resize(self._limits(slot))
                slot.actuated = slot.allocated
        given = all(slot.actuated == slot.allocated for slot in self._slots())
        if given and state.resizing.pop(IN_PROGRESS, None) is not None:
            self._event("Normal", "ResizeCompleted", "Pod resize completed")
        return False

    def _is_to_change(self, slot: Slot) -> bool:
        """Whether a container gets something else as it runs; one that is to start gets it then."""
        if slot.current is None or not slot.running:
            slot.actuated = slot.allocated
            return False
        slot.resized = slot.resized or self._restarts(slot)
        return not slot.resized

    def _too_little(self, changing: list[Slot], together: int | None) -> Iterator[str]:
        """Limits that are to be lowered to less than what is in use. Upstream too tells the pod's use of each."""
        cgroup = self._state.sandbox.cgroup
        used = cgroup.memory
        lowered = _lowered(together, cgroup.limit)
        if lowered is not None and used >= lowered:
            yield f"attempting to set pod memory limit ({lowered}) below current usage ({used})"
        for slot in changing:
            assert slot.current is not None
            lowered = _lowered(self._limits(slot).memory, slot.current.cgroup.limit)
            if lowered is not None and slot.current.cgroup.memory >= lowered:
                what = f'container "{slot.name}" memory limit ({lowered})'
                yield f"attempting to set {what} below current usage ({used})"

    def _limits(self, slot: Slot) -> Limits:
        return limits_of(slot.allocated, self._state.allocated)

    def _restarts(self, slot: Slot) -> bool:
        """Whether the resize policy wants a restart for one of the resources that change."""
        policies = {policy["resourceName"]: policy["restartPolicy"] for policy in slot.spec.get("resizePolicy") or ()}
        if "RestartContainer" not in policies.values():
            return False
        now, then = limits_of(slot.actuated, self._state.actuated), self._limits(slot)
        differs = {
            "cpu": now.cpu != then.cpu or not _same(slot.actuated, slot.allocated, "cpu"),
            "memory": now.memory != then.memory or not _same(slot.actuated, slot.allocated, "memory"),
        }
        return any(differs[name] and policies.get(name) == "RestartContainer" for name in differs)

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


def _same(one: Obj, other: Obj, name: str) -> bool:
    return all(_amount(one, side, name) == _amount(other, side, name) for side in ("requests", "limits"))


def _amount(resources: Obj, side: str, name: str) -> float:
    text = (resources.get(side) or {}).get(name)
    return math.inf if text is None else float(quantity.parse(text))


def _lowered(limit: int | None, before: int | None) -> int | None:
    """A limit if it is lower than before, else None."""
    return limit if limit is not None and (before is None or limit < before) else None


def _joined(problems: list[str]) -> str:
    """As Go prints an aggregate of errors."""
    return problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
