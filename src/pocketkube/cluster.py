"""The composition root: one cluster, its parts created in order and run under one TaskGroup.

`async with Cluster(Config(state_dir)) as cluster:` gives a serving cluster whose nodes are Ready; leaving the block
stops everything. Nothing else in pocketkube knows how the parts fit together. Left out: more than one control plane.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pocketkube import bootstrap_policy, images, objects
from pocketkube.addressing import Addressing, of_cluster
from pocketkube.apiserver.pki import Pki
from pocketkube.apiserver.server import ApiServer
from pocketkube.apiserver.tokens import Tokens
from pocketkube.bootstrap import bootstrap, install_addons
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.controllers import horizontalpodautoscaler as autoscaler
from pocketkube.controllers import nodelifecycle
from pocketkube.controllers import scan as controllers
from pocketkube.kubelet.kubelet import Kubelet
from pocketkube.kubelet.rounds import Rounds
from pocketkube.kubelet.runtime import Runtime
from pocketkube.kubelet.usage import NodeUsage
from pocketkube.machines import Machines
from pocketkube.network.api_endpoint import ApiEndpoint
from pocketkube.network.dialer import Dialer
from pocketkube.network.fabric import Fabric
from pocketkube.network.hostports import HostPorts
from pocketkube.network.policy import AllowAll
from pocketkube.network.policy_engine import PolicyEngine
from pocketkube.network.proxy import Proxy
from pocketkube.network.proxy_health import ProxyHealth
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.nodes import NOT_READY
from pocketkube.scheduler import Scheduler
from pocketkube.storage.base import Backend
from pocketkube.storage.driver import NAME as CSI_HOSTPATH
from pocketkube.storage.driver import HostPathDriver
from pocketkube.storage.sidecars import Sidecars
from pocketkube.store import Store

log = logging.getLogger(__name__)

CONTROLLER_MANAGER = "kube-controller-manager"
ADDONS_WITHIN = 5.0
"""Seconds after which a cluster is ready without what its add-ons should have brought."""

CSI_HOSTPATH_ADDON = "csi-hostpath"


@dataclass(frozen=True)
class Node:
    """`addresses` and `pod_cidrs`: one of each family, the primary one first."""

    name: str
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    zone: str | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """`state_dir` holds everything the cluster keeps. `port` 0 lets the system choose the API server's port."""

    state_dir: Path
    name: str = "pocket"
    port: int = 0
    in_memory: bool = False
    """Keep the objects in memory only: they are gone when the process is, and a write costs half as much."""
    workers: int = 2
    node: str = ""
    """Name of the only node of a one-node cluster; then there is no control-plane node beside it."""
    speed: float = 1.0
    """Cluster seconds per real second (see clock)."""
    ip_family: str | None = None
    """One of addressing.FAMILIES; None: as the cluster was made, a new one with IPv4."""
    host_ports: bool = True
    """Listen on 127.0.0.1 for NodePorts, LoadBalancer addresses and the two ports below."""
    http_port: int = 8080
    """Port of this machine that leads to node port 30080 of the first worker, as in kind.yaml; 0 for none."""
    https_port: int = 8443
    """The same for node port 30443."""
    anonymous_auth: bool = False
    """Requests without credentials are system:anonymous's, as by default in Kubernetes; else 401."""
    no_addons: tuple[str, ...] = ()
    """Of data/addons, what is not installed: `traefik`."""
    network_policy: bool = True
    """Enforce NetworkPolicies, as kindnet; else they are taken and ignored, as by flannel."""
    load_balancer_pool: str = "172.18.255.200-172.18.255.250,fc00:f853:ccd:e793::ff00-fc00:f853:ccd:e793::ff32"
    """Addresses for Services of type LoadBalancer (controllers.addresspool); "" leaves them pending."""
    max_endpoints_per_slice: int = 100
    """kube-controller-manager --max-endpoints-per-slice."""
    hpa_sync_period: float = autoscaler.SYNC_PERIOD
    """kube-controller-manager --horizontal-pod-autoscaler-sync-period, in seconds; 15 there."""
    hpa_downscale_stabilization: float = autoscaler.DOWNSCALE_STABILIZATION
    """--horizontal-pod-autoscaler-downscale-stabilization, in seconds."""
    hpa_cpu_initialization_period: float = autoscaler.CPU_INITIALIZATION
    """--horizontal-pod-autoscaler-cpu-initialization-period, in seconds."""
    hpa_initial_readiness_delay: float = autoscaler.INITIAL_READINESS
    """--horizontal-pod-autoscaler-initial-readiness-delay, in seconds."""
    keep_programs: bool = False
    """No container can change the programs of its image (/bin, /usr/bin, ...): for who runs some of them in containers
    that nobody has looked at, and must believe what they say."""
    max_volumes_per_node: int = 16
    """Of the hostpath CSI driver, on each node it runs on; 0: no limit."""
    node_monitor_grace_period: float = nodelifecycle.GRACE
    """kube-controller-manager --node-monitor-grace-period: seconds until a silent node is Unknown."""
    node_monitor_period: float = nodelifecycle.PERIOD
    """kube-controller-manager --node-monitor-period: seconds between two looks at the nodes."""
    metric_resolution: float = 1.0
    """metrics-server --metric-resolution, in seconds; 15 there."""
    zones: tuple[str, ...] = ("zone-a", "zone-b")

    def nodes(self, addressing: Addressing) -> Iterator[Node]:
        """One control plane and `workers` workers, named and addressed as kind does; or the one `node`."""
        if self.node:
            yield Node(self.node, *addressing.node(0))
            return
        yield Node(f"{self.name}-control-plane", *addressing.node(0), roles=("control-plane",))
        for i in range(self.workers):
            name = f"{self.name}-worker" if i == 0 else f"{self.name}-worker{i + 1}"
            yield Node(name, *addressing.node(i + 1), zone=self.zones[i % len(self.zones)])


