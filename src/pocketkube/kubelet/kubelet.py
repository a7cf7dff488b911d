"""The kubelet: one node. It registers the Node, keeps it alive, and gives every pod bound to it a worker.

Models pkg/kubelet/kubelet.go (syncLoop). Everything runs in one TaskGroup: cancelling `run` kills all containers, and
the stored pods stay as they are; the next run finds them as a kubelet finds its pods after the node rebooted: all
containers start again as new instances. Left out: static pods, eviction by a node under pressure.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketkube import objects, quantity
from pocketkube.client import Client
from pocketkube.errors import Conflict, NotFound, StatusError
from pocketkube.ipam import PodAddresses
from pocketkube.kubelet import pending
from pocketkube.kubelet.cpu import Cpu
from pocketkube.kubelet.disk import open_disk
from pocketkube.kubelet.filesystem import HostTree
from pocketkube.kubelet.node import NodeAgent
from pocketkube.kubelet.pod_state import LOGS, PodState
from pocketkube.kubelet.pod_volumes import remove_pod_folder
from pocketkube.kubelet.pod_worker import PodWorker
from pocketkube.kubelet.process_sharing import FirstProcess
from pocketkube.kubelet.rounds import Rounds
from pocketkube.kubelet.starting import RESYNC
from pocketkube.kubelet.usage import SYSTEM_CPU, SYSTEM_MEMORY, ContainerUsage, NodeUsage, Usage
from pocketkube.kubelet.volumes.inuse import VolumesInUse
from pocketkube.network.fabric import OUTSIDE, OUTSIDE_IPV6
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import DeleteOptions
from pocketkube.store import DELETED, Event

if TYPE_CHECKING:
    from pocketkube.images.base import Image
    from pocketkube.network.fabric import Fabric, PodNetwork

log = logging.getLogger(__name__)

FOLLOWED = (
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
    "persistentvolumes",
    "volumeattachments",
    "csidrivers",
    "csinodes",
    "nodes",
)
"""What pods show, are configured by, or wait for."""
FIRST_RETRY, LONGEST_RETRY = 0.1, 7.0
"""Seconds until a node that could not be registered is registered anew, doubled each time."""


class Kubelet:
    """`services`: what the cluster lends: `tokens` (issues service account tokens), `csi` (the drivers of the node, by
    name), `dns` and the like for images. `rounds`: where programs take turns, one for all nodes. `keep_programs`: see
    cluster.Config."""

    def __init__(
        self,
        client: Client,
        node_name: str,
        *,
        fabric: Fabric,
        catalogue: Mapping[str, type[Image]],
        state_dir: Path,
        node_ips: tuple[str, ...],
        pod_cidrs: tuple[str, ...],
        zone: str | None = None,
        roles: tuple[str, ...] = (),
        services: Mapping[str, Any] | None = None,
        capacity: Mapping[str, str] | None = None,
        rounds: Rounds | None = None,
        keep_programs: bool = False,
    ) -> None:
        self.client = client
        self.keep_programs = keep_programs
        self.clock = client.clock
        self.node_name = node_name
        self.node_ips = node_ips
        """One of each family, the primary one first; so are the ranges pods get their addresses from."""
        self.fabric = fabric
        self.catalogue = catalogue
        self.state_dir = state_dir
        self.services = services if services is not None else {}
        self.zone = client.registry.zone
        self.upstream_dns = OUTSIDE_IPV6 if ":" in node_ips[0] else OUTSIDE
        self.addresses = [PodAddresses(cidr) for cidr in pod_cidrs]
        self._started_at = self.clock.time()
        self.in_use = VolumesInUse(client, node_name)
        self.node = NodeAgent(
            client,
            node_name,
            addresses=node_ips,
            pod_cidrs=pod_cidrs,
            zone=zone,
            roles=roles,
            capacity=capacity or {},
            catalogue=catalogue,
            drivers=self.services.get("csi"),
        )
        self.cpu = Cpu(
            self.clock,
            float(quantity.parse(self.node.capacity["cpu"])),
            rounds,
            memory=quantity.value(self.node.capacity["memory"]),
            memory_used=lambda: self.usage().usage.memory,
        )
        self.net: PodNetwork = fabric.attach(node_ips[0], node_name, also=node_ips[1:])
        self.host_processes = FirstProcess(self, "/sbin/init", 0)
        """What pods with hostPID see."""
        self._workers: dict[str, PodWorker] = {}
        """By pod uid: a pod may be made again under its name while the old one still ends."""
        self._by_key: dict[Key, PodWorker] = {}
        self._watched: dict[tuple[str, Key], set[PodWorker]] = defaultdict(set)
        self._watching: dict[PodWorker, set[tuple[str, Key]]] = {}
        """The same the other way round."""
        self._tasks: asyncio.TaskGroup | None = None
        self._news: asyncio.Queue[Obj] = asyncio.Queue()

    def disk(self) -> HostTree:
        """What is mounted at / on this node."""
        return open_disk(self.state_dir / "disk", self.node_name, self.node_ips)

    def register(self) -> None:
        """Create or update the Node and its Lease."""
        self.node.register()
        self.node.renew()

    async def _until_registered(self) -> None:
        """Try again, later each time, where somebody (an admission policy) refuses it."""
        delay = FIRST_RETRY
        while True:
            try:
                return self.register()
            except StatusError as error:
                log.warning("node %s cannot be registered: %s", self.node_name, error)
            await self.clock.sleep(delay)
            delay = min(2 * delay, LONGEST_RETRY)

    async def run(self) -> None:
        """Serve the node until cancelled."""
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        following = ExitStack()
        following.callback(self.client.subscribe("pods", self._pod_event))
        for kind in FOLLOWED:
            following.callback(self.client.subscribe(kind, self._object_event))
        try:
            await self._until_registered()
            self.in_use.write()
            existing = [pod for pod in self.client.list("pods") if self._is_mine(pod)]
            self._clean({objects.uid(pod) for pod in existing})
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._stay_alive(), name=f"{self.node_name} heartbeat")
                with following:  # a node that ends hears nothing more, and then its pods end
                    for pod in existing:
                        await asyncio.sleep(0)  # who waits for the node or asks the API server goes first
                        self._work_on(pod)
                    while True:
                        self._work_on(await self._news.get())
        finally:
            following.close()
            self.host_processes.drop()
            self._tasks = None
            self.fabric.detach(self.node_ips[0])

    def pod(self, namespace: str, name: str) -> PodState | None:
        """What is known of a pod that runs (or ran) here."""
        worker = self._by_key.get((namespace, name))
        return worker.state if worker is not None else None

    def admitted(self) -> Iterator[PodState]:
        """The pods this node has taken and not finished with."""
        states = (worker.state for worker in self._workers.values())
        return (state for state in states if state.admitted and not state.finished)

    def usage(self) -> NodeUsage:
        """What the node and its running containers use, read now."""
        now = self.clock.time()
        self.cpu.settle()
        containers = tuple(
            ContainerUsage(
                *worker.state.key,
                slot.name,
                slot.current.started_time,
                Usage(slot.current.cgroup.cpu.used, slot.current.cgroup.memory),
            )
            for worker in self._workers.values()
            for slot in worker.state.slots.values()
            if slot.running and slot.current is not None
        )
        system = Usage(SYSTEM_CPU * (now - self._started_at), SYSTEM_MEMORY)
        whole = Usage(
            self.cpu.processor.used + system.cpu_seconds,
            sum((container.usage.memory for container in containers), system.memory),
        )
        return NodeUsage(self.node_name, now, self._started_at, whole, containers)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task of this kubelet; what it raises is logged, and does not end the others."""
        assert self._tasks is not None, "the kubelet is not running"
        task = self._tasks.create_task(_logged(work, name), name=name)
        task.add_done_callback(lambda _: work.close())  # a task that is cancelled before it begins never gets to it
        return task

    # -- events: taking notes only

    def _is_mine(self, pod: Obj) -> bool:
        return objects.spec(pod).get("nodeName") == self.node_name

    def _pod_event(self, event: Event) -> None:
        pod = event.object
        if not self._is_mine(pod):
            return
        worker = self._workers.get(objects.uid(pod))
        if event.type == DELETED:
            if worker is not None:
                worker.removed()
        elif worker is not None:
            worker.update(pod)
        else:
            self._news.put_nowait(pod)

    def _object_event(self, event: Event) -> None:
        at = (event.resource, objects.key(event.object))
        for worker in tuple(self._watched.get(at, ())):
            worker.touched(*at)

    def watch_objects(self, worker: PodWorker) -> None:
        """Tell `worker` of changes to the objects it depends on now."""
        wanted, watched = set(worker.state.depends_on()), self._watching.get(worker, set())
        for at in wanted - watched:
            self._watched[at].add(worker)
        for at in watched - wanted:
            self._watched[at].discard(worker)
            if not self._watched[at]:
                del self._watched[at]
        self._watching[worker] = wanted

    def forget_objects(self, worker: PodWorker) -> None:
        for at in self._watching.pop(worker, ()):
            self._watched[at].discard(worker)
            if not self._watched[at]:
                del self._watched[at]

    # -- work

    def _work_on(self, pod: Obj) -> None:
        uid = objects.uid(pod)
        stored = self.client.find("pods", *objects.key(pod))
        if uid in self._workers or stored is None or objects.uid(stored) != uid:
            return
        try:
            worker = PodWorker(self, stored)
        except Exception as error:  # one bad pod must not take the node down
            self._cannot_work_on(stored, error)
            return
        self._workers[uid] = self._by_key[objects.key(pod)] = worker
        if objects.is_terminating(stored):
            worker.update(stored)
        self.spawn(self._run(worker), f"pod {objects.namespace(pod)}/{objects.name(pod)}")

    def _cannot_work_on(self, pod: Obj, error: Exception) -> None:
        """Say so and try again later; a pod that is being deleted goes, for nothing of it runs."""
        log.error("pod %s/%s cannot be worked on", *objects.key(pod), exc_info=error)
        self.client.record(pod, "Warning", "FailedSync", f"error determining status: {error!r}")
        if objects.is_terminating(pod):
            with suppress(NotFound, Conflict):
                options = DeleteOptions(grace_period_seconds=0, uid=objects.uid(pod))
                self.client.delete("pods", objects.key(pod), options)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(RESYNC / self.clock.speed, self._news.put_nowait, pod)

    async def _run(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        finally:
            self._workers.pop(worker.state.uid, None)
            pending.retry(self)
            if self._by_key.get(worker.state.key) is worker:
                del self._by_key[worker.state.key]

    async def _stay_alive(self) -> None:
        while True:
            await self.clock.sleep(self.node.renew_seconds)
            try:
                self.node.stay_alive()
            except StatusError:
                log.exception("%s could not renew its lease", self.node_name)

    def _clean(self, known: set[str]) -> None:
        """Remove the folders of pods that went away while nobody looked, and logs nobody can ask for any more."""
        shutil.rmtree(self.state_dir / LOGS, ignore_errors=True)
        folder = self.state_dir / "pods"
        for left in folder.iterdir() if folder.is_dir() else ():
            if left.name not in known:
                remove_pod_folder(left, self.services)


async def _logged(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:
        log.exception("%s failed", name)
