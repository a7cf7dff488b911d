"""Preemption: which pods have to go so that a more important one has room, and on which node that hurts least.

Models pkg/scheduler/framework/{preemption,plugins/defaultpreemption}. Everything here decides; `writing` carries it
out. All nodes that may help are looked at (upstream: at least a hundred, or a tenth); those that are equally good are
told apart by name (upstream: by chance). Left out: pod groups, extenders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pocketkube import budgets, objects
from pocketkube.duration import parse_time
from pocketkube.objects import Obj
from pocketkube.scheduler.filters import Cycle, Refusal
from pocketkube.scheduler.nodes import NodeState, PodInfo

BY_SCHEDULER: Final = "PreemptionByScheduler"
NEVER: Final = "not eligible due to preemptionPolicy=Never."
UNDER_WAY: Final = "not eligible due to a terminating pod on the nominated node."
USELESS: Final = "Preemption is not helpful for scheduling"
NOBODY: Final = "No preemption victims found for incoming pod"
_LEAST: Final = 2**31
"""Added to priorities, so that each victim counts even where all are negative."""
Fits = Callable[[Cycle, NodeState], Refusal | None]


@dataclass(frozen=True)
class Candidate:
    """A node, and the pods that would have to go, the most important first."""

    node: str
    victims: tuple[PodInfo, ...]
    violations: int
    """How many of them a PodDisruptionBudget wants to keep."""


def ineligible(info: PodInfo, nodes: Mapping[str, NodeState], refusals: Mapping[str, Refusal]) -> str | None:
    """Why a pod may not preempt others (now): it never does, or those it has preempted are still ending."""
    if info.spec.get("preemptionPolicy") == "Never":
        return NEVER
    nominated = objects.status(info.pod).get("nominatedNodeName", "")
    refused = refusals.get(nominated)
    if nominated not in nodes or (refused is not None and refused.for_good):
        return None
    others = nodes[nominated].pods.values()
    return UNDER_WAY if any(o.priority < info.priority and _is_preempted(o.pod) for o in others) else None


def _is_preempted(pod: Obj) -> bool:
    found = objects.condition(pod, "DisruptionTarget")
    preempted = found is not None and (found["status"], found.get("reason")) == ("True", BY_SCHEDULER)
    return preempted and objects.is_terminating(pod)


def candidates(
    cycle: Cycle, refusals: Mapping[str, Refusal], fits: Fits, protected: Iterable[Obj]
) -> tuple[list[Candidate], list[str]]:
    """The nodes that would take the pod if others went, and for each of the others the reasons why not.

    `protected`: all PodDisruptionBudgets."""
    found: list[Candidate] = []
    reasons: list[str] = []
    protected = list(protected)
    for name, refused in refusals.items():
        if refused.for_good:
            reasons.append(USELESS)
            continue
        chosen = victims_on(cycle, cycle.nodes[name], fits, protected)
        if isinstance(chosen, Candidate):
            found.append(chosen)
        else:
            reasons.extend(chosen)
    return found, reasons


def victims_on(cycle: Cycle, state: NodeState, fits: Fits, protected: Sequence[Obj]) -> Candidate | tuple[str, ...]:
    """The fewest pods of the node that have to go, or the reasons why it would not help.

    All less important pods leave, then as many as possible come back: first those a budget protects, and of equals the
    most important first."""
    mine = cycle.info.priority
    lesser = sorted((o for o in state.pods.values() if o.priority < mine), key=_importance)
    if not lesser:
        return (NOBODY,)
    trial = state.copy()
    for other in lesser:
        trial.remove(other.uid)
    refused = fits(cycle.with_node(trial), trial)
    if refused is not None:
        return refused.reasons
    gone: list[PodInfo] = []
    kept, others = _by_budget(lesser, protected)
    violations = 0
    for index, other in enumerate([*kept, *others]):
        trial.put(other)
        if fits(cycle.with_node(trial), trial) is None:
            continue
        trial.remove(other.uid)
        gone.append(other)
        violations += index < len(kept)
    return Candidate(state.name, tuple(sorted(gone, key=_importance)), violations)


def _importance(info: PodInfo) -> tuple[int, bool, str]:
    """Sorts the most important first: by priority, then those that have run longest."""
    started = objects.status(info.pod).get("startTime") or ""
    return -info.priority, not started, started


def _by_budget(pods: Iterable[PodInfo], protected: Sequence[Obj]) -> tuple[list[PodInfo], list[PodInfo]]:
    """(pods whose going a budget does not allow, the others), both in the order given."""
    left = [objects.status(budget).get("disruptionsAllowed", 0) for budget in protected]
    kept: list[PodInfo] = []
    others: list[PodInfo] = []
    for info in pods:
        violated = False
        for index, budget in enumerate(protected):
            if objects.namespace(budget) != info.namespace or not info.labels:
                continue
            selector = objects.spec(budget).get("selector") or {}
            known = objects.status(budget).get("disruptedPods") or {}
            if not any(selector.values()) or not budgets.covers(budget, info.labels) or objects.name(info.pod) in known:
                continue
            left[index] -= 1
            violated = violated or left[index] < 0
        (kept if violated else others).append(info)
    return kept, others


def least_harmful(found: Sequence[Candidate]) -> Candidate:
    """Of several candidates that whose victims matter least; `found` is not empty."""
    return min(found, key=_harm)


def _harm(candidate: Candidate) -> tuple[int, int, int, int, float, str]:
    """Budgets violated, the highest priority, the sum of priorities, how many; then who has run shortest."""
    victims = candidate.victims
    highest = max(victim.priority for victim in victims)
    starts = [objects.status(v.pod).get("startTime") for v in victims if v.priority == highest]
    earliest = min(parse_time(start).timestamp() if start else float("inf") for start in starts)
    total = sum(victim.priority + _LEAST for victim in victims)
    return candidate.violations, highest, total, len(victims), -earliest, candidate.node
