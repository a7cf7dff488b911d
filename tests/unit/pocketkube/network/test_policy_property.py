"""For random namespaces, pods and policies, changing under way: what gets through the fabric is what the API's
documentation says. The model below is written from that text and shares nothing with the engine, not even selectors."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import example, given, settings

from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.network.fabric import Fabric
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.policy_engine import PolicyEngine
from pocketkube.registry import Registry
from pocketkube.store import Store

Spec = dict[str, Any]
ZONE = {"pod_cidr": "10.244.0.0/16", "service_cidr": "10.96.0.0/16", "cluster_domain": "cluster.local"}
NAMESPACES = ("x", "y", "z")
PORTS = (80, 81, 90)
NODES = {"worker": ("172.18.0.3", "fc00:f853:ccd:e793::3"), "worker2": ("172.18.0.4", "fc00:f853:ccd:e793::4")}
OUTSIDE = ("172.18.0.1", "fc00:f853:ccd:e793::1")
CIDRS = {
    "0.0.0.0/0": ["10.244.0.0/16", "172.18.0.0/16", "10.244.1.3/32"],
    "10.244.0.0/16": ["10.244.1.0/24", "10.244.2.2/32"],
    "10.244.1.0/24": ["10.244.1.2/32", "10.244.1.2/31"],
    "172.18.0.0/16": ["172.18.0.4/32", "172.18.0.1/32"],
    "::/0": ["fd00:10:244::/56", "fc00:f853:ccd:e793::/64"],
    "fd00:10:244:1::/64": ["fd00:10:244:1::2/128"],
    "fc00:f853:ccd:e793::/64": ["fc00:f853:ccd:e793::1/128"],
}


@dataclass(frozen=True)
class Pod:
    """A pod that keeps its place while its labels change."""

    namespace: str
    name: str
    node: str
    addresses: tuple[str, str]
    ports: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True)
class World:
    """What the API holds at one moment: labels of namespaces and pods, and specs of policies as they were sent."""

    namespaces: dict[str, dict[str, str]]
    pods: dict[Pod, dict[str, str]]
    policies: dict[tuple[str, str], Spec]


# -- the model: https://kubernetes.io/docs/concepts/services-networking/network-policies and the API reference


def selects(selector: Spec, labels: dict[str, str]) -> bool:
    """The requirements of matchLabels and of matchExpressions are all ANDed; an empty selector matches everything."""
    for key, value in selector.get("matchLabels", {}).items():
        if key not in labels or labels[key] != value:
            return False
    for expression in selector.get("matchExpressions", []):
        key, values = expression["key"], expression.get("values", [])
        holds = {
            "In": key in labels and labels[key] in values,
            "NotIn": key not in labels or labels[key] not in values,  # objects without the key match as well
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds[expression["operator"]]:
            return False
    return True


def types_of(policy: Spec) -> list[str]:
    """If no policyTypes are specified then by default Ingress will always be set and Egress will be set if the policy
    has any egress rules."""
    if policy.get("policyTypes"):
        return list(policy["policyTypes"])
    return ["Ingress", "Egress"] if policy.get("egress") else ["Ingress"]


def port_matches(entry: Spec, port: int, protocol: str, destination: Pod | None) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    if "port" not in entry:
        return True  # all port names and numbers
    if isinstance(entry["port"], str):
        return destination is not None and any(
            name == entry["port"] and number == port and spoken == protocol
            for name, number, spoken in destination.ports
        )
    return bool(entry["port"] <= port <= entry.get("endPort", entry["port"]))


def peer_matches(entry: Spec, world: World, policy_namespace: str, address: str, peer: Pod | None) -> bool:
    if "ipBlock" in entry:
        here = ipaddress.ip_address(address)
        inside = here in ipaddress.ip_network(entry["ipBlock"]["cidr"])
        return inside and all(here not in ipaddress.ip_network(e) for e in entry["ipBlock"].get("except", []))
    if peer is None:
        return False
    if "podSelector" in entry and not selects(entry["podSelector"], world.pods[peer]):
        return False
    if "namespaceSelector" in entry:
        return selects(entry["namespaceSelector"], world.namespaces[peer.namespace])
    return peer.namespace == policy_namespace


def side_allows(
    world: World, kind: str, pod: Pod, address: str, peer: Pod | None, port: int, protocol: str, destination: Pod | None
) -> bool:
    """A pod is isolated once a policy of that type selects it; then what any of them allows is allowed."""
    isolated = False
    for (namespace, _), policy in world.policies.items():
        if namespace != pod.namespace or kind not in types_of(policy):
            continue
        if not selects(policy.get("podSelector", {}), world.pods[pod]):
            continue
        isolated = True
        for rule in policy.get(kind.lower()) or []:
            ports, peers = rule.get("ports") or [], rule.get("from" if kind == "Ingress" else "to") or []
            if ports and not any(port_matches(p, port, protocol, destination) for p in ports):
                continue
            if not peers or any(peer_matches(p, world, namespace, address, peer) for p in peers):
                return True
    return not isolated


def expected(world: World, source: Pod | str, target: Pod | str, port: int, protocol: str, v6: bool) -> bool:
    """Both ends have to allow it. No pod is kept from itself or its own node. str: a node, or outside."""
    sender = source if isinstance(source, Pod) else None
    receiver = target if isinstance(target, Pod) else None

    def address_of(end: Pod | str) -> str:
        if isinstance(end, Pod):
            return end.addresses[v6]
        return NODES.get(end, OUTSIDE)[v6]

    if source == target:
        return True
    if sender is not None and not side_allows(
        world, "Egress", sender, address_of(target), receiver, port, protocol, receiver
    ):
        return sender.node == target  # traffic to and from the node where a pod runs is always allowed
    if receiver is None:
        return True
    return source == receiver.node or side_allows(
        world, "Ingress", receiver, address_of(source), sender, port, protocol, receiver
    )


# -- random worlds

labels = st.fixed_dictionaries({"app": st.sampled_from(["web", "db"])}, optional={"tier": st.sampled_from(["a", ""])})
some_labels = st.fixed_dictionaries(
    {}, optional={"app": st.sampled_from(["web", "db"]), "tier": st.sampled_from(["a", "b", ""])}
)
keys, values = st.sampled_from(["app", "tier", "tier"]), st.sampled_from(["web", "db", "a", "b", ""])
expressions = st.one_of(
    st.fixed_dictionaries(
        {
            "key": keys,
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(values, min_size=1, max_size=2, unique=True),
        }
    ),
    st.fixed_dictionaries({"key": keys, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
one_label = st.fixed_dictionaries({"matchLabels": st.sampled_from([{"app": "web"}, {"app": "db"}, {"tier": "a"}])})
selectors = st.one_of(
    st.just({}),
    one_label,
    st.fixed_dictionaries({"matchExpressions": st.lists(expressions, min_size=1, max_size=1)}),
    st.fixed_dictionaries(
        {}, optional={"matchLabels": some_labels, "matchExpressions": st.lists(expressions, max_size=2)}
    ),
)
protocols = st.sampled_from(["TCP", "UDP", "SCTP"])
names = st.sampled_from(["http", "http", "dns"])
ports = st.one_of(
    st.fixed_dictionaries({}, optional={"protocol": protocols}),
    st.fixed_dictionaries({"port": st.sampled_from(PORTS)}, optional={"protocol": protocols}),
    st.fixed_dictionaries({"port": names}, optional={"protocol": protocols}),
    st.fixed_dictionaries(
        {"port": st.sampled_from([79, 80, 81]), "endPort": st.sampled_from([81, 85, 90])},
        optional={"protocol": protocols},
    ),
)
blocks = st.sampled_from(sorted(CIDRS)).flatmap(
    lambda cidr: st.fixed_dictionaries(
        {"cidr": st.just(cidr)}, optional={"except": st.lists(st.sampled_from(CIDRS[cidr]), max_size=2)}
    )
)
peers = st.one_of(
    st.fixed_dictionaries({"podSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors, "podSelector": selectors}),
    st.fixed_dictionaries({"ipBlock": blocks}),
)


def rules(side: str) -> st.SearchStrategy[list[Spec]]:
    rule = st.fixed_dictionaries({}, optional={"ports": st.lists(ports, max_size=2), side: st.lists(peers, max_size=2)})
    return st.lists(rule, max_size=2)


policies = st.fixed_dictionaries(
    {"podSelector": selectors},
    optional={
        "policyTypes": st.lists(st.sampled_from(["Ingress", "Egress"]), unique=True, max_size=2),
        "ingress": rules("from"),
        "egress": rules("to"),
    },
)
narrow_selectors = st.one_of(
    st.just({}), one_label, st.fixed_dictionaries({"matchExpressions": st.lists(expressions, min_size=1, max_size=1)})
)
narrow_peers = st.one_of(
    st.fixed_dictionaries({"podSelector": narrow_selectors}),
    st.fixed_dictionaries({"namespaceSelector": narrow_selectors}),
    st.fixed_dictionaries({"namespaceSelector": narrow_selectors, "podSelector": narrow_selectors}),
    st.fixed_dictionaries({"ipBlock": blocks}),
)
narrow_rules = st.one_of(
    st.builds(lambda peer: {"peers": [peer]}, narrow_peers),
    st.builds(lambda port: {"ports": [port]}, ports),
    st.builds(lambda peer, port: {"peers": [peer], "ports": [port]}, narrow_peers, ports),
)


@st.composite
def narrow_policies(draw: st.DrawFn) -> Spec:
    """One direction, everybody selected, one rule: nothing else can hide what it means."""
    kind, side = draw(st.sampled_from([("Ingress", "from"), ("Egress", "to")]))
    rules = [{side if name == "peers" else name: held for name, held in draw(narrow_rules).items()}]
    return {"podSelector": {}, "policyTypes": [kind], kind.lower(): draw(st.sampled_from([rules, rules, rules, []]))}


container_ports = st.sampled_from(
    [
        (),
        (("http", 80, "TCP"),),
        (("http", 81, "TCP"), ("dns", 81, "UDP")),
        (("http", 90, "TCP"), ("dns", 90, "UDP")),
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> list[World]:
    """One to four moments: the pods stay, what policies look at changes, one thing at a time."""
    pods = []
    for index in range(draw(st.integers(2, 4))):  # two to a node
        number = index // 2 + 2
        subnet = index % 2 + 1
        addresses = (f"10.244.{subnet}.{number}", f"fd00:10:244:{subnet}::{number}")
        node = sorted(NODES)[subnet - 1]
        pods.append(Pod(draw(st.sampled_from(NAMESPACES[:2])), f"p{index}", node, addresses, draw(container_ports)))
    kinds = draw(st.sampled_from([policies, narrow_policies(), narrow_policies()]))
    keys = st.tuples(st.sampled_from(NAMESPACES[:2]), st.sampled_from(["one", "two", "three"]))

    def labelled(names: Any) -> Any:
        return {name: draw(labels) for name in names}

    world = World(labelled(NAMESPACES), labelled(pods), draw(st.dictionaries(keys, kinds, min_size=1, max_size=3)))
    history = [world]
    for change in draw(st.lists(st.sampled_from(["namespaces", "namespaces", "pods", "policies"]), max_size=3)):
        if change == "policies":
            world = replace(world, policies=draw(st.dictionaries(keys, kinds, max_size=3)))
        else:
            world = replace(world, **{change: labelled(getattr(world, change))})
        history.append(world)
    return history


# -- the real thing


class Cluster:
    """The kinds' own defaults and validation, the engine, and a fabric on which every pod serves every port."""

    def __init__(self, world: World) -> None:
        self.registry = Registry(Store(None), Clock(), {**ZONE, "dns_ip": "10.96.0.10"})
        self.engine = PolicyEngine(Client(self.registry, "kindnet"))
        self.fabric = Fabric(Clock(speed=2000), policy=self.engine, pod_cidr="10.244.0.0/16,fd00:10:244::/56")
        self.ends: dict[Pod | str, PodNetwork] = {"outside": self.fabric.outside}
        for name, (v4, v6) in NODES.items():
            self.ends[name] = self.fabric.attach(v4, name, also=(v6,))
        for namespace in world.namespaces:
            self.registry.create("namespaces", {"metadata": {"name": namespace}})
            account = {"metadata": {"name": "default", "namespace": namespace}}
            self.registry.create("serviceaccounts", account)
        for pod in world.pods:
            v4, v6 = pod.addresses
            self.ends[pod] = self.fabric.attach(v4, pod.name, node=pod.node, also=(v6,))
            listed = [{"name": n, "containerPort": p, "protocol": t} for n, p, t in pod.ports]
            spec = {"nodeName": pod.node, "containers": [{"name": "c", "image": "agnhost", "ports": listed}]}
            self.registry.create("pods", {"metadata": {"name": pod.name, "namespace": pod.namespace}, "spec": spec})

            def running(obj: Spec, addresses: tuple[str, str] = pod.addresses) -> None:
                obj["status"] |= {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": a} for a in addresses]}

            self.registry.patch("pods", pod.namespace, pod.name, running, subresource="status")
        self.servers = {}
        for end, net in self.ends.items():
            for port in PORTS:
                net.listen(port, "::")
                self.servers[end, port] = net.bind_udp(port, "::")

    def become(self, world: World) -> None:
        """Write what differs."""

        def relabel(resource: str, namespace: str, name: str, wanted: dict[str, str]) -> None:
            def change(obj: Spec) -> None:
                obj["metadata"]["labels"] = dict(wanted)

            self.registry.patch(resource, namespace, name, change)

        for name, wanted in world.namespaces.items():
            relabel("namespaces", "", name, wanted)
        for pod, wanted in world.pods.items():
            relabel("pods", pod.namespace, pod.name, wanted)
        held = {(p["metadata"]["namespace"], p["metadata"]["name"]) for p in self.registry.objects("networkpolicies")}
        for namespace, name in held - world.policies.keys():
            self.registry.delete("networkpolicies", namespace, name)
        for (namespace, name), spec in world.policies.items():
            obj = {"metadata": {"name": name, "namespace": namespace}, "spec": deepcopy(spec)}  # defaults go in
            if (namespace, name) in held:
                self.registry.update("networkpolicies", obj)
            else:
                self.registry.create("networkpolicies", obj)

    async def connects(self, source: Pod | str, address: str, port: int) -> bool:
        try:
            stream = await self.ends[source].connect(address, port, timeout=0.5)
        except TimeoutError:
            return False
        stream.close()
        return True

    async def arrives(self, source: Pod | str, target: Pod | str, address: str, port: int) -> bool:
        """Whether a datagram of a fresh flow gets to the server: it does at once or not at all."""
        server = self.servers[target, port]
        with self.ends[source].bind_udp(0, "::") as socket:
            socket.sendto(b"?", (address, port))
            got = asyncio.ensure_future(server.recvfrom())
            await asyncio.sleep(0)
            if got.done():
                return got.result()[0] == b"?"
            got.cancel()
            return False


def questions(world: World) -> Iterator[tuple[Pod | str, Pod | str, int, bool]]:
    ends: list[Pod | str] = [*world.pods, *NODES, "outside"]
    for source in ends:
        for target in ends:
            if isinstance(source, Pod) or isinstance(target, Pod):
                yield from ((source, target, port, False) for port in PORTS)
                yield source, target, PORTS[0], True  # the families differ in addresses alone


async def check(history: list[World]) -> None:
    cluster = Cluster(history[0])
    for world in history:
        cluster.become(world)
        asked = list(questions(world))
        addresses = [cluster.ends[target].addresses[1 if v6 else 0] for _, target, _, v6 in asked]
        dialled = await asyncio.gather(
            *(cluster.connects(source, a, port) for (source, _, port, _), a in zip(asked, addresses, strict=True))
        )
        for (source, target, port, v6), address, tcp in zip(asked, addresses, dialled, strict=True):
            about = (source, target, port, v6, world.policies)
            assert tcp == expected(world, source, target, port, "TCP", v6), about
            udp = await cluster.arrives(source, target, address, port)
            assert udp == expected(world, source, target, port, "UDP", v6), about
            if isinstance(source, Pod) and isinstance(target, Pod) and source != target:
                # the fabric carries no SCTP; the answer is the policy's alone
                mine = source.addresses[v6]
                sctp = cluster.engine.egress(mine, address, port, "SCTP") and cluster.engine.ingress(
                    mine, address, port, "SCTP"
                )
                assert sctp == expected(world, source, target, port, "SCTP", v6), about


def rarely_drawn(policy: Spec, *labels: dict[str, str]) -> list[World]:
    """One policy in x, two pods of x and y that call different ports http, and the labels x's pod has in turn."""
    a = Pod("x", "a", "worker", ("10.244.1.2", "fd00:10:244:1::2"), (("http", 80, "TCP"),))
    b = Pod("y", "b", "worker2", ("10.244.2.2", "fd00:10:244:2::2"), (("http", 81, "TCP"),))
    return [World({name: {} for name in NAMESPACES}, {a: held, b: {}}, {("x", "one"): policy}) for held in labels]


NAMED = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": "http"}]}]}
RELABELLED = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
NOT_IN = {"podSelector": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}}


@example(rarely_drawn(NAMED, {}))
@example(rarely_drawn(RELABELLED, {"app": "web"}, {"app": "db"}, {"app": "web"}))
@example(rarely_drawn(NOT_IN, {}, {"tier": "a"}, {"tier": "b"}))
@settings(max_examples=200, deadline=None)
@given(histories())
def test_what_is_enforced_is_what_the_documentation_says(history: list[World]) -> None:
    asyncio.run(check(history))