class Cluster:
    """Entered, it serves, its nodes are Ready and what every cluster has is there (classes, add-ons; not their Pods).

    `wait()` returns only when a part of it has died. `serves`: take requests as soon as possible; else nobody can ask
    it anything before `serve()`."""

    def __init__(self, config: Config, step: Callable[[str], None] = log.info, *, serves: bool = True) -> None:
        self.config = config
        self._serves = serves
        self.kubeconfig = config.state_dir / "kubeconfig"
        self.port = 0
        self._step = step
        self._rounds = Rounds()
        self._stack = AsyncExitStack()
        self._parts: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Cluster:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def wait(self) -> None:
        """Wait while the cluster runs. Raises what a dead part raised."""
        assert self._parts is not None
        await asyncio.shield(self._parts)

    async def serve(self) -> None:
        """Take requests from now on, and write down where. Raises OSError where the port is taken."""
        await self._listen()
        self._write_kubeconfig()

    async def _listen(self) -> None:
        self.port = await self._api.start()
        self._stack.push_async_callback(self._api.stop)

    def _write_kubeconfig(self) -> None:
        self._pki.write_kubeconfig(self.kubeconfig, name=self.config.name, server=f"https://127.0.0.1:{self.port}")

    async def _start(self) -> None:
        config, clock = self.config, Clock(self.config.speed)
        config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        addressing = of_cluster(config.state_dir, config.ip_family)
        self._step("opening the store")
        pki = self._pki = Pki(config.state_dir / "pki")
        store = Store(None if config.in_memory else config.state_dir / "store.db")
        self._stack.callback(store.close)
        zone = {
            "pod_cidr": addressing.pod_cidr,
            "service_cidr": addressing.service_cidr,
            "dns_ip": addressing.dns_ip,
            "cluster_domain": "cluster.local",
            "pki": str(pki.folder),
            "ca_crt": pki.ca_pem,
            "client_ca_crt": pki.client_ca_pem,
            "front_proxy_ca_crt": pki.front_proxy_ca_pem,
            "load_balancer_pool": config.load_balancer_pool,
            "metric_resolution": f"{config.metric_resolution:g}s",
            "max_endpoints_per_slice": str(config.max_endpoints_per_slice),
            "hpa_sync_period": str(config.hpa_sync_period),
            "hpa_downscale_stabilization": str(config.hpa_downscale_stabilization),
            "hpa_cpu_initialization_period": str(config.hpa_cpu_initialization_period),
            "hpa_initial_readiness_delay": str(config.hpa_initial_readiness_delay),
            "node_monitor_grace_period": str(config.node_monitor_grace_period),
            "node_monitor_period": str(config.node_monitor_period),
        }
        registry = self.registry = Registry(store, clock, zone)
        admin = Client(registry, "pocketkube", manager="kube-apiserver")
        nodes = list(config.nodes(addressing))
        bootstrap(admin, zone, nodes[0].addresses[0])
        bootstrap_policy.install(admin)

        proxy = Proxy(Client(registry, "kube-proxy"))
        policy = PolicyEngine(Client(registry, "kindnet")) if config.network_policy else AllowAll()
        fabric = self.fabric = Fabric(clock, proxy=proxy, policy=policy, pod_cidr=addressing.pod_cidr)
        driver = HostPathDriver(config.state_dir / "storage", config.max_volumes_per_node)
        driver.recover()
        backend = Backend(driver, tuple(node.name for node in nodes if not node.roles), self._disk)
        lent = Lazily(
            lambda: _lent(registry, pki, backend, lambda: [kubelet.usage() for kubelet in runtime.kubelets()])
        )
        drivers = {} if CSI_HOSTPATH_ADDON in config.no_addons else {CSI_HOSTPATH: driver}
        runtime = self.runtime = Runtime(admin)
        machines = Machines(admin, fabric, runtime)
        for node in nodes:
            services = Lazily(lambda: lent, {"csi": {} if node.roles else drivers})
            machines.add(
                node.name,
                partial(self._kubelet, registry, node, fabric, services),
                partial(_kube_proxy, registry, proxy, fabric, node.name),
            )
        self._step("starting the API server")
        dialer = Dialer(fabric.node(nodes[0].name))
        api = self._api = ApiServer(
            registry,
            pki=pki,
            runtime=runtime,
            dialer=dialer,
            anonymous=config.anonymous_auth,
            port=config.port,
        )
        registry.ask, registry.reach = api.servers.ask, api.servers.reach
        registry.authorize = api.policy.authorize
        if self._serves:
            await self._listen()

        self._step("starting controllers, scheduler and nodes")
        parts: list[Coroutine[None, None, None]] = [
            c(Client(registry, c.name, manager=CONTROLLER_MANAGER)).run() for c in controllers()
        ]
        parts.append(Scheduler(Client(registry, "default-scheduler", manager="kube-scheduler")).run())
        parts.append(machines.run())
        parts.append(api.run())
        nodes_ready, installed = asyncio.Event(), asyncio.Event()
        parts.append(install_addons(Client(registry, "kubeadm"), config.no_addons, nodes_ready, installed))
        parts.append(_outside(fabric, nodes_ready))
        parts.append(ApiEndpoint(fabric.node(nodes[0].name), lambda: self.port).run())
        if config.host_ports:
            mappings = ("http", config.http_port, 30080), ("https", config.https_port, 30443)
            ports = HostPorts(Client(registry, "host-ports"), fabric, config.state_dir, mappings)
            await ports.start()
            parts.append(ports.run())
        self._parts = asyncio.get_running_loop().create_task(_together(parts), name="cluster")
        self._stack.push_async_callback(self._stop_parts)
        self._step("waiting for the nodes")
        await self._nodes_ready(admin, machines.running())
        nodes_ready.set()
        # whoever is told that the cluster is there may ask for a StorageClass at once; what a user's changes keep an
        # add-on from must not keep the cluster from its users
        if not await self._once(installed, within=ADDONS_WITHIN):
            log.warning("some objects of the add-ons are not there yet: their kinds are not served")
        if self._serves:
            self._write_kubeconfig()

    def _disk(self, node: str) -> Path:
        return self.config.state_dir / "nodes" / node / "disk"

    def _kubelet(self, registry: Registry, node: Node, fabric: Fabric, lent: Mapping[str, Any]) -> Kubelet:
        return Kubelet(
            Client(registry, "kubelet", node.name),
            node.name,
            fabric=fabric,
            catalogue=Lazily(images.catalogue),
            state_dir=self.config.state_dir / "nodes" / node.name,
            node_ips=node.addresses,
            pod_cidrs=node.pod_cidrs,
            zone=node.zone,
            roles=node.roles,
            services=lent,
            rounds=self._rounds,
            keep_programs=self.config.keep_programs,
        )

    async def _nodes_ready(self, client: Client, names: set[str]) -> None:
        """Return once all nodes of these names are Ready and known to be; raise what a part died of meanwhile."""
        ready = asyncio.Event()

        def look(_: object = None) -> None:
            if names <= {objects.name(node) for node in client.list("nodes") if _takes_pods(node)}:
                ready.set()

        stop = client.subscribe("nodes", look)
        try:
            look()
            await self._once(ready)
        finally:
            stop()

    async def _once(self, event: asyncio.Event, within: float | None = None) -> bool:
        """Return when it is set, or so many seconds are over: whether it is set. Raise what a part died of before."""
        assert self._parts is not None
        waiting = asyncio.ensure_future(event.wait())
        await asyncio.wait({waiting, self._parts}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._parts.done():
            await self._parts
        return event.is_set()

    async def _stop_parts(self) -> None:
        assert self._parts is not None
        self._parts.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._parts


def _takes_pods(node: Obj) -> bool:
    """Ready, and no longer kept from pods for not having been."""
    tainted = any(taint["key"] == NOT_READY for taint in objects.spec(node).get("taints") or ())
    return objects.condition_status(node, "Ready") == "True" and not tainted


class Lazily(Mapping[str, Any]):
    """A mapping made when it is first looked into: what only pods need is not loaded before the nodes are Ready.

    `at_hand`: what is in it without that."""

    def __init__(self, make: Callable[[], Mapping[str, Any]], at_hand: Mapping[str, Any] | None = None) -> None:
        self._make = make
        self._at_hand = at_hand or {}
        self._made: Mapping[str, Any] | None = None

    def _all(self) -> Mapping[str, Any]:
        if self._made is None:
            self._made = {**self._make(), **self._at_hand}
        return self._made

    def __getitem__(self, key: str) -> Any:
        return self._at_hand[key] if key in self._at_hand else self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _lent(registry: Registry, pki: Pki, backend: Backend, usage: Callable[[], list[NodeUsage]]) -> Mapping[str, Any]:
    """What the cluster lends to every node: tokens for service accounts; to CoreDNS, the ingress controller and the
    storage programs, in their namespaces only, the DNS zone, a client and what volumes are made on."""
    from pocketkube.network.dns import Zone

    return {
        "dns": Zone(Client(registry, "coredns"), registry.zone),
        "ingress": Client(registry, "traefik"),
        "metrics": Client(registry, "metrics-server"),
        "storage": Sidecars(registry, backend),
        "tokens": Tokens(registry, pki),
        "usage": usage,
    }


def _kube_proxy(registry: Registry, proxy: Proxy, fabric: Fabric, node: str) -> list[Coroutine[None, None, None]]:
    """What of kube-proxy a node runs itself."""
    return [ProxyHealth(Client(registry, "kube-proxy", node), proxy, fabric.node(node), node).run()]


async def _outside(fabric: Fabric, needed: asyncio.Event) -> None:
    """The resolver that nodes ask, once there are some: what it needs takes a while to load."""
    await needed.wait()
    from pocketkube.network.outside import OutsideResolver

    await OutsideResolver(fabric.outside).run()


async def _together(parts: Iterable[Coroutine[None, None, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(part)
