"""One pod on its node, from binding to removal: volumes, sandbox, containers in order, restarts, the end.

Models pkg/kubelet/pod_workers.go, kuberuntime_manager.go (SyncPod, computePodActions) and the status manager. One task
per pod looks at the pod when something happened (an exit, a probe's verdict, a change of the pod or of an object it
shows) or is due (a back-off); a deletion interrupts whatever it is doing. Left out: ephemeral containers, in-place
resize, eviction for what a node runs out of, restart rules of single containers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pocketkube import duration, objects
from pocketkube.errors import Conflict, NotFound
from pocketkube.kubelet import admission, assembly
from pocketkube.kubelet import status as statuses
from pocketkube.kubelet.backoff import seconds
from pocketkube.kubelet.environment import sources
from pocketkube.kubelet.pod_volumes import PodVolumes
from pocketkube.kubelet.sandbox import Sandbox, SandboxError
from pocketkube.kubelet.slot import Slot, slots_of
from pocketkube.kubelet.starting import RESYNC, Starter, restarts, wanted
from pocketkube.kubelet.stopping import SHORTEST_GRACE, grace_of, stop, stop_all
from pocketkube.objects import Key, Obj
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
        self.kubelet = kubelet
        self.client = kubelet.client
        self.clock = kubelet.client.clock
        self.pod = pod
        self.uid = objects.uid(pod)
        self.sandbox = Sandbox(kubelet)
        self._wake = asyncio.Event()
        self.volumes = PodVolumes(kubelet, self.uid, self.addresses, self._wake.set)
        self.slots = slots_of(pod, self.clock.now())
        self.finished = False
        """Nothing of it runs or can run: the phase is final."""
        self.admitted = bool(objects.status(pod).get("startTime"))
        """The node takes it (before a restart of the node: took it)."""
        self.failure: tuple[str, str] | None = None
        """(reason, message) of a pod the kubelet ended itself."""
        self._task: asyncio.Task[None] | None = None
        self._killings: list[asyncio.TimerHandle] = []
        """The ends of shortened grace periods."""
        self._ending = asyncio.Event()
        self._starter = Starter(
            kubelet, self.sandbox, self.volumes, addresses=self.addresses, record=self._record, wake=self._wake.set
        )
        self._living = False
        self._gone = False
        self._stopped = False
        """All containers have been stopped, and none will start again."""
        self._writing = False
        self._touched: set[tuple[str, Key]] = set()
        self._start_time = objects.status(pod).get("startTime") or self.clock.now()

    @property
    def key(self) -> Key:
        return objects.key(self.pod)

    @property
    def policy(self) -> str:
        return str(objects.spec(self.pod).get("restartPolicy", "Always"))

    # -- notes from outside

    def update(self, pod: Obj) -> None:
        """The stored pod changed."""
        terminating = objects.is_terminating(pod)
        if terminating and self._ending.is_set():
            self._hurry(pod)
        before, self.pod = self.pod, pod
        self.volumes.follow(pod)
        self._take_specs(pod)
        if terminating:
            self._end()
        if self._writing:
            return  # our own status: nothing new
        if any(before["metadata"].get(field) != pod["metadata"].get(field) for field in ("labels", "annotations")):
            self._touched.add(("pods", self.key))
        self._wake.set()

    def _take_specs(self, pod: Obj) -> None:
        spec = objects.spec(pod)
        for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
            slot = self.slots.get(container["name"])
            if slot is not None and slot.spec is not container:
                slot.fresh = slot.fresh or slot.spec["image"] != container["image"]
                slot.spec = container

    def removed(self) -> None:
        """The stored pod is gone: by our own hand, or by force."""
        self._gone = True
        self._end()

    def touched(self, resource: str, at: Key) -> None:
        """An object this pod depends on changed."""
        self._touched.add((resource, at))
        self._wake.set()

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        """(resource, key) of the objects this pod shows, is configured by, or whose volumes wait for."""
        space, spec = objects.namespace(self.pod), objects.spec(self.pod)
        yield from (found for found in self.volumes.depends_on() if found[0] != "pods")
        for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
            yield from ((resource, (space, name)) for resource, name in sources(container))

    def _end(self) -> None:
        if not self._ending.is_set():
            self._ending.set()
            if self._living and self._task is not None:
                self._task.cancel()

    def _hurry(self, pod: Obj) -> None:
        """A later deletion may only shorten the grace period."""
        grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
        if grace < (self.pod["metadata"].get("deletionGracePeriodSeconds") or 0):
            delay = max(grace, SHORTEST_GRACE) / self.clock.speed
            self._killings.append(asyncio.get_running_loop().call_later(delay, self.kill))

    def kill(self) -> None:
        for slot in self.slots.values():
            if slot.current is not None:
                slot.current.kill()

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
            if objects.status(self.pod).get("phase") in ("Succeeded", "Failed"):
                self.finished = True
            elif self._admit():
                await self._live()
        except asyncio.CancelledError:
            if not self._ending.is_set() or self._task.uncancel() > 0:
                raise
        finally:
            self._living = False

    def _admit(self) -> bool:
        """Whether the node takes the pod; one it does not take has failed."""
        self.admitted = self.admitted or admission.admit(self.client, self.pod, self.kubelet.admitted())
        self.finished = not self.admitted
        return self.admitted

    async def _live(self) -> None:
        self.publish()
        while not self.finished:
            try:
                due = await self._sync()
            except Exception:
                log.exception("pod %s failed to sync", assembly.full_name(self.pod))
                due = self.clock.time() + RESYNC
            self.publish()
            if self._is_over():
                await self._finish()
                return
            await self._rest(due)

    async def _rest(self, due: float | None) -> None:
        """Wait for news, or until `due` (cluster time)."""
        with suppress(TimeoutError):
            async with self.clock.timeout(None if due is None else max(0.0, due - self.clock.time())):
                await self._wake.wait()
        self._wake.clear()
        # what happened is told before anything is done about it
        self.publish()

    async def _sync(self) -> float | None:
        """One look at everything; returns when to look again without news."""
        late = self._past_deadline()
        if late is True:
            await self._fail("DeadlineExceeded", _DEADLINE, grace_of(self.pod))
            return None
        if excess := self.volumes.excess:
            self.client.record(self.pod, "Warning", "Evicted", excess)
            await self._fail("Evicted", excess, _EVICTION_GRACE)
            return None
        due = [] if late is False else [late]
        delay = self.volumes.refresh(self.pod, self._touched)
        self._touched.clear()
        self.kubelet.watch_objects(self)
        if delay is not None:
            return min([*due, self.clock.time() + delay])
        if not self._has_sandbox():
            return min([*due, self.clock.time() + RESYNC])
        for slot in wanted(self.slots):
            again = await self._ensure(slot)
            if again is not None:
                due.append(again)
            self._starter.probe(slot)
        return min(due, default=None)

    def _has_sandbox(self) -> bool:
        """Make it where it is missing. False when it cannot be made now."""
        if self.sandbox.net is not None:
            return True
        try:
            if any(slot.restarts >= 0 for slot in self.slots.values()):
                text = "Pod sandbox changed, it will be killed and re-created."
                self.client.record(self.pod, "Normal", "SandboxChanged", text)
            self.sandbox.make(self.pod)
        except SandboxError as error:
            text = f"Failed to create pod sandbox: {error}"
            self.client.record(self.pod, "Warning", "FailedCreatePodSandBox", text)
            return False
        return True

    def _past_deadline(self) -> bool | float:
        """True when activeDeadlineSeconds is over, else when it will be; False without one."""
        limit = objects.spec(self.pod).get("activeDeadlineSeconds")
        if limit is None:
            return False
        end = duration.parse_time(self._start_time).timestamp() + limit
        return True if self.clock.time() >= end else end

    async def _ensure(self, slot: Slot) -> float | None:
        """Start a container that should run and does not. Returns when to try again, if that has to wait."""
        if slot.running:
            if slot.fresh:
                await self._stop(slot, f"Container {slot.name} definition changed, will be restarted")
            elif slot.prober is not None and not slot.prober.results.live:
                kind = "liveness" if slot.prober.results.started else "startup"
                await self._stop(slot, f"Container {slot.name} failed {kind} probe, will be restarted", probe=kind)
            else:
                return None
        now = self.clock.time()
        code = slot.exit_code
        if code is not None and not slot.fresh:
            if not restarts(self.pod, slot, code):
                slot.waiting = None
                return None
            if slot.backoff.waiting(slot.ended_at, now):
                return self._back_off(slot)
            slot.backoff.next(now)
        return await self._starter.start(self.pod, slot)

    def _back_off(self, slot: Slot) -> float:
        name = assembly.full_name(self.pod)
        if slot.waiting is None or slot.waiting[0] != "CrashLoopBackOff":
            self._record(slot, "Warning", "BackOff", f"Back-off restarting failed container {slot.name} in pod {name}")
        delay = seconds(slot.backoff.delay)
        slot.waiting = ("CrashLoopBackOff", f"back-off {delay} restarting failed container={slot.name} pod={name}")
        return slot.backoff.until(slot.ended_at)

    def addresses(self) -> Mapping[str, str]:
        """What fieldRefs to status see."""
        pod, node = self.sandbox.ips, self.kubelet.node_ips
        return {
            "podIP": next(iter(pod), ""),
            "podIPs": ",".join(pod),
            "hostIP": node[0],
            "hostIPs": ",".join(node),
        }

    # -- the end

    async def _stop(self, slot: Slot, message: str, probe: str = "") -> None:
        grace = grace_of(self.pod, slot, probe)
        ip = self.sandbox.ip or ""
        await stop(slot, message, grace, record=self._record, node=self.kubelet.net, pod_ip=ip)

    async def _stop_all(self, grace: float) -> None:
        ip = self.sandbox.ip or ""
        await stop_all(self.slots.values(), grace, record=self._record, node=self.kubelet.net, pod_ip=ip)

    def _is_over(self) -> bool:
        return self._phase() in ("Succeeded", "Failed")

    async def _fail(self, reason: str, message: str, grace: float) -> None:
        """End the pod from the kubelet's side."""
        self.failure = (reason, message)
        self.publish()
        await self._stop_all(grace)

    async def _finish(self) -> None:
        """All containers are done for good: stop the sidecars, give up address and volumes, keep the logs."""
        await self._stop_all(grace_of(self.pod))
        await self._tear_down()
        self.kubelet.forget_objects(self)
        self.publish()

    async def _terminate(self) -> None:
        """The pod is being deleted, or is gone already."""
        if not self.finished:
            self.publish()
            grace = self.pod["metadata"].get("deletionGracePeriodSeconds")
            await self._stop_all(float(grace or 0))
            await self._tear_down()
            self.publish()
        if not self._gone:
            with suppress(NotFound, Conflict):
                self.client.delete("pods", self.key, DeleteOptions(grace_period_seconds=0, uid=self.uid))

    async def _tear_down(self) -> None:
        """Tell that the containers have stopped, then end the sandbox; only then is the pod over."""
        self._stopped = True
        self.publish()
        if not self._gone:
            await self.clock.sleep(TEAR_DOWN)
        self.sandbox.drop()
        self.volumes.drop()
        self.finished = True

    async def _abandon(self) -> None:
        """Leave nothing running, whatever ended the task. A pod that is still stored keeps its volumes."""
        for slot in self.slots.values():
            slot.forget_probes()
        self.kill()
        running = [slot.current.wait() for slot in self.slots.values() if slot.current and slot.current.running]
        if running:
            await asyncio.gather(*running)
        self.sandbox.drop()
        if self._gone:
            self.volumes.drop()
        self.kubelet.forget_objects(self)

    # -- telling

    def _record(self, slot: Slot, type_: str, reason: str, message: str) -> None:
        field = "containers" if slot.role == "main" else "initContainers"
        self.client.record(self.pod, type_, reason, message, field_path=f"spec.{field}{{{slot.name}}}")

    def _statuses(self) -> dict[str, Obj]:
        default = "PodInitializing" if any(slot.role != "main" for slot in self.slots.values()) else "ContainerCreating"
        return {name: slot.status(default) for name, slot in self.slots.items()}

    def _phase(self, made: Mapping[str, Obj] | None = None) -> str:
        if self.failure is not None:
            return "Failed"
        initialized = any(slot.created for slot in self.slots.values() if slot.role == "main")
        return statuses.phase(self.pod, made or self._statuses(), terminal=self._stopped, initialized=initialized)

    def publish(self) -> None:
        """Write the status when it differs from what is stored."""
        stored = self.client.find("pods", *self.key)
        if stored is None or objects.uid(stored) != self.uid:
            return
        status = self._status(stored)
        if status == stored.get("status"):
            return
        self._writing = True
        try:
            self.client.update_status("pods", {**stored, "metadata": {**stored["metadata"]}, "status": status})
        except (NotFound, Conflict):
            pass  # it went away, or somebody will write again: then there is another look
        finally:
            self._writing = False

    def _status(self, stored: Obj) -> Obj:
        made = self._statuses()
        return statuses.pod_status(
            self.pod,
            made,
            before=objects.status(stored),
            phase=self._phase(made),
            failure=self.failure,
            sandbox=self.sandbox.net is not None,
            node_ips=self.kubelet.node_ips,
            pod_ips=self.sandbox.ips,
            start_time=self._start_time,
            now=self.clock.now(),
            ended=self.finished,
        )
