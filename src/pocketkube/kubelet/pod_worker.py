"""One pod on its node, from binding to removal: volumes, sandbox, containers in order, restarts, the end.

Models pkg/kubelet/pod_workers.go, kuberuntime_manager.go (SyncPod, computePodActions) and the status manager. One task
per pod looks at the pod when something happened (an exit, a probe's verdict, a change of the pod or of an object it
shows) or is due (a back-off); a deletion interrupts whatever it is doing. Left out: ephemeral containers, in-place
resize, eviction, restart rules of single containers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pocketkube import duration, objects
from pocketkube.errors import Conflict, NotFound
from pocketkube.ipam import Full
from pocketkube.kubelet import assembly, lifecycle, sandbox
from pocketkube.kubelet import status as statuses
from pocketkube.kubelet.backoff import seconds
from pocketkube.kubelet.container import Container, StartError
from pocketkube.kubelet.environment import ConfigError, Environment
from pocketkube.kubelet.filesystem import MemoryTree
from pocketkube.kubelet.filesystem.host import remove_folder
from pocketkube.kubelet.probes import Prober
from pocketkube.kubelet.pulling import Puller, PullError
from pocketkube.kubelet.slot import Slot
from pocketkube.kubelet.volumes import plugins
from pocketkube.kubelet.volumes.base import Context, MountError, Volume
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import DeleteOptions

if TYPE_CHECKING:
    from pocketkube.kubelet.kubelet import Kubelet
    from pocketkube.network.fabric import PodNetwork

log = logging.getLogger(__name__)

SHORTEST_GRACE = 2.0
"""Seconds every container gets between its stop signal and SIGKILL, whatever the pod asks for."""
RESYNC = 10.0
"""Seconds after which a kubelet looks again at what it could not do."""
MOUNT_RETRY, MOUNT_RETRY_LONGEST = 0.5, 122.0
SETTLE = 4
_DEADLINE = "Pod was active on the node longer than the specified deadline"


class PodWorker:
    """`run` is its task. `update`, `removed` and `touched` take notes and wake it; they may be called from anywhere."""

    def __init__(self, kubelet: Kubelet, pod: Obj) -> None:
        self.kubelet = kubelet
        self.client = kubelet.client
        self.clock = kubelet.client.clock
        self.pod = pod
        self.uid = objects.uid(pod)
        self.ip: str | None = None
        self.net: PodNetwork | None = None
        self.hostname = ""
        self.volumes: dict[str, Volume] = {}
        self.files = MemoryTree(now=self.clock.time, capacity=1 << 20)
        self.slots: dict[str, Slot] = {}
        self.finished = False
        self.failure: tuple[str, str] | None = None
        """(reason, message) of a pod the kubelet ended itself."""
        self._folder: Path = kubelet.state_dir / "pods" / self.uid
        self._puller = Puller(kubelet.catalogue, self.clock.time)
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()
        self._living = False
        self._gone = False
        self._writing = False
        self._touched: set[tuple[str, Key]] = set()
        self._start_time = objects.status(pod).get("startTime") or self.clock.now()
        self._make_slots()

    def _make_slots(self) -> None:
        spec, stored = objects.spec(self.pod), objects.status(self.pod)
        for field, listed, init in (
            ("initContainers", "initContainerStatuses", True),
            ("containers", "containerStatuses", False),
        ):
            known = objects.by_name(stored.get(listed) or ())
            for container in spec.get(field) or ():
                name = container["name"]
                self.slots[name] = Slot(container, init=init, stored=known.get(name), now=self.clock.now())

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
        for volume in self.volumes.values():
            volume.context.pod = pod
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
        """(resource, key) of the ConfigMaps and Secrets this pod shows or is configured by."""
        space, spec = objects.namespace(self.pod), objects.spec(self.pod)
        for volume in self.volumes.values():
            yield from (found for found in volume.depends_on() if found[0] != "pods")
        for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
            sources = [
                *(container.get("envFrom") or ()),
                *(e.get("valueFrom") or {} for e in container.get("env") or ()),
            ]
            for source in sources:
                for field, resource in (
                    ("configMapRef", "configmaps"),
                    ("secretRef", "secrets"),
                    ("configMapKeyRef", "configmaps"),
                    ("secretKeyRef", "secrets"),
                ):
                    if source.get(field):
                        yield resource, (space, source[field].get("name", ""))

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
            asyncio.get_running_loop().call_later(delay, self.kill)

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
            await self._abandon()

    async def _live_until_ending(self) -> None:
        assert self._task is not None
        self._living = True
        try:
            if objects.status(self.pod).get("phase") in ("Succeeded", "Failed"):
                self.finished = True
            else:
                await self._live()
        except asyncio.CancelledError:
            if not self._ending.is_set() or self._task.uncancel() > 0:
                raise
        finally:
            self._living = False

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
            await self._fail("DeadlineExceeded", _DEADLINE)
            return None
        due = [] if late is False else [late]
        if not self._refresh_volumes():
            return min([*due, self.clock.time() + self._mount_delay()])
        if not self._make_sandbox():
            return min([*due, self.clock.time() + RESYNC])
        for slot in self._wanted():
            again = await self._ensure(slot)
            if again is not None:
                due.append(again)
            self._probe(slot)
        return min(due, default=None)

    def _past_deadline(self) -> bool | float:
        """True when activeDeadlineSeconds is over, else when it will be; False without one."""
        limit = objects.spec(self.pod).get("activeDeadlineSeconds")
        if limit is None:
            return False
        end = duration.parse_time(self._start_time).timestamp() + limit
        return True if self.clock.time() >= end else end

    def _wanted(self) -> Iterable[Slot]:
        """The containers that should be running now, in order; looked at while earlier ones are being started."""
        initialized = any(slot.current is not None for slot in self.slots.values() if slot.role == "main")
        for slot in tuple(self.slots.values()):
            if slot.role == "sidecar":
                yield slot
                if not slot.started and not initialized:
                    return
            elif slot.role == "init":
                if initialized or (slot.exit_code == 0 and slot.current is not None):
                    continue
                yield slot
                return
            else:
                yield slot

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
            if not self._restarts(slot, code):
                slot.waiting = None
                return None
            if slot.backoff.waiting(slot.ended_at, now):
                return self._back_off(slot)
            slot.backoff.next(now)
        return await self._start(slot)

    def _restarts(self, slot: Slot, code: int) -> bool:
        """Whether a container that ended with that code is started again."""
        if slot.role == "main":
            return statuses.should_restart(self.policy, code)
        if slot.role == "sidecar" or (slot.current is None and code == 0):
            return True  # a new sandbox after a restart of the node runs all init containers again
        return code != 0 and self.policy != "Never"

    def _back_off(self, slot: Slot) -> float:
        name = assembly.full_name(self.pod)
        if slot.waiting is None or slot.waiting[0] != "CrashLoopBackOff":
            self._record(slot, "Warning", "BackOff", f"Back-off restarting failed container {slot.name} in pod {name}")
        delay = seconds(slot.backoff.delay)
        slot.waiting = ("CrashLoopBackOff", f"back-off {delay} restarting failed container={slot.name} pod={name}")
        return slot.backoff.until(slot.ended_at)

    async def _start(self, slot: Slot) -> float | None:
        def record(type_: str, reason: str, message: str) -> None:
            self._record(slot, type_, reason, message)

        try:
            image = self._puller.pull(slot.spec["image"], slot.spec.get("imagePullPolicy", "IfNotPresent"), record)
        except PullError as error:
            record("Warning", "Failed", f"Error: {error.reason}")
            slot.waiting = (error.reason, error.message)
            slot.fresh = False
            return error.again
        try:
            config = assembly.configure(
                self.pod,
                slot.spec,
                image,
                hostname=self.hostname,
                environment=self._environment().of,
                services=self.kubelet.services,
            )
            files = assembly.files(
                self.pod,
                slot.spec,
                config,
                volumes=self.volumes,
                kubelet_files=self.files,
                now=self.clock.time,
            )
        except ConfigError as error:
            record("Warning", "Failed", f"Error: {error}")
            slot.waiting = ("CreateContainerConfigError", str(error))
            return self.clock.time() + RESYNC
        assert self.net is not None
        container = Container(
            config,
            fs=files,
            net=self.net.share(),
            clock=self.clock,
            attempt=slot.restarts + 1,
            on_exit=self._wake.set,
        )
        slot.forget_probes()
        slot.take(container)
        record("Normal", "Created", "Container created")
        try:
            container.start()
        except StartError as error:
            record("Warning", "Failed", f"Error: {error}")
            if self._restarts(slot, slot.exit_code or 0):
                slot.waiting = ("RunContainerError", str(error))
            return self.clock.time()
        record("Normal", "Started", "Container started")
        slot.prober = Prober(
            slot.spec,
            container,
            node=self.kubelet.net,
            pod_ip=self.ip or "",
            record=record,
            change=self._wake.set,
        )
        await self._post_start(slot, container)
        for _ in range(SETTLE):  # a kubelet notices a start late enough for the program to have begun; so do we
            await asyncio.sleep(0)
        return None

    async def _post_start(self, slot: Slot, container: Container) -> None:
        hook = (slot.spec.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        try:
            await lifecycle.run_hook(container, slot.spec, hook, self.kubelet.net, self.ip or "")
        except (lifecycle.Failure, lifecycle.HandlerError):
            if container.running:
                self._record(slot, "Warning", "FailedPostStartHook", "PostStartHook failed")
                await self._stop(slot, "FailedPostStartHook")

    def _environment(self) -> Environment:
        return Environment(self.client, self.pod, status=self.addresses, allocatable=self.kubelet.node.allocatable)

    def addresses(self) -> Mapping[str, str]:
        """What fieldRefs to status see."""
        pod, node = self.ip or "", self.kubelet.node_ip
        return {"podIP": pod, "podIPs": pod, "hostIP": node, "hostIPs": node}

    def _probe(self, slot: Slot) -> None:
        """Run the probes a running container has by now."""
        prober = slot.prober
        if prober is None or not slot.running or (slot.probing and not prober.results.started):
            return
        running = {task.get_name() for task in slot.probing if not task.done()}
        for kind in prober.kinds():
            name = f"{kind} {slot.name} {self.uid}"
            if name not in running and (kind != "livenessProbe" or prober.results.live):
                task = self.kubelet.spawn(prober.run(kind), name)
                slot.probing.add(task)
                task.add_done_callback(slot.probing.discard)

    # -- volumes and sandbox

    def _refresh_volumes(self) -> bool:
        """Set up what is missing, refresh what was touched. False when something is (still) missing."""
        good = True
        for source in objects.spec(self.pod).get("volumes") or ():
            name = source["name"]
            known = self.volumes.get(name)
            try:
                if known is None:
                    volume = self._plugin(source)
                    volume.set_up()
                    self.volumes[name] = volume
                elif self._touched and set(known.depends_on()) & self._touched:
                    known.refresh()
            except MountError as error:
                text = str(error) if error.whole else f'MountVolume.SetUp failed for volume "{name}" : {error}'
                self.client.record(self.pod, "Warning", "FailedMount", text)
                good = good and known is not None  # a mounted volume keeps what it shows
        self._touched.clear()
        self.kubelet.watch_objects(self)
        if good:
            self._mount_attempts = 0
        return good

    _mount_attempts = 0

    def _mount_delay(self) -> float:
        self._mount_attempts += 1
        return float(min(MOUNT_RETRY * 2 ** (self._mount_attempts - 1), MOUNT_RETRY_LONGEST))

    def _plugin(self, source: Obj) -> Volume:
        kind = next((field for field in source if field != "name" and source[field] is not None), "emptyDir")
        plugin = plugins().get(kind)
        if plugin is None:
            raise MountError(f"pocketkube: volumes of type {kind} are not supported")
        context = Context(
            client=self.client,
            clock=self.clock,
            pod=self.pod,
            folder=self._folder / source["name"],
            node_folder=self.kubelet.state_dir / "disk",
            host_trees=self.kubelet.host_trees,
            field_status=self.addresses,
            allocatable=self.kubelet.node.allocatable,
            services=self.kubelet.services,
            fs_group=(objects.spec(self.pod).get("securityContext") or {}).get("fsGroup"),
        )
        return plugin(context, source["name"], source.get(kind) or {})

    def _make_sandbox(self) -> bool:
        """Address, network, shared files. False when it cannot be made now."""
        if self.net is not None:
            return True
        kubelet, zone = self.kubelet, self.kubelet.zone
        host = bool(objects.spec(self.pod).get("hostNetwork"))
        if any(slot.restarts >= 0 for slot in self.slots.values()):
            self.client.record(
                self.pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
            )
        try:
            self.hostname = kubelet.node_name if host else sandbox.kernel_hostname(self.pod, zone)
            if host:
                self.ip, self.net = kubelet.node_ip, kubelet.net
            else:
                self.ip = kubelet.addresses.allocate()
                self.net = kubelet.fabric.attach(self.ip, objects.name(self.pod), node=kubelet.node_name)
        except (sandbox.SandboxError, Full) as error:
            self.client.record(self.pod, "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            return False
        put = self.files.put
        put("hosts", sandbox.hosts_file(self.pod, self.ip, zone).encode())
        put("resolv.conf", sandbox.resolv_file(self.pod, zone, kubelet.upstream_dns).encode())
        put("hostname", f"{self.hostname}\n".encode())
        return True

    def _drop_sandbox(self) -> None:
        if self.net is not None and self.net is not self.kubelet.net and self.ip is not None:
            self.kubelet.fabric.detach(self.ip)
            self.kubelet.addresses.release(self.ip)
        self.net = None

    def _drop_volumes(self) -> None:
        for volume in self.volumes.values():
            volume.tear_down()
        self.volumes.clear()
        self.kubelet.forget_objects(self)
        if self._folder.exists():
            remove_folder(self._folder)

    # -- stopping

    async def _stop(self, slot: Slot, message: str, *, probe: str = "", grace: float | None = None) -> None:
        """Stop one container: event, preStop, stop signal, SIGKILL when the grace period is over."""
        container = slot.current
        if container is None or not container.running:
            return
        self._record(slot, "Normal", "Killing", message)
        slot.forget_probes()
        if grace is None:
            spec = slot.spec.get(f"{probe}Probe") or {}
            own = spec.get("terminationGracePeriodSeconds")
            pods = objects.spec(self.pod).get("terminationGracePeriodSeconds", 30)
            grace = float(pods if own is None else own)
        began = self.clock.time()
        hook = (slot.spec.get("lifecycle") or {}).get("preStop")
        if hook and grace > 0:
            try:
                async with self.clock.timeout(grace):
                    await lifecycle.run_hook(container, slot.spec, hook, self.kubelet.net, self.ip or "")
            except (lifecycle.Failure, lifecycle.HandlerError):
                if container.running:
                    self._record(slot, "Warning", "FailedPreStopHook", "PreStopHook failed")
            except TimeoutError:
                pass
        left = grace - (self.clock.time() - began)
        await container.stop(max(left, SHORTEST_GRACE))

    async def _stop_all(self, grace: float, message: str = "Stopping container {name}") -> None:
        """Everything but sidecars at once, then the sidecars, last started first, in the time that is left."""
        began = self.clock.time()
        async with asyncio.TaskGroup() as group:
            for slot in self.slots.values():
                if slot.role != "sidecar":
                    group.create_task(self._stop(slot, message.format(name=slot.name), grace=grace))
        for slot in reversed([slot for slot in self.slots.values() if slot.role == "sidecar"]):
            left = max(0.0, grace - (self.clock.time() - began))
            await self._stop(slot, message.format(name=slot.name), grace=left)

    def _is_over(self) -> bool:
        return self._phase() in ("Succeeded", "Failed")

    async def _fail(self, reason: str, message: str) -> None:
        """End the pod from the kubelet's side."""
        self.failure = (reason, message)
        self.publish()
        await self._stop_all(float(objects.spec(self.pod).get("terminationGracePeriodSeconds", 30)))

    async def _finish(self) -> None:
        """All containers are done for good: stop the sidecars, give up address and volumes, keep the logs."""
        await self._stop_all(float(objects.spec(self.pod).get("terminationGracePeriodSeconds", 30)))
        self.finished = True
        self._drop_sandbox()
        self._drop_volumes()
        self.publish()

    async def _terminate(self) -> None:
        """The pod is being deleted, or is gone already."""
        grace = self.pod["metadata"].get("deletionGracePeriodSeconds")
        await self._stop_all(float(grace or 0))
        over = self.finished
        self.finished = True
        self._drop_sandbox()
        if not self._gone:
            if not over:
                self.publish()
            with suppress(NotFound, Conflict):
                self.client.delete("pods", self.key, DeleteOptions(grace_period_seconds=0, uid=self.uid))

    async def _abandon(self) -> None:
        """Leave nothing running, whatever ended the task. A pod that is still stored keeps its volumes."""
        for slot in self.slots.values():
            slot.forget_probes()
        self.kill()
        running = [slot.current.wait() for slot in self.slots.values() if slot.current and slot.current.running]
        if running:
            await asyncio.gather(*running)
        self._drop_sandbox()
        if self._gone:
            self._drop_volumes()
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
        return statuses.phase(self.pod, made or self._statuses(), terminal=self.finished, initialized=initialized)

    def publish(self) -> None:
        """Write the status when it differs from what is stored."""
        stored = self.client.find("pods", *self.key)
        if stored is None or objects.uid(stored) != self.uid:
            return
        status = self.status(stored)
        if status == stored.get("status"):
            return
        self._writing = True
        try:
            self.client.update_status("pods", {**stored, "metadata": {**stored["metadata"]}, "status": status})
        except (NotFound, Conflict):
            pass  # it went away, or somebody will write again: then there is another look
        finally:
            self._writing = False

    def status(self, stored: Obj) -> Obj:
        """The whole status; what the kubelet does not own is taken from the stored one."""
        before, made = objects.status(stored), self._statuses()
        phase = self._phase(made)
        if before.get("phase") in ("Succeeded", "Failed"):
            phase = before["phase"]
        status: Obj = {k: v for k, v in before.items() if k in ("nominatedNodeName", "resize")}
        generation = self.pod["metadata"].get("generation")
        if generation:
            status["observedGeneration"] = generation
        status["phase"] = phase
        status["conditions"] = statuses.conditions(
            self.pod,
            made,
            phase,
            sandbox=self.net is not None,
            before=before.get("conditions") or (),
            now=self.clock.now(),
        )
        if self.failure is not None:
            status["reason"], status["message"] = self.failure
        else:
            status |= {k: before[k] for k in ("reason", "message") if before.get(k) and before.get("phase") == phase}
        status["hostIP"] = self.kubelet.node_ip
        status["hostIPs"] = [{"ip": self.kubelet.node_ip}]
        address = self.ip or before.get("podIP")
        if address:
            status["podIP"], status["podIPs"] = address, [{"ip": address}]
        status["startTime"] = self._start_time
        spec = objects.spec(self.pod)
        if spec.get("initContainers"):
            status["initContainerStatuses"] = [made[c["name"]] for c in spec["initContainers"]]
        status["containerStatuses"] = sorted(
            (made[c["name"]] for c in spec["containers"]), key=lambda s: str(s["name"])
        )
        if before.get("qosClass"):
            status["qosClass"] = before["qosClass"]
        status["resources"] = {}
        return status
