"""Which nodes can take a pod: each filter answers for one node with the reasons against it.

Models the Filter plugins of pkg/scheduler/framework/plugins in the order of the default profile; the first that objects
speaks for the node. Texts are upstream's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.placement import named_nodes, node_fits, tolerates, untolerated
from pocketkube.scheduler.nodes import NodeState, PodInfo

if TYPE_CHECKING:
    from pocketkube.scheduler.topology import Tallies
    from pocketkube.scheduler.volumes import PodVolumes

UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable"


@dataclass(frozen=True)
class Refusal:
    """Why a node cannot take a pod; `for_good`: taking other pods off the node would not help."""

    reasons: tuple[str, ...]
    for_good: bool = False


@dataclass
class Cycle:
    """One pod to be placed and the world it is placed in."""

    client: Client
    info: PodInfo
    nodes: Mapping[str, NodeState]
    volumes: PodVolumes | None = None
    """None: it has none that count."""
    tallies: Tallies | None = None
    """What was counted for this pod on the nodes, filled by `topology`."""

    def __post_init__(self) -> None:
        self.pod, self.spec = self.info.pod, self.info.spec
        self.named = named_nodes(self.spec)

    def labels_of(self, namespace: str) -> Mapping[str, str]:
        """The labels of a namespace; none of one that is not there."""
        return objects.labels(self.client.find("namespaces", "", namespace) or {})

    def with_node(self, state: NodeState) -> Cycle:
        """The same world but for one node."""
        nodes = {**self.nodes, state.name: state}
        tallies = self.tallies.with_nodes(nodes, state.name) if self.tallies is not None else None
        return replace(self, nodes=nodes, tallies=tallies)


Filter = Callable[[Cycle, NodeState], Refusal | None]


def named(cycle: Cycle, state: NodeState) -> Refusal | None:
    """A pod that names its nodes is tried on no others (upstream: PreFilter of NodeAffinity)."""
    if cycle.named and state.name not in cycle.named:
        return Refusal(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), for_good=True)
    return None


def unschedulable(cycle: Cycle, state: NodeState) -> Refusal | None:
    taint = {"key": UNSCHEDULABLE_TAINT, "effect": "NoSchedule"}
    if objects.spec(state.node).get("unschedulable") and not tolerates(cycle.spec, taint):
        return Refusal(("node(s) were unschedulable",), for_good=True)
    return None


def taints(cycle: Cycle, state: NodeState) -> Refusal | None:
    if untolerated(cycle.spec, state.node) is not None:
        return Refusal(("node(s) had untolerated taint(s)",), for_good=True)
    return None


def node_affinity(cycle: Cycle, state: NodeState) -> Refusal | None:
    if node_fits(cycle.spec, state.node):
        return None
    return Refusal(("node(s) didn't match Pod's node affinity/selector",), for_good=True)


def ports(cycle: Cycle, state: NodeState) -> Refusal | None:
    if cycle.info.ports and state.conflicts(cycle.info.ports):
        return Refusal(("node(s) didn't have free ports for the requested pod ports",))
    return None


def resources(cycle: Cycle, state: NodeState) -> Refusal | None:
    allocatable = state.allocatable
    reasons, for_good = [], False
    if len(state.pods) + 1 > allocatable.get("pods", 0):
        reasons.append("Too many pods")
    for name, amount in cycle.info.requests.items():
        there = allocatable.get(name, 0)
        if amount > 0 and amount > there - state.requested[name]:
            reasons.append(f"Insufficient {name}")
            for_good = for_good or amount > there
    return Refusal(tuple(reasons), for_good) if reasons else None
