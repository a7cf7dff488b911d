"""A cluster without HTTP and without containers: the registry, the controllers, the scheduler and a fake kubelet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

from pocketkube import errors, objects
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.controllers import scan
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import DeleteOptions
from pocketkube.resources.nodes import NOT_READY
from pocketkube.scheduler import Scheduler
from pocketkube.store import Event, Store

ZONE = {
    "pod_cidr": "10.244.0.0/16",
    "service_cidr": "10.96.0.0/16",
    "dns_ip": "10.96.0.10",
    "cluster_domain": "cluster.local",
    "ca_crt": "-----BEGIN CERTIFICATE-----\nQ0E=\n-----END CERTIFICATE-----\n",
}
NAMESPACE = "test"
PATIENCE = 20
"""Real seconds after which a state that does not come is given up."""


class World:
    """`w.create(...)`, then `await w.until(lambda: ...)`: conditions are asked again after every write."""

    def __init__(self, *, speed: float = 1.0, **options: str) -> None:
        """`options`: of the controllers, as in the registry's zone. These nodes renew no leases: by default no silence
        is too long."""
        self.registry = Registry(Store(None), Clock(speed), {**ZONE, "node_monitor_grace_period": "inf", **options})
        self.client = Client(self.registry, "test")
        self.not_ready: set[str] = set()
        """Names (or generateNames) of pods the kubelet leaves unready."""
        self.stubborn = False
        """Whether deleted pods stay until `bury`."""
        self._changed = asyncio.Event()
        self._addresses = 0
        for resource in self.registry.resources:
            self.client.subscribe(resource, lambda event: self._changed.set())
        self.create("namespaces", {"metadata": {"name": NAMESPACE}})

    # -- acting

    def create(self, resource: str, obj: Obj) -> Obj:
        if self.registry.resources[resource].namespaced:
            obj["metadata"].setdefault("namespace", NAMESPACE)
        return self.client.create(resource, obj)

    def node(self, name: str, *, zone: str = "", pods: int = 110, cpu: str = "8", **spec: Any) -> Obj:
        labels = {"kubernetes.io/hostname": name, **({"topology.kubernetes.io/zone": zone} if zone else {})}
        node = self.create("nodes", {"metadata": {"name": name, "labels": labels}, "spec": spec})
        size = {"cpu": cpu, "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": str(pods)}
        status = {
            "capacity": size,
            "allocatable": size,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": self.registry.clock.now()}],
        }
        self.client.update_status("nodes", {**objects.copy(node), "status": status})
        return self.client.patch("nodes", ("", name), _without_not_ready)

    def deployment(self, name: str = "web", replicas: int = 1, **spec: Any) -> Obj:
        labels = {"app": name}
        body = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec()},
            **spec,
        }
        return self.create("deployments", {"metadata": {"name": name}, "spec": body})

    def pod(self, name: str, labels: dict[str, str] | None = None, **spec: Any) -> Obj:
        return self.create("pods", {"metadata": {"name": name, "labels": labels or {}}, "spec": {**pod_spec(), **spec}})

    def service(self, name: str = "web", selector: dict[str, str] | None = None, **spec: Any) -> Obj:
        body = {"ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
        if selector is not None:
            body["selector"] = selector
        return self.create("services", {"metadata": {"name": name}, "spec": body})

    def patch(self, resource: str, name: str, change: Callable[[Obj], None], **kwargs: Any) -> Obj:
        return self.client.patch(resource, (self._space(resource), name), change, **kwargs)

    def delete(self, resource: str, name: str, policy: str | None = None, grace: int | None = None) -> None:
        options = DeleteOptions(grace_period_seconds=grace, propagation_policy=policy)
        self.client.delete(resource, (self._space(resource), name), options)

    def _space(self, resource: str) -> str:
        return NAMESPACE if self.registry.resources[resource].namespaced else ""

    # -- looking

    def get(self, resource: str, name: str) -> Obj:
        return self.client.get(resource, self._space(resource), name)

    def find(self, resource: str, name: str) -> Obj | None:
        return self.client.find(resource, self._space(resource), name)

    def list(self, resource: str, **labels: str) -> list[Obj]:
        space = self._space(resource) or None
        return [o for o in self.client.list(resource, space) if labels.items() <= objects.labels(o).items()]

    def events(self, name: str, *, reason: str = "") -> list[str]:
        """Messages of the events about the object of that name, oldest first."""
        about = [e for e in self.client.list("events") if e["involvedObject"]["name"] == name]
        ordered = sorted(about, key=lambda e: int(e["metadata"]["resourceVersion"]))
        return [e["message"] for e in ordered if not reason or e["reason"] == reason]

    def slices(self, service: str = "web") -> list[Obj]:
        labels = {"kubernetes.io/service-name": service}
        return self.client.list("endpointslices", NAMESPACE, labels)

    def endpoints(self, service: str = "web") -> list[Obj]:
        return [endpoint for found in self.slices(service) for endpoint in found.get("endpoints") or ()]

    def ready(self, service: str = "web") -> set[str]:
        """Names of the pods that are ready endpoints."""
        return {e["targetRef"]["name"] for e in self.endpoints(service) if e["conditions"]["ready"]}

    def available(self, name: str = "web") -> int:
        return int(objects.status(self.get("deployments", name)).get("availableReplicas", 0))

    def rolled_out(self, name: str = "web") -> bool:
        deployment = self.get("deployments", name)
        status, wanted = objects.status(deployment), deployment["spec"]["replicas"]
        return status.get("observedGeneration") == deployment["metadata"]["generation"] and all(
            status.get(field, 0) == wanted for field in ("replicas", "updatedReplicas", "availableReplicas")
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a state. What it speaks of may be away (a pod before it is made again): then it does not hold."""

        def held() -> bool:
            try:
                return holds()
            except errors.NotFound:
                return False

        async with asyncio.timeout(PATIENCE):
            while not held():
                self._changed.clear()
                await self._changed.wait()

    async def settle(self) -> None:
        """Wait until nobody has anything left to do at once: no write in 50 turns of the loop and 20 ms."""
        async with asyncio.timeout(PATIENCE):
            while True:
                revision = self.registry.store.revision
                for _ in range(50):
                    await asyncio.sleep(0)
                await asyncio.sleep(0.02)
                if revision == self.registry.store.revision:
                    return

    # -- the fake kubelet

    async def kubelet(self) -> None:
        """Every scheduled pod runs and is ready at once; a deleted one goes at once unless `stubborn`."""
        waiting: list[tuple[str, str]] = []
        wake = asyncio.Event()

        def note(event: Event) -> None:
            if event.type != "DELETED" and objects.spec(event.object).get("nodeName"):
                waiting.append(objects.key(event.object))
                wake.set()

        stop = self.client.subscribe("pods", note)
        try:
            for pod in self.client.list("pods"):
                note(Event("ADDED", "pods", pod, None, 0))
            while True:
                while not waiting:
                    wake.clear()
                    await wake.wait()
                self._tend(waiting.pop(0))
                await asyncio.sleep(0)
        finally:
            stop()

    def _tend(self, key: objects.Key) -> None:
        pod = self.client.find("pods", *key)
        if pod is None:
            return
        if objects.is_terminating(pod):
            if not self.stubborn:
                self.client.delete("pods", key, DeleteOptions(grace_period_seconds=0))
        elif objects.status(pod).get("phase") == "Pending":
            self._addresses += 1
            ip = f"10.244.{self._addresses // 250}.{self._addresses % 250 + 1}"
            self.set_ready(key[1], self._is_to_be_ready(pod), phase="Running", ip=ip, namespace=key[0])

    def _is_to_be_ready(self, pod: Obj) -> bool:
        return self.not_ready.isdisjoint({objects.name(pod), pod["metadata"].get("generateName", "")})

    def set_ready(self, name: str, ready: bool, *, phase: str = "", ip: str = "", namespace: str = NAMESPACE) -> None:
        def change(pod: Obj) -> None:
            status = pod.setdefault("status", {})
            if phase:
                status["phase"] = phase
            if ip:
                status.update(podIP=ip, podIPs=[{"ip": ip}])
            condition = {
                "type": "Ready",
                "status": "True" if ready else "False",
                "lastProbeTime": None,
                "lastTransitionTime": self.registry.clock.now(),
            }
            others = [c for c in status.get("conditions") or () if c["type"] != "Ready"]
            status["conditions"] = [*others, condition]

        self.client.patch("pods", (namespace, name), change, subresource="status")

    def bury(self, name: str) -> None:
        """What a kubelet does when the last container of a deleted pod has stopped."""
        self.delete("pods", name, grace=0)


def pod_spec() -> Obj:
    return {"containers": [{"name": "c", "image": "registry.k8s.io/e2e-test-images/agnhost:2.63.0", "args": ["pause"]}]}


@asynccontextmanager
async def running(world: World, names: Iterable[str] | None = None) -> AsyncIterator[World]:
    """The controllers (all, or those named), the scheduler and the kubelet as tasks."""
    chosen = [c for c in scan() if names is None or c.name in names]
    parts = [c(Client(world.registry, c.name)).run() for c in chosen]
    parts += [Scheduler(Client(world.registry, "default-scheduler")).run(), world.kubelet()]
    async with working(parts):
        yield world


@asynccontextmanager
async def working(parts: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """The parts of a cluster as tasks, cancelled in the end; one that has died of something fails the test."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _without_not_ready(node: Obj) -> None:
    """As the node lifecycle controller leaves a node that is Ready: it may not be running here."""
    kept = [taint for taint in node["spec"]["taints"] if taint["key"] != NOT_READY]
    node["spec"]["taints"] = kept
