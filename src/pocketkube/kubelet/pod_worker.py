"""One pod on its node, from binding to removal: volumes, sandbox, containers in order, restarts, the end.

Models pkg/kubelet/pod_workers.go, kuberuntime_manager.go (SyncPod, computePodActions) and the status manager. One task
per pod looks at the pod when something happened (an exit, a probe's verdict, a change of the pod or of an object it
shows) or is due (a back-off); a deletion interrupts whatever it is doing. Left out: eviction for what a node runs out
of, the restart rule RestartAllContainers.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from pocketkube import duration, objects
from pocketkube.errors import Conflict, NotFound, StatusError
from pocketkube.kubelet import admission, assembly, devices, pending
from pocketkube.kubelet.backoff import Backoff
from pocketkube.kubelet.pod_state import PodState
from pocketkube.kubelet.publishing import RETRY, Publisher
from pocketkube.kubelet.resizing import Resizer
from pocketkube.kubelet.restarting import Restarter
from pocketkube.kubelet.sandbox import SandboxError
from pocketkube.kubelet.slot import CONTAINERS, Slot
from pocketkube.kubelet.starting import RESYNC, Starter, wanted
from pocketkube.kubelet.stopping import SHORTEST_GRACE, grace_of
from pocketkube.objects import Key, Obj
from pocketkube.podphase import is_terminal
from pocketkube.resources.base import DeleteOptions

if TYPE_CHECKING:
    from pocketkube.kubelet.kubelet import Kubelet

log = logging.getLogger(__name__)

TEAR_DOWN = 0.02
"""Seconds it takes to end a sandbox (a container runtime needs more): others hear that the containers have stopped
before they hear that the pod is over."""
_EVICTION_GRACE = 1.0
_DEADLINE = "Pod was active on the node longer than the specified deadline"


class PodWorker:
    """`run` is its task. `update`, `removed` and `touched` take notes and wake it; they may be called from anywhere."""

    def __init__(self, kubelet: Kubelet, pod: Obj) -> None:
        self.state = PodState(kubelet, pod)
        self._publisher = Publisher(self.state)
        self._starter = Starter(self.state)
        self._restarter = Restarter(self.state, self._starter)
        self._resizer = Resizer(self.state, self._publisher)
        self._task: asyncio.Task[None] | None = None
        self._killings: list[asyncio.TimerHandle] = []
        """The ends of shortened grace periods."""
        self._ending = asyncio.Event()
        self._living = False
        self._gone = False
        self._touched: set[tuple[str, Key]] = set()

    # -- notes from outside

    def update(self, pod: Obj) -> None:
        """The stored pod changed."""
        state = self.state
        terminating = objects.is_terminating(pod)
        if terminating and self._ending.is_set():
            self._hurry(pod)
        before, state.pod = state.pod, pod
        state.volumes.follow(pod)
        self._take_specs(pod)
        if terminating:
            self._end()
        if self._publisher.writing:
            return  # our own status: nothing new
        if any(before["metadata"].get(field) != pod["metadata"].get(field) for field in ("labels", "annotations")):
            self._touched.add(("pods", state.key))
        state.wake.set()

    def _take_specs(self, pod: Obj) -> None:
        for field, listed in objects.spec(pod).items():
            if field not in CONTAINERS:
                continue
            for container in listed or ():
                slot = self.state.slots.get(container["name"])
                if slot is None:
                    self.state.slots[container["name"]] = Slot(container, field)
                elif slot.spec is not container:
                    if slot.role != "ephemeral" and slot.spec["image"] != container["image"]:
                        slot.fresh, slot.backoff = True, Backoff()  # another container, which has done nothing wrong
                    slot.spec = container

    def removed(self) -> None:
        """The stored pod is gone: by our own hand, or by force."""
        self._gone = True
        self._end()

    def touched(self, resource: str, at: Key) -> None:
        """An object this pod depends on changed."""
        self._touched.add((resource, at))
        self.state.wake.set()

    def _end(self) -> None:
        if not self._ending.is_set():
            self._ending.set()
            if self._living and self._task is not None:
                self._task.cancel()

    def _hurry(self, pod: Obj) -> None:
        """A later deletion may only shorten the grace period."""
        state = self.state
        grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
        if grace < (state.pod["metadata"].get("deletionGracePeriodSeconds") or 0):
            delay = max(grace, SHORTEST_GRACE) / state.clock.speed
            self._killings.append(asyncio.get_running_loop().call_later(delay, state.kill))

    # -- the life of the pod

    async def run(self) -> None:
        """Until the pod is removed. Cancelled, it kills the containers and leaves the stored pod as it is."""
        self._task = asyncio.current_task()
        try:
            if not self._ending.is_set():
                await self._live_until_ending()
            await self._ending.wait()
            await self._terminate()
        finally:
            for timer in self._killings:  # one that waits would keep all of this pod alive for its time
                timer.cancel()
            await self._abandon()

    async def _live_until_ending(self) -> None:
        assert self._task is not None
        self._living = True
        try:
            if is_terminal(self.state.pod):
                self.state.finished = True
            elif self._admit():
                await self._live()
        except asyncio.CancelledError:
            if not self._ending.is_set() or self._task.uncancel() > 0:
                raise
        finally:
            self._living = False

    def _admit(self) -> bool:
        """Whether the node takes the pod; one it does not take has failed."""
        state = self.state
        state.admitted = state.admitted or admission.admit(
            state.client, state.pod, pending.allocated(state.kubelet.admitted())
        )
        state.finished = not state.admitted
        return state.admitted

    async def _live(self) -> None:
        state = self.state
        self._publisher.publish()
        while not state.finished:
            try:
                due = await self._sync()
            except Exception:
                log.exception("pod %s failed to sync", assembly.full_name(state.pod))
                due = state.clock.time() + RESYNC
            self._publisher.publish()
            if self._publisher.is_over:
                await self._finish()
                return
            await self._rest(due)

    async def _rest(self, due: float | None) -> None:
        """Wait for news, or until `due` (cluster time)."""
        state = self.state
        with suppress(TimeoutError):
            async with state.clock.timeout(None if due is None else max(0.0, due - state.clock.time())):
                await state.wake.wait()
        state.wake.clear()
        # what happened is told before anything is done about it
        self._publisher.publish()

    async def _sync(self) -> float | None:
        """One look at everything; returns when to look again without news."""
        state = self.state
        late = self._past_deadline()
        if late is True:
            await self._fail("DeadlineExceeded", _DEADLINE, grace_of(state.pod))
            return None
        if excess := state.volumes.excess:
            state.client.record(state.pod, "Warning", "Evicted", excess)
            await self._fail("Evicted", excess, _EVICTION_GRACE)
            return None
        due = [] if late is False else [late]
        delay = state.volumes.refresh(state.pod, self._touched)
        self._touched.clear()
        if state.volumes.due is not None:
            due.append(state.volumes.due)
        state.kubelet.watch_objects(self)
        if delay is not None:
            return min([*due, state.clock.time() + delay])
        if not self._has_sandbox():
            return min([*due, state.clock.time() + RESYNC])
        again = self._resizer.look()
        if again is not None:
            due.append(again)
        for slot in wanted(state.slots):
            again = await self._restarter.ensure(slot)
            if again is not None:
                due.append(again)
            self._starter.probe(slot)
        return min(due, default=None)

    def _has_sandbox(self) -> bool:
        """Make it where it is missing. False when it cannot be made now."""
        state = self.state
        if state.sandbox.net is not None:
            return True
        if (why := devices.problem(state.client, state.pod)) is not None:
            text = f"Failed to prepare dynamic resources: prepare dynamic resources: {why}"
            state.client.record(state.pod, "Warning", "FailedPrepareDynamicResources", text)
            return False
        try:
            if any(slot.restarts >= 0 for slot in state.slots.values()):
                text = "Pod sandbox changed, it will be killed and re-created."
                state.client.record(state.pod, "Normal", "SandboxChanged", text)
            state.sandbox.make(state.pod)
        except SandboxError as error:
            text = f"Failed to create pod sandbox: {error}"
            state.client.record(state.pod, "Warning", "FailedCreatePodSandBox", text)
            return False
        return True

    def _past_deadline(self) -> bool | float:
        """True when activeDeadlineSeconds is over, else when it will be; False without one."""
        state = self.state
        limit = objects.spec(state.pod).get("activeDeadlineSeconds")
        if limit is None:
            return False
        end = duration.parse_time(state.start_time).timestamp() + limit
        return True if state.clock.time() >= end else end

    # -- the end

    async def _fail(self, reason: str, message: str, grace: float) -> None:
        """End the pod from the kubelet's side."""
        state = self.state
        state.failure = (reason, message)
        self._publisher.publish()
        await state.stop_all(grace)

    async def _finish(self) -> None:
        """All containers are done for good: stop the sidecars, give up address and volumes, keep the logs."""
        state = self.state
        await state.stop_all(grace_of(state.pod))
        await self._tear_down()
        state.kubelet.forget_objects(self)
        self._publisher.publish()

    async def _terminate(self) -> None:
        """The pod is being deleted, or is gone already."""
        state = self.state
        if not state.finished:
            self._publisher.publish()
            grace = state.pod["metadata"].get("deletionGracePeriodSeconds")
            await state.stop_all(float(grace or 0))
            await self._tear_down()
            self._publisher.publish()
        while not self._gone:
            try:
                state.client.delete("pods", state.key, DeleteOptions(grace_period_seconds=0, uid=state.uid))
            except (NotFound, Conflict):
                return
            except StatusError as error:  # somebody refuses it: an admission policy
                log.warning("deletion of pod %s: %s", assembly.full_name(state.pod), error)
                await state.clock.sleep(RETRY)
            else:
                return

    async def _tear_down(self) -> None:
        """Tell that the containers have stopped, then end the sandbox; only then is the pod over."""
        state = self.state
        state.stopped = True
        self._publisher.publish()
        if not self._gone:
            await state.clock.sleep(TEAR_DOWN)
        state.drop_sandbox()
        state.volumes.drop()
        state.finished = True
        pending.retry(state.kubelet)

    async def _abandon(self) -> None:
        """Leave nothing running, whatever ended the task. A pod that is still stored keeps its volumes."""
        state = self.state
        for slot in state.slots.values():
            slot.forget_probes()
        state.kill()
        running = [slot.current.wait() for slot in state.slots.values() if slot.current and slot.current.running]
        if running:
            await asyncio.gather(*running)
        shutil.rmtree(state.logs, ignore_errors=True)
        state.drop_sandbox()
        if self._gone:
            state.volumes.drop()
        state.kubelet.forget_objects(self)
