"""Resizes that wait for room on their node (PodResizePending, Deferred): who goes first when there is some.

Models sortPendingResizes and RetryPendingResizes of pkg/kubelet/allocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from pocketkube import objects
from pocketkube.kubelet import admission
from pocketkube.objects import Obj
from pocketkube.podresources import requests
from pocketkube.resources.pod_spec.quality import of_pod

if TYPE_CHECKING:
    from pocketkube.kubelet.kubelet import Kubelet
    from pocketkube.kubelet.pod_state import PodState

PENDING: Final = "PodResizePending"


def retry(kubelet: Kubelet) -> None:
    """There may be room now."""
    for state in _waiting(kubelet):
        state.wake.set()


def first_before(state: PodState) -> PodState | None:
    """The pod whose resize goes before that of `state` and has room now; None if there is none."""
    own = _precedence(state)
    ahead = [other for other in _waiting(state.kubelet) if other is not state and _precedence(other) < own]
    return next((other for other in sorted(ahead, key=_precedence) if not why_not(other)), None)


def why_not(state: PodState) -> str:
    """Why its node has no room for what a pod wants beside what others have been allocated; "" when it has."""
    return admission.lacks_room(state.client, state.pod, allocated(state.kubelet.admitted()))


def allocated(states: Iterable[PodState]) -> Iterator[Obj]:
    """Pods with the resources that are set aside for them, which may not be those they want."""
    for state in states:
        yield {**state.pod, "spec": state.allocated_spec()} if state.resizing else state.pod


def _waiting(kubelet: Kubelet) -> list[PodState]:
    return [state for state in kubelet.admitted() if PENDING in state.resizing]


def _precedence(state: PodState) -> tuple[bool, int, bool, bool, str]:
    """Less goes first: what asks for no more than it has; by priority; Guaranteed; what has waited longest."""
    spec = objects.spec(state.pod)
    wanted, has = requests(spec), requests(state.allocated_spec())
    grows = any(amount > has.get(name, 0) for name, amount in wanted.items())
    since = (state.resizing.get(PENDING) or {}).get("lastTransitionTime", "")
    return grows, -(spec.get("priority") or 0), of_pod(state.pod) != "Guaranteed", not since, since
