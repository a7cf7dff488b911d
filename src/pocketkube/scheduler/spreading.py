"""The score for topology spread: by a pod's own constraints, or by those that a cluster has for pods without any.

Models pkg/scheduler/framework/plugins/podtopologyspread/scoring.go and helper.DefaultSelector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import log
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.scheduler.filters import Cycle
from pocketkube.scheduler.nodes import NodeState, PodInfo
from pocketkube.scheduler.topology import Constraint, constraints
from pocketkube.selectors import EVERYTHING, LabelSelector, from_label_selector, from_set

HOSTNAME: Final = "kubernetes.io/hostname"
MOST: Final = 100
DEFAULT: Final = (Constraint(HOSTNAME, 3, EVERYTHING), Constraint("topology.kubernetes.io/zone", 5, EVERYTHING))
"""What pods without constraints are spread by, as far as they have a service or an owner."""
_OWNERS: Final = {
    ("v1", "ReplicationController"): "replicationcontrollers",
    ("apps/v1", "ReplicaSet"): "replicasets",
    ("apps/v1", "StatefulSet"): "statefulsets",
}


def spreading(cycle: Cycle, states: Sequence[NodeState]) -> Sequence[int]:
    """Fewer pods like it in the node's domains are better."""
    own = bool(cycle.spec.get("topologySpreadConstraints"))
    soft = constraints(cycle.spec, "ScheduleAnyway") if own else _defaults(cycle)
    if not soft:
        return [0] * len(states)
    ignored = {s.name for s in states if own and not all(each.key in s.labels for each in soft)}
    raw = [0.0] * len(states)
    for each in soft:
        counts = _counts(cycle, states, soft if own else (), each, ignored)
        domains = len(states) - len(ignored) if each.key == HOSTNAME else len(counts)
        weight = log(domains + 2)
        for index, state in enumerate(states):
            if state.name not in ignored and each.key in state.labels:
                count = counts[state.labels[each.key]]
                if each.key == HOSTNAME:
                    count = each.among(cycle.info.namespace, state)
                raw[index] += count * weight + each.max_skew - 1
    return _normalized([round(points) for points in raw], [state.name in ignored for state in states])


def _counts(
    cycle: Cycle, states: Sequence[NodeState], required: Sequence[Constraint], each: Constraint, ignored: set[str]
) -> Counter[str]:
    """Matching pods by domain, of the domains that can be chosen. `required`: all their keys must be on a node."""
    counts = Counter({s.labels[each.key]: 0 for s in states if each.key in s.labels and s.name not in ignored})
    if each.key == HOSTNAME:
        return counts
    for state in cycle.nodes.values():
        chosen = all(one.key in state.labels for one in required) and state.labels.get(each.key) in counts
        if chosen and each.counts(cycle.spec, state.node):
            counts[state.labels[each.key]] += each.among(cycle.info.namespace, state)
    return counts


def _normalized(raw: list[int], ignored: list[bool]) -> list[int]:
    kept = [points for points, out in zip(raw, ignored, strict=True) if not out]
    low, high = min(kept, default=0), max(kept, default=0)
    return [
        0 if out else MOST * (high + low - points) // high if high else MOST
        for points, out in zip(raw, ignored, strict=True)
    ]


def _defaults(cycle: Cycle) -> tuple[Constraint, ...]:
    selector = default_selector(cycle.client, cycle.info)
    return tuple(replace(each, selector=selector) for each in DEFAULT) if selector.requirements else ()


def default_selector(client: Client, info: PodInfo) -> LabelSelector:
    """What the services and the owner of a pod select."""
    found: dict[str, str] = {}
    for service in client.list("services", info.namespace):
        selector = objects.spec(service).get("selector")
        if selector and selector.items() <= info.labels.items():
            found |= selector
    terms = from_set(found).requirements
    owner = objects.controller_ref(info.pod)
    kind = _OWNERS.get((owner["apiVersion"], owner["kind"])) if owner is not None else None
    if owner is not None and kind is not None:
        whole = client.find(kind, info.namespace, owner["name"])
        if whole is not None:
            wanted = objects.spec(whole).get("selector") or {}
            if kind == "replicationcontrollers":
                wanted = {"matchLabels": wanted}
            terms = (*terms, *from_set(wanted.get("matchLabels")).requirements)
            if wanted.get("matchExpressions"):
                terms = (*terms, *from_label_selector({**wanted, "matchLabels": {}}).requirements)
    return LabelSelector(terms)
