"""What NetworkPolicies cost a new connection: the same dial on a fabric without policies and with a hundred of them.

Runs the network in this process, on a registry in memory: through a whole cluster the difference is lost in the noise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from statistics import median
from time import perf_counter

from bench.cases import Figure
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.network.fabric import Fabric
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.policy_engine import PolicyEngine
from pocketkube.registry import Registry
from pocketkube.store import Store

PODS, POLICIES, ROUNDS = 50, 100, 40
ZONE = {"pod_cidr": "10.244.0.0/16", "service_cidr": "10.96.0.0/16", "cluster_domain": "cluster.local"}


def policy_evaluation() -> Iterator[Figure]:
    """Every policy selects every pod and is walked to its end: only the last one allows."""
    registry = Registry(Store(None), Clock(), {**ZONE, "dns_ip": "10.96.0.10"})
    engine = PolicyEngine(Client(registry, "kindnet"))
    fabric = Fabric(Clock())
    pods = list(_pods(registry, fabric))
    bare = median(asyncio.run(_dials(pods)) for _ in range(ROUNDS))
    fabric.policy = engine
    for index in range(POLICIES):
        registry.create("networkpolicies", _policy(index))
    first, again = [], []
    for _ in range(ROUNDS):
        _relabel(registry)  # whatever was worked out has to be worked out again
        first.append(asyncio.run(_dials(pods)))
        again.append(asyncio.run(_dials(pods)))
    yield Figure(f"policy: {POLICIES} policies add to a connection", (median(again) - bare) * 1e3, "ms", "<= 1", 4)
    yield Figure("policy: to the first connection after a change", (median(first) - bare) * 1e3, "ms", "<= 1", 4)
    began = perf_counter()
    for _ in range(ROUNDS):
        _relabel(registry)
    changed = (perf_counter() - began) / ROUNDS
    yield Figure("policy: a Pod's labels changed, written and followed", changed * 1e3, "ms", "", 4)


async def _dials(pods: list[PodNetwork]) -> float:
    """Seconds one connection takes, over one from each pod to its neighbour."""
    pairs = list(zip(pods, [*pods[1:], pods[0]], strict=True))
    began = perf_counter()
    streams = [await source.connect(target.address, 80) for source, target in pairs]
    seconds = perf_counter() - began
    for stream in streams:
        stream.abort()
    return seconds / len(pairs)


def _pods(registry: Registry, fabric: Fabric) -> Iterator[PodNetwork]:
    registry.create("namespaces", {"metadata": {"name": "bench"}})
    registry.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "bench"}})
    for index in range(PODS):
        address, name = f"10.244.{index % 2 + 1}.{index + 2}", f"pod-{index}"
        spec = {"containers": [{"name": "c", "image": "agnhost"}]}
        meta = {"name": name, "namespace": "bench", "labels": {"app": "web"}}
        registry.create("pods", {"metadata": meta, "spec": spec})
        net = fabric.attach(address, name, node=f"node-{index % 2}")
        net.listen(80)

        def running(obj: dict[str, object], address: str = address) -> None:
            status = obj["status"]
            assert isinstance(status, dict)
            status |= {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}

        registry.patch("pods", "bench", name, running, subresource="status")
        yield net


def _policy(index: int) -> dict[str, object]:
    last = index == POLICIES - 1
    peers = [
        {"podSelector": {"matchLabels": {"app": "web" if last else f"other-{index}"}}},
        {"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.0.0/17"]}},
    ]
    ports = [{"port": 80}]
    spec = {
        "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": peers, "ports": ports}],
        "egress": [{"to": peers, "ports": ports}],
    }
    return {"metadata": {"name": f"policy-{index:03}", "namespace": "bench"}, "spec": spec}


def _relabel(registry: Registry) -> None:
    def change(obj: dict[str, object]) -> None:
        meta = obj["metadata"]
        assert isinstance(meta, dict)
        meta["labels"] = {**meta["labels"], "round": str(int(meta["labels"].get("round", 0)) + 1)}

    registry.patch("pods", "bench", "pod-0", change)
