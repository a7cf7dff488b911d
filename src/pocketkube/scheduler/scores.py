"""Which of the nodes that fit is best: every score gives each of them 0 to 100 points, and they weigh differently.

Models the Score plugins of the default profile with their weights: TaintToleration, NodeAffinity, NodeResourcesFit
(least allocated), PodTopologySpread (`spreading`), InterPodAffinity, NodeResourcesBalancedAllocation and ImageLocality.
Ties go to the node with the fewest pods, then by name; upstream draws lots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pocketkube import objects
from pocketkube.placement import tolerates
from pocketkube.scheduler.filters import Cycle
from pocketkube.scheduler.nodes import NodeState, PodInfo
from pocketkube.scheduler.spreading import spreading
from pocketkube.scheduler.terms import PREFERRED
from pocketkube.scheduler.topology import Pair
from pocketkube.selectors import term_matches

MOST: Final = 100
HARD_WEIGHT: Final = 1
"""Points for each required term of pods that are there already which speaks of the pod (hardPodAffinityWeight)."""
_COMPARED: Final = ("cpu", "memory")
_MB: Final = 1024 * 1024
_SMALL_IMAGE, _LARGE_IMAGE = 23 * _MB, 1000 * _MB
Points = Sequence[int]
"""One number for each node, in order."""
Score = Callable[[Cycle, Sequence[NodeState]], Points]


def best(cycle: Cycle, states: Sequence[NodeState]) -> NodeState:
    """The winner among the nodes that fit; `states` is not empty."""
    if len(states) == 1:
        return states[0]
    totals = [0] * len(states)
    for weight, score in WEIGHTED:
        for index, points in enumerate(score(cycle, states)):
            totals[index] += weight * points
    ranked = zip(totals, states, strict=True)
    return min(ranked, key=lambda each: (-each[0], len(each[1].pods), each[1].name))[1]


def tolerated(cycle: Cycle, states: Sequence[NodeState]) -> Points:
    """Taints that only ask to stay away, and that the pod does not tolerate: fewer are better."""
    return _shared(
        [
            sum(
                taint["effect"] == "PreferNoSchedule" and not tolerates(cycle.spec, taint)
                for taint in objects.spec(state.node).get("taints") or ()
            )
            for state in states
        ],
        reverse=True,
    )


def preferred_nodes(cycle: Cycle, states: Sequence[NodeState]) -> Points:
    preferred = objects.dig(cycle.spec, "affinity", "nodeAffinity", PREFERRED) or ()
    if not preferred:
        return [0] * len(states)
    return _shared(
        [sum(p["weight"] for p in preferred if term_matches(p["preference"], s.labels, s.name)) for s in states]
    )


def least_allocated(cycle: Cycle, states: Sequence[NodeState]) -> Points:
    asked = cycle.info.seen
    found = []
    for state in states:
        there = [(name, total) for name in _COMPARED if (total := state.allocatable.get(name, 0))]
        free = [max(0, total - state.seen[name] - asked.get(name, 0)) * MOST // total for name, total in there]
        found.append(sum(free) // len(free) if free else 0)
    return found


def balanced(cycle: Cycle, states: Sequence[NodeState]) -> Points:
    """Whether the pod brings the used parts of cpu and memory closer together."""
    asked = cycle.info.requests
    if not any(asked.get(name) for name in _COMPARED):
        return [0] * len(states)
    found = []
    for state in states:
        before = _evenness(state, state.requested)
        after = _evenness(state, {name: state.requested[name] + asked.get(name, 0) for name in _COMPARED})
        found.append(MOST // 2 + int((MOST // 2 + after - before) / 2))
    return found


def _evenness(state: NodeState, used: Mapping[str, int]) -> int:
    shares = [min(1.0, used[name] / total) for name in _COMPARED if (total := state.allocatable.get(name, 0))]
    apart = abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0.0
    return int((1 - apart) * MOST)


def preferred_pods(cycle: Cycle, states: Sequence[NodeState]) -> Points:
    """The preferred terms of the pod, and those of pods that are there already and speak of it."""
    scored: Counter[Pair] = Counter()
    for state in cycle.nodes.values():
        _score(scored, state, cycle)
        for other in state.affine.values():
            _score_of_other(scored, state, other, cycle)
    if not scored:
        return [0] * len(states)
    raw = [sum(points for (key, value), points in scored.items() if state.labels.get(key) == value) for state in states]
    low, high = min(raw), max(raw)
    return [int(MOST * (points - low) / (high - low)) if high > low else 0 for points in raw]


def _score(scored: Counter[Pair], state: NodeState, cycle: Cycle) -> None:
    for term in cycle.info.preferred:
        if term.key in state.labels:
            found = sum(g.total for g in state.groups() if term.matches(g.namespace, g.labels, cycle.labels_of))
            if found:
                scored[term.key, state.labels[term.key]] += term.weight * found


def _score_of_other(scored: Counter[Pair], state: NodeState, other: PodInfo, cycle: Cycle) -> None:
    info = cycle.info
    for term, weight in (*((t, HARD_WEIGHT) for t in other.affinity), *((t, t.weight) for t in other.preferred)):
        if term.key in state.labels and term.matches(info.namespace, info.labels, cycle.labels_of):
            scored[term.key, state.labels[term.key]] += weight


def images(cycle: Cycle, states: Sequence[NodeState]) -> Points:
    """Images of the pod that the node has already; large ones, that many nodes have, count most."""
    spec = cycle.spec
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    volumes = (volume["image"] for volume in spec.get("volumes") or () if volume.get("image"))
    wanted = [_with_tag(c.get("image", "")) for c in containers]
    wanted += [_with_tag(source.get("reference", "")) for source in volumes]
    spread = Counter(image for state in cycle.nodes.values() for image in state.images.keys() & set(wanted))
    most = _LARGE_IMAGE * len(containers)
    found = []
    for state in states:
        size = sum(int(state.images[name] * spread[name] / len(cycle.nodes)) for name in wanted if name in state.images)
        found.append(MOST * (min(max(size, _SMALL_IMAGE), most) - _SMALL_IMAGE) // (most - _SMALL_IMAGE))
    return found


def _with_tag(name: str) -> str:
    return f"{name}:latest" if name.rfind(":") <= name.rfind("/") else name


def _shared(points: Points, *, reverse: bool = False) -> Points:
    """Points as parts of the most, in hundredths; `reverse`: none is best."""
    high = max(points)
    if not high:
        return [MOST if reverse else 0] * len(points)
    return [MOST - MOST * p // high if reverse else MOST * p // high for p in points]


WEIGHTED: tuple[tuple[int, Score], ...] = (
    (3, tolerated),
    (2, preferred_nodes),
    (1, least_allocated),
    (2, spreading),
    (2, preferred_pods),
    (1, balanced),
    (1, images),
)
