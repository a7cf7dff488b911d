"""Filters that look at the pods of other nodes too: spread constraints, pod affinity and anti-affinity.

Models pkg/scheduler/framework/plugins/{podtopologyspread,interpodaffinity}/{common,filtering}.go. Pods are counted once
per node for the pod that is to be placed; where preemption or a nomination changes one node, only that is counted anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pocketkube.objects import Obj
from pocketkube.placement import node_fits, untolerated
from pocketkube.scheduler.filters import Cycle, Refusal
from pocketkube.scheduler.nodes import NodeState
from pocketkube.selectors import LabelSelector, from_label_selector

_SPREAD: Final = "node(s) didn't match pod topology spread constraints"
Pair = tuple[str, str]
"""(topology key, its value on a node)."""


@dataclass(frozen=True)
class Constraint:
    """A topology spread constraint. `honours_*`: whether nodes the pod could not go to count."""

    key: str
    max_skew: int
    selector: LabelSelector
    min_domains: int = 1
    honours_affinity: bool = True
    honours_taints: bool = False

    def counts(self, spec: Obj, node: Obj) -> bool:
        """Whether a node's pods are looked at."""
        if self.honours_affinity and not node_fits(spec, node):
            return False
        return not self.honours_taints or untolerated(spec, node) is None

    def among(self, namespace: str, state: NodeState) -> int:
        """Pods of the namespace on the node that it speaks of and that stay."""
        if self.selector.empty:
            return 0
        return sum(
            group.staying
            for group in state.groups()
            if group.staying and group.namespace == namespace and self.selector(group.labels)
        )


def constraints(spec: Obj, action: str) -> tuple[Constraint, ...]:
    """Those of a pod for that whenUnsatisfiable."""
    return tuple(
        Constraint(
            each["topologyKey"],
            each["maxSkew"],
            from_label_selector(each.get("labelSelector")),
            each.get("minDomains") or 1,
            each.get("nodeAffinityPolicy", "Honor") == "Honor",
            each.get("nodeTaintsPolicy", "Ignore") == "Honor",
        )
        for each in spec.get("topologySpreadConstraints") or ()
        if each.get("whenUnsatisfiable") == action
    )


@dataclass
class Tally:
    """What was counted on one node."""

    spread: list[int | None]
    """Per hard constraint; None: the node does not count."""
    joined: int = 0
    """Pods that match all required terms of affinity."""
    shunned: list[int] = field(default_factory=list)
    """Pods per required term of anti-affinity."""
    kept: frozenset[Pair] = frozenset()
    """Where its pods with required anti-affinity do not want the pod."""


