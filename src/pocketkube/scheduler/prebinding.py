"""Between the choice of a node and the pod's binding: its claims are bound, or volumes are made for them.

Models AssumePodVolumes and BindPodVolumes of pkg/scheduler/framework/plugins/volumebinding/binder.go. Writes of this
cluster are seen at once, so there is no cache of what is assumed: the promise is written in the same step in which it
was decided. Upstream asks once a second whether the claims are bound; here their events tell.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.objects import Key, Obj
from pocketkube.scheduler.volumes import Plan
from pocketkube.store import Event

TIMEOUT: Final = 600.0
"""Seconds until a pod whose claims are not bound is placed anew (VolumeBindingArgs.bindTimeoutSeconds)."""


class BindingFailed(Exception):
    """Why a pod has to be placed anew."""


@dataclass
class Waiting:
    """A pod whose node is chosen and whose claims are not bound yet."""

    pod: Obj
    node: str
    promises: tuple[tuple[Key, str], ...]
    """(claim, name of the volume promised to it)."""
    provisions: tuple[Key, ...]
    timer: asyncio.TimerHandle
    timed_out: bool = False


class Prebinding:
    """`ready` is called with the key of a pod to `check`; it may only take a note."""

    def __init__(self, client: Client, ready: Callable[[Key], None]) -> None:
        self.client = client
        self._ready = ready
        self._pods: dict[Key, Waiting] = {}
        self._by_claim: defaultdict[Key, set[Key]] = defaultdict(set)

    def __contains__(self, pod: Key) -> bool:
        return pod in self._pods

    def start(self, pod: Obj, node: str, plan: Plan) -> None:
        """Write what the plan promises; `check` tells how it went. Raises StatusError when a write is refused."""
        key = objects.key(pod)
        for claim, volume in plan.promises:
            self.client.patch("persistentvolumes", objects.key(volume), partial(_promise, claim))
        for claim in plan.provisions:
            if objects.annotations(claim).get(claims.SELECTED_NODE) != node:
                self.client.patch("persistentvolumeclaims", objects.key(claim), partial(_select, node))
        delay = TIMEOUT / self.client.clock.speed
        timer = asyncio.get_running_loop().call_later(delay, self._time_out, key)
        promises = tuple((objects.key(claim), objects.name(volume)) for claim, volume in plan.promises)
        waiting = Waiting(pod, node, promises, tuple(objects.key(claim) for claim in plan.provisions), timer)
        self._pods[key] = waiting
        for claim_key in _claims_of(waiting):
            self._by_claim[claim_key].add(key)
        self._ready(key)

    def forget(self, pod: Key) -> None:
        waiting = self._pods.pop(pod, None)
        if waiting is None:
            return
        waiting.timer.cancel()
        for claim in _claims_of(waiting):
            self._by_claim[claim].discard(pod)
            if not self._by_claim[claim]:
                del self._by_claim[claim]

    def stop(self) -> None:
        for key in list(self._pods):
            self.forget(key)

    def check(self, pod: Key) -> Waiting | None:
        """The pod that can be bound now; None: not yet. Raises BindingFailed. Forgets it unless the answer is None."""
        waiting = self._pods[pod]
        try:
            bound = self._bound(waiting)
        except BindingFailed:
            self.forget(pod)
            raise
        if not bound:
            return None
        self.forget(pod)
        return waiting

    def touched(self, event: Event) -> None:
        """Something happened to a volume or a claim."""
        if not self._by_claim:
            return
        for obj in (event.object, event.old):
            if obj is None:
                continue
            if event.resource == "persistentvolumes":
                ref = objects.spec(obj).get("claimRef") or {}
                self._look_at((ref.get("namespace", ""), ref.get("name", "")))
            else:
                self._look_at(objects.key(obj))

    def _look_at(self, claim: Key) -> None:
        for pod in self._by_claim.get(claim, ()):
            self._ready(pod)

    def _time_out(self, pod: Key) -> None:
        self._pods[pod].timed_out = True
        self._ready(pod)

    def _bound(self, waiting: Waiting) -> bool:
        node = self.client.find("nodes", "", waiting.node)
        if node is None:
            raise BindingFailed(f'failed to get node "{waiting.node}": node "{waiting.node}" not found')
        done = [self._is_promise_kept(at, volume, node) for at, volume in waiting.promises]
        done += [self._is_provisioned(at, waiting.node, node) for at in waiting.provisions]
        if not all(done) and waiting.timed_out:
            raise BindingFailed("context deadline exceeded")
        return all(done)

    def _is_promise_kept(self, at: Key, volume_name: str, node: Obj) -> bool:
        volume = self.client.find("persistentvolumes", "", volume_name)
        if volume is None:
            raise BindingFailed(f'failed to check binding: persistentvolumes "{volume_name}" not found')
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None:
            raise BindingFailed(f'failed to check binding: persistentvolumeclaims "{"/".join(at)}" not found')
        _check_affinity(volume, node)
        if not objects.dig(volume, "spec", "claimRef", "uid"):
            raise BindingFailed(f'ClaimRef got reset for pv "{volume_name}"')
        return claims.is_bound(claim)

    def _is_provisioned(self, at: Key, node_name: str, node: Obj) -> bool:
        claim = self.client.find("persistentvolumeclaims", *at)
        if claim is None:
            text = f'persistentvolumeclaims "{"/".join(at)}" not found'
            raise BindingFailed(f"failed to check provisioning pvc: {text}")
        held = objects.annotations(claim)
        if not held:
            raise BindingFailed(f'selectedNode annotation reset for PVC "{at[1]}"')
        if held.get(claims.SELECTED_NODE) != node_name:
            raise BindingFailed(f'provisioning failed for PVC "{at[1]}"')
        if volume_name := objects.spec(claim).get("volumeName"):
            volume = self.client.find("persistentvolumes", "", volume_name)
            if volume is None:
                return False  # it will come, or the claim will be unbound
            _check_affinity(volume, node)
        return claims.is_bound(claim)


def _claims_of(waiting: Waiting) -> Iterable[Key]:
    return (*(claim for claim, _ in waiting.promises), *waiting.provisions)


def _promise(claim: Obj, volume: Obj) -> None:
    claims.promise(volume, claim)


def _select(node: str, claim: Obj) -> None:
    objects.meta(claim).setdefault("annotations", {})[claims.SELECTED_NODE] = node


def _check_affinity(volume: Obj, node: Obj) -> None:
    """Raises BindingFailed."""
    if not claims.node_matches(volume, node):
        name, text = objects.name(volume), "no matching NodeSelectorTerms"
        raise BindingFailed(f'pv "{name}" node affinity doesn\'t match node "{objects.name(node)}": {text}')
