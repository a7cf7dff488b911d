"""Which nodes can take a pod: each filter answers for one node with the reasons against it.

Models the Filter plugins of pkg/scheduler/framework/plugins in the order of the default profile; the first that objects
speaks for the node. Texts are upstream's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.placement import named_nodes, node_fits, tolerates, untolerated
from pocketkube.scheduler.nodes import NodeState, host_ports, requests

if TYPE_CHECKING:
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

    pod: Obj
    nodes: Mapping[str, NodeState]
    volumes: PodVolumes | None = None
    """None: it has none that count."""

    def __post_init__(self) -> None:
        self.spec = objects.spec(self.pod)
        self.requests = requests(self.pod)
        self.host_ports = host_ports(self.pod)
        self.named = named_nodes(self.spec)


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
    if cycle.host_ports and state.conflicts(cycle.host_ports):
        return Refusal(("node(s) didn't have free ports for the requested pod ports",))
    return None


def resources(cycle: Cycle, state: NodeState) -> Refusal | None:
    allocatable = state.allocatable
    reasons, for_good = [], False
    if len(state.pods) + 1 > allocatable.get("pods", 0):
        reasons.append("Too many pods")
    for name, amount in cycle.requests.items():
        there = allocatable.get(name, 0)
        if amount > 0 and amount > there - state.requested[name]:
            reasons.append(f"Insufficient {name}")
            for_good = for_good or amount > there
    return Refusal(tuple(reasons), for_good) if reasons else None