class Tallies:
    """The counts of all nodes for one pod."""

    def __init__(self, cycle: Cycle, nodes: Mapping[str, NodeState], known: Mapping[str, Tally] | None = None) -> None:
        self._cycle, self._nodes = cycle, nodes
        self.hard = constraints(cycle.spec, "DoNotSchedule")
        self._known = dict(known or {})

    def with_nodes(self, nodes: Mapping[str, NodeState], changed: str) -> Tallies:
        """The same for a world in which one node is another."""
        return Tallies(self._cycle, nodes, {name: tally for name, tally in self._known.items() if name != changed})

    @cached_property
    def _all(self) -> list[tuple[NodeState, Tally]]:
        for name, state in self._nodes.items():
            if name not in self._known:
                self._known[name] = self._count(state)
        return [(state, self._known[name]) for name, state in self._nodes.items()]

    def _count(self, state: NodeState) -> Tally:
        info, labels_of = self._cycle.info, self._cycle.labels_of
        tally = Tally([None] * len(self.hard), shunned=[0] * len(info.anti_affinity))
        if self.hard and all(each.key in state.labels for each in self.hard):
            for index, each in enumerate(self.hard):
                if each.counts(info.spec, state.node):
                    tally.spread[index] = each.among(info.namespace, state)
        if info.affinity or info.anti_affinity:
            for group in state.groups():
                if info.affinity and all(t.matches(group.namespace, group.labels, labels_of) for t in info.affinity):
                    tally.joined += group.total
                for index, term in enumerate(info.anti_affinity):
                    if term.matches(group.namespace, group.labels, labels_of):
                        tally.shunned[index] += group.total
        tally.kept = frozenset(
            (term.key, state.labels[term.key])
            for other in state.exclusive()
            for term in other.anti_affinity
            if term.key in state.labels and term.matches(info.namespace, info.labels, labels_of)
        )
        return tally

    @cached_property
    def spread(self) -> tuple[Counter[str], ...]:
        """Per hard constraint: matching pods by domain."""
        found: tuple[Counter[str], ...] = tuple(Counter() for _ in self.hard)
        for state, tally in self._all:
            for index, count in enumerate(tally.spread):
                if count is not None:
                    found[index][state.labels[self.hard[index].key]] += count
        return found

    @cached_property
    def joined(self) -> Counter[Pair]:
        """Pods that match all required terms of affinity, by where they are."""
        found: Counter[Pair] = Counter()
        for state, tally in self._all:
            for term in self._cycle.info.affinity if tally.joined else ():
                if term.key in state.labels:
                    found[term.key, state.labels[term.key]] += tally.joined
        return found

    @cached_property
    def shunned(self) -> set[Pair]:
        """Where there are pods that the pod does not want to be with."""
        return {
            (term.key, state.labels[term.key])
            for state, tally in self._all
            for term, count in zip(self._cycle.info.anti_affinity, tally.shunned, strict=True)
            if count and term.key in state.labels
        }

    @cached_property
    def kept(self) -> set[Pair]:
        """Where there are pods that do not want to be with the pod."""
        return {pair for _, tally in self._all for pair in tally.kept}


def _tallies(cycle: Cycle) -> Tallies:
    if cycle.tallies is None:
        cycle.tallies = Tallies(cycle, cycle.nodes)
    return cycle.tallies


def spread(cycle: Cycle, state: NodeState) -> Refusal | None:
    """topologySpreadConstraints with whenUnsatisfiable: DoNotSchedule."""
    if not cycle.spec.get("topologySpreadConstraints"):
        return None
    tallies = _tallies(cycle)
    for each, counts in zip(tallies.hard, tallies.spread, strict=True):
        domain = state.labels.get(each.key)
        if domain is None:
            return Refusal((f"{_SPREAD} (missing required label)",), for_good=True)
        itself = int(each.selector(cycle.info.labels))
        least = min(counts.values()) if len(counts) >= each.min_domains else 0
        if counts[domain] + itself - least > each.max_skew:
            return Refusal((_SPREAD,))
    return None


def pod_affinity(cycle: Cycle, state: NodeState) -> Refusal | None:
    """The pod's required affinity, its required anti-affinity, then that of the pods that are there already."""
    info = cycle.info
    if not info.affine and not any(other.affine for other in cycle.nodes.values()):
        return None
    tallies = _tallies(cycle)
    if not _affinity_holds(cycle, tallies, state):
        return Refusal(("node(s) didn't match pod affinity rules",), for_good=True)
    if any((term.key, state.labels.get(term.key)) in tallies.shunned for term in info.anti_affinity):
        return Refusal(("node(s) didn't match pod anti-affinity rules",))
    if tallies.kept and not tallies.kept.isdisjoint(state.labels.items()):
        return Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",))
    return None


def _affinity_holds(cycle: Cycle, tallies: Tallies, state: NodeState) -> bool:
    info = cycle.info
    if any(term.key not in state.labels for term in info.affinity):
        return False
    if all(tallies.joined[term.key, state.labels[term.key]] for term in info.affinity):
        return True
    # the first pod of a group that wants to be with its own kind has nobody to join
    return not tallies.joined and all(t.matches(info.namespace, info.labels, cycle.labels_of) for t in info.affinity)
