"""Filters that look at the pods of other nodes too: spread constraints, pod affinity and anti-affinity.

Models pkg/scheduler/framework/plugins/{podtopologyspread,interpodaffinity}/filtering.go. Left out: namespaceSelector on
labels of namespaces (every namespace matches an empty one), matchLabelKeys, nodeTaintsPolicy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.scheduler.filters import Cycle, Refusal, node_affinity
from pocketkube.scheduler.nodes import NodeState
from pocketkube.selectors import from_label_selector

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_SPREAD = "node(s) didn't match pod topology spread constraints"


def spread(cycle: Cycle, state: NodeState) -> Refusal | None:
    """topologySpreadConstraints with whenUnsatisfiable: DoNotSchedule."""
    for constraint in cycle.spec.get("topologySpreadConstraints") or ():
        if constraint.get("whenUnsatisfiable") != "DoNotSchedule":
            continue
        key = constraint["topologyKey"]
        domain = objects.labels(state.node).get(key)
        if domain is None:
            return Refusal((f"{_SPREAD} (missing required label)",), for_good=True)
        counts = _spread_counts(cycle, constraint)
        itself = from_label_selector(constraint.get("labelSelector"))(objects.labels(cycle.pod))
        least = min(counts.values(), default=0) if len(counts) >= (constraint.get("minDomains") or 1) else 0
        if counts[domain] + itself - least > constraint["maxSkew"]:
            return Refusal((_SPREAD,))
    return None


def _spread_counts(cycle: Cycle, constraint: Obj) -> Counter[str]:
    """Matching pods of the pod's namespace by domain, over the nodes the pod could go to by its affinity."""
    selector = from_label_selector(constraint.get("labelSelector"))
    counts: Counter[str] = Counter()
    for state in cycle.nodes.values():
        domain = objects.labels(state.node).get(constraint["topologyKey"])
        if domain is None:
            continue
        if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and node_affinity(cycle, state):
            continue
        counts[domain] += sum(
            selector(objects.labels(pod))
            for pod in state.pods.values()
            if objects.namespace(pod) == objects.namespace(cycle.pod) and not objects.is_terminating(pod)
        )
    return counts


def pod_affinity(cycle: Cycle, state: NodeState) -> Refusal | None:
    """The pod's required affinity, its required anti-affinity, then that of the pods that are there already."""
    if not _affinity_holds(cycle, state):
        return Refusal(("node(s) didn't match pod affinity rules",), for_good=True)
    for term in terms(cycle.pod, "podAntiAffinity"):
        if any(matches(term, cycle.pod, other) for other in same_domain(cycle, term, state)):
            return Refusal(("node(s) didn't match pod anti-affinity rules",))
    for other_state in cycle.nodes.values():
        for other in other_state.exclusive.values():
            for term in terms(other, "podAntiAffinity"):
                domain = objects.labels(other_state.node).get(term["topologyKey"])
                here = objects.labels(state.node).get(term["topologyKey"])
                if domain is not None and domain == here and matches(term, other, cycle.pod):
                    return Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",))
    return None


def _affinity_holds(cycle: Cycle, state: NodeState) -> bool:
    wanted = terms(cycle.pod, "podAffinity")
    if not wanted:
        return True
    if any(term["topologyKey"] not in objects.labels(state.node) for term in wanted):
        return False
    if all(any(matches(term, cycle.pod, other) for other in same_domain(cycle, term, state)) for term in wanted):
        return True
    # the first pod of a group that wants to be with its own kind has nobody to join
    everywhere = [other for each in cycle.nodes.values() for other in each.pods.values()]
    nobody = not any(matches(term, cycle.pod, other) for term in wanted for other in everywhere)
    return nobody and all(matches(term, cycle.pod, cycle.pod) for term in wanted)


def terms(pod: Obj, kind: str) -> list[Obj]:
    """The required terms of podAffinity or podAntiAffinity."""
    return objects.dig(pod, "spec", "affinity", kind, REQUIRED) or []


def matches(term: Obj, holder: Obj, other: Obj) -> bool:
    """Whether a term in `holder`'s spec speaks of the pod `other`."""
    namespaces = term.get("namespaces") or []
    if not namespaces and term.get("namespaceSelector") is None:
        namespaces = [objects.namespace(holder)]
    anywhere = term.get("namespaceSelector") == {}
    if not anywhere and objects.namespace(other) not in namespaces:
        return False
    return from_label_selector(term.get("labelSelector"))(objects.labels(other))


def same_domain(cycle: Cycle, term: Obj, state: NodeState) -> Iterator[Obj]:
    """Pods on nodes of the same topology domain."""
    key = term["topologyKey"]
    domain = objects.labels(state.node).get(key)
    if domain is None:
        return
    for other in cycle.nodes.values():
        if objects.labels(other.node).get(key) == domain:
            yield from other.pods.values()
