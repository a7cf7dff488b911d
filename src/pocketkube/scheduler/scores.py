"""Which of the nodes that fit is best: each score is 0 to 100, or raw points that are stretched to that range.

Models the Score plugins of the default profile: NodeResourcesFit (least allocated), NodeResourcesBalancedAllocation,
PodTopologySpread by owner and by ScheduleAnyway constraints, NodeAffinity, TaintToleration and InterPodAffinity
(preferred terms), with their weights. Ties go to the node with the fewest pods, then by name; upstream draws lots.
"""

from __future__ import annotations

from collections.abc import Callable

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.placement import tolerates
from pocketkube.scheduler.filters import Cycle
from pocketkube.scheduler.nodes import NodeState, nonzero_requests
from pocketkube.scheduler.topology import matches, same_domain
from pocketkube.selectors import from_label_selector, term_matches

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
Score = Callable[[Cycle, NodeState], float]


def best(cycle: Cycle, states: list[NodeState]) -> NodeState:
    """The winner among the nodes that fit; `states` is not empty."""
    totals = {state.name: 0.0 for state in states}
    for weight, score in WEIGHTED:
        for state in states:
            totals[state.name] += weight * score(cycle, state)
    for weight, raw, reverse in NORMALIZED:
        points = {state.name: raw(cycle, state) for state in states}
        for name, share in _stretched(points, reverse=reverse).items():
            totals[name] += weight * share
    return min(states, key=lambda state: (-round(totals[state.name], 6), len(state.pods), state.name))


def least_allocated(cycle: Cycle, state: NodeState) -> float:
    free = _shares(cycle, state)
    return sum(max(0.0, 1 - share) * 100 for share in free) / len(free) if free else 0.0


def balanced(cycle: Cycle, state: NodeState) -> float:
    shares = [min(1.0, share) for share in _shares(cycle, state)]
    return (1 - abs(shares[0] - shares[1]) / 2) * 100 if len(shares) == 2 else 0.0


def _shares(cycle: Cycle, state: NodeState) -> list[float]:
    """Used parts of cpu and memory with the pod on the node."""
    allocatable, asked = state.allocatable, nonzero_requests(cycle.pod)
    used = {name: state.seen[name] + asked.get(name, 0) for name in ("cpu", "memory")}
    return [used[name] / allocatable[name] for name in used if allocatable.get(name)]


def same_owner(cycle: Cycle, state: NodeState) -> float:
    """Pods of the same controller on the node: fewer are better."""
    ref = objects.controller_ref(cycle.pod)
    return float(state.owners[ref["uid"]]) if ref else 0.0


def crowded(cycle: Cycle, state: NodeState) -> float:
    """Matching pods in the domains of ScheduleAnyway constraints: fewer are better."""
    points = 0.0
    for constraint in cycle.spec.get("topologySpreadConstraints") or ():
        if constraint.get("whenUnsatisfiable") == "ScheduleAnyway":
            selector = from_label_selector(constraint.get("labelSelector"))
            points += sum(
                selector(objects.labels(pod))
                for pod in same_domain(cycle, constraint, state)
                if objects.namespace(pod) == objects.namespace(cycle.pod)
            )
    return points


def preferred_nodes(cycle: Cycle, state: NodeState) -> float:
    preferred = objects.dig(cycle.spec, "affinity", "nodeAffinity", PREFERRED, default=())
    labels = objects.labels(state.node)
    return float(sum(p["weight"] for p in preferred if term_matches(p["preference"], labels, state.name)))


def disliked_taints(cycle: Cycle, state: NodeState) -> float:
    taints = objects.spec(state.node).get("taints") or ()
    return float(sum(t["effect"] == "PreferNoSchedule" and not tolerates(cycle.spec, t) for t in taints))


def preferred_pods(cycle: Cycle, state: NodeState) -> float:
    """Weights of the pod's own preferred terms; those of the pods already there are left out."""
    points = 0.0
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        for preferred in objects.dig(cycle.spec, "affinity", kind, PREFERRED, default=()):
            term: Obj = preferred["podAffinityTerm"]
            found = sum(matches(term, cycle.pod, other) for other in same_domain(cycle, term, state))
            points += sign * preferred["weight"] * found
    return points


def _stretched(points: dict[str, float], *, reverse: bool) -> dict[str, float]:
    """0 to 100 between the least and the most; `reverse`: the least is best."""
    low, high = min(points.values()), max(points.values())
    if low == high:
        return dict.fromkeys(points, 0.0)
    return {n: 100 * ((high - p) if reverse else (p - low)) / (high - low) for n, p in points.items()}


WEIGHTED: tuple[tuple[int, Score], ...] = ((1, least_allocated), (1, balanced))
NORMALIZED: tuple[tuple[int, Score, bool], ...] = (
    (2, same_owner, True),
    (2, crowded, True),
    (2, preferred_nodes, False),
    (3, disliked_taints, True),
    (2, preferred_pods, False),
)
