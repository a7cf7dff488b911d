"""The choice of victims against models that try everything."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from pocketkube.objects import Obj
from pocketkube.scheduler import filters, preemption
from pocketkube.scheduler.filters import Cycle, Refusal
from pocketkube.scheduler.nodes import NodeState, PodInfo
from pocketkube.scheduler.preemption import Candidate

CORES = 10
GUARDED = {"app": "guarded"}


@dataclass(frozen=True)
class Running:
    """A pod on the node: its priority, cores, the second it started in (None: not yet), whether a budget covers it."""

    priority: int
    cores: int
    started: int | None
    guarded: bool


def pod(name: str, priority: int, cores: int, started: int | None = None, *, guarded: bool = False) -> Obj:
    status = {} if started is None else {"startTime": f"2026-01-01T00:00:{started:02}Z"}
    asked = {"requests": {"cpu": str(cores)}} if cores else {}
    spec = {"priority": priority, "containers": [{"name": "c", "resources": asked}]}
    meta = {"name": name, "namespace": "test", "uid": name, "labels": GUARDED if guarded else {}}
    return {"metadata": meta, "spec": spec, "status": status}


def node(name: str, pods: list[Running]) -> NodeState:
    state = NodeState({"metadata": {"name": name}, "status": {"allocatable": {"cpu": str(CORES), "pods": "110"}}})
    for index, each in enumerate(pods):
        state.add(pod(f"{name}-{index}", each.priority, each.cores, each.started, guarded=each.guarded))
    return state


def budget(allowed: int) -> Obj:
    meta = {"name": "b", "namespace": "test"}
    return {
        "metadata": meta,
        "spec": {"selector": {"matchLabels": GUARDED}},
        "status": {"disruptionsAllowed": allowed},
    }


def fits(cycle: Cycle, state: NodeState) -> Refusal | None:
    return filters.resources(cycle, state)


def cycle_of(cores: int, priority: int, *states: NodeState) -> Cycle:
    return Cycle(cast(Any, None), PodInfo(pod("new", priority, cores)), {state.name: state for state in states})


def importance(each: Running) -> tuple[int, int]:
    return -each.priority, 99 if each.started is None else each.started


def expected(pods: list[Running], cores: int, priority: int, allowed: int) -> tuple[set[int], int] | None:
    """(indexes of the victims, budget violations) by trying every set of pods that could stay."""
    lesser = [i for i, each in enumerate(pods) if each.priority < priority]
    fixed = sum(each.cores for each in pods if each.priority >= priority)
    if not lesser or (cores and fixed + cores > CORES):
        return None
    lesser.sort(key=lambda i: importance(pods[i]))
    covered = [i for i in lesser if pods[i].guarded]
    violating = covered[allowed:]
    order = [*violating, *(i for i in lesser if i not in violating)]
    best = max(
        stay
        for stay in product((False, True), repeat=len(order))
        if not cores or fixed + cores + sum(pods[i].cores for i, kept in zip(order, stay, strict=True) if kept) <= CORES
    )
    gone = {i for i, kept in zip(order, best, strict=True) if not kept}
    return gone, len(gone & set(violating))


runnings = st.builds(
    Running,
    priority=st.integers(-2, 3),
    cores=st.integers(0, 4),
    started=st.none() | st.integers(0, 9),
    guarded=st.booleans(),
)


@given(
    st.lists(runnings, max_size=7, unique_by=importance),
    st.integers(1, CORES),
    st.integers(-1, 4),
    st.integers(0, 2),
)
def test_as_many_as_possible_stay_the_protected_and_important_first(
    pods: list[Running], cores: int, priority: int, allowed: int
) -> None:
    state = node("n", pods)
    cycle = cycle_of(cores, priority, state)
    found = preemption.victims_on(cycle, state, fits, [budget(allowed)])
    wanted = expected(pods, cores, priority, allowed)
    if wanted is None:
        assert not isinstance(found, Candidate)
    elif fits(cycle, state) is None:  # nobody has to go: that is not asked of it
        assert isinstance(found, Candidate)
        assert found.victims == ()
    else:
        assert isinstance(found, Candidate)
        assert ({int(victim.uid[2:]) for victim in found.victims}, found.violations) == wanted
        order = [importance(pods[int(victim.uid[2:])]) for victim in found.victims]
        assert order == sorted(order)
    assert len(state.pods) == len(pods), "trying must not change the node"
    assert state.requested["cpu"] == 1000 * sum(each.cores for each in pods)


candidates = st.builds(
    lambda victims, violations: (victims, violations),
    st.lists(runnings, min_size=1, max_size=3),
    st.integers(0, 1),
)


@given(st.lists(candidates, min_size=1, max_size=5))
def test_the_node_where_it_hurts_least(nodes: list[tuple[list[Running], int]]) -> None:
    found = []
    for index, (victims, violations) in enumerate(nodes):
        infos = [PodInfo(pod(f"{index}-{i}", v.priority, v.cores, v.started)) for i, v in enumerate(victims)]
        infos.sort(key=lambda info: -info.priority)
        found.append(Candidate(f"n{index}", tuple(infos), violations))
    rest = list(range(len(nodes)))
    # one rule after the other, each only among those that the rules before it left equal
    rules = (
        lambda i: nodes[i][1],
        lambda i: max(v.priority for v in nodes[i][0]),
        lambda i: sum(v.priority + 2**31 for v in nodes[i][0]),
        lambda i: len(nodes[i][0]),
        lambda i: (
            -min(
                99 if v.started is None else v.started
                for v in nodes[i][0]
                if v.priority == max(other.priority for other in nodes[i][0])
            )
        ),
        lambda i: i,
    )
    for rule in rules:
        least = min(rule(i) for i in rest)
        rest = [i for i in rest if rule(i) == least]
    assert preemption.least_harmful(found).node == f"n{rest[0]}"
