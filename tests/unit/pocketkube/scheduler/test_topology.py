"""Spread constraints and affinity between pods: against a model that counts anew each time, and the cases by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pocketkube.controllers.world import World

from pocketkube.objects import Obj
from pocketkube.scheduler import topology
from pocketkube.scheduler.filters import Cycle
from pocketkube.scheduler.nodes import NodeState, PodInfo

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ZONE, HOST = "zone", "host"
SPREAD = "node(s) didn't match pod topology spread constraints"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"

WORLD = World()
WORLD.create("namespaces", {"metadata": {"name": "other", "labels": {"team": "red"}}})
CLIENT = WORLD.client


def pod(name: str, app: str = "", *, namespace: str = "test", going: bool = False, **spec: Any) -> Obj:
    meta: Obj = {
        "name": name,
        "namespace": namespace,
        "uid": f"{namespace}/{name}",
        "labels": {"app": app} if app else {},
    }
    if going:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": meta, "spec": {"containers": [{"name": "c"}], **spec}}


def node(name: str, *pods: Obj, taints: Iterable[Obj] = (), **labels: str) -> NodeState:
    state = NodeState({"metadata": {"name": name, "labels": {HOST: name, **labels}}, "spec": {"taints": list(taints)}})
    for each in pods:
        state.add(each)
    return state


def cycle_of(new: Obj, states: Iterable[NodeState]) -> Cycle:
    return Cycle(CLIENT, PodInfo(new), {state.name: state for state in states})


def refusals(new: Obj, *states: NodeState) -> dict[str, str]:
    """What is said of each node that does not fit."""
    cycle = cycle_of(new, states)
    found = {}
    for state in states:
        refused = topology.spread(cycle, state) or topology.pod_affinity(cycle, state)
        if refused is not None:
            (found[state.name],) = refused.reasons
    return found


def term(app: str, key: str = ZONE, **fields: Any) -> Obj:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **fields}


def near(*terms: Obj) -> Obj:
    return {"affinity": {"podAffinity": {REQUIRED: list(terms)}}}


def apart(*terms: Obj) -> Obj:
    return {"affinity": {"podAntiAffinity": {REQUIRED: list(terms)}}}


def spread(app: str, key: str = ZONE, skew: int = 1, **fields: Any) -> Obj:
    return {**term(app, key), "maxSkew": skew, "whenUnsatisfiable": "DoNotSchedule", **fields}


# -- by name


def test_one_pod_has_to_match_all_terms_of_affinity() -> None:
    both = near({"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "a"}}}, term("b"))
    assert refusals(pod("new", **both), node("n", pod("a", "a"), pod("b", "b"), zone="x")) == {"n": AFFINITY}


def test_the_first_of_a_group_may_go_anywhere_that_has_the_label() -> None:
    new = pod("new", "web", **near(term("web")))
    assert refusals(new, node("n", zone="x"), node("m")) == {"m": AFFINITY}
    assert refusals(new, node("n", zone="x"), node("m", pod("a", "web"), zone="y")) == {"n": AFFINITY}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, {"n": AFFINITY}),
        ({"namespaces": ["other"]}, {}),
        ({"namespaceSelector": {}}, {}),
        ({"namespaceSelector": {"matchLabels": {"team": "red"}}}, {}),
        ({"namespaceSelector": {"matchLabels": {"team": "blue"}}}, {"n": AFFINITY}),
        ({"namespaceSelector": {"matchLabels": {"team": "blue"}}, "namespaces": ["other"]}, {}),
    ],
)
def test_the_namespaces_a_term_speaks_of(fields: Obj, found: dict[str, str]) -> None:
    there = node("n", pod("a", "web", namespace="other"), zone="x")
    assert refusals(pod("new", **near(term("web", **fields))), there) == found


def test_those_who_are_there_have_a_say_too_by_namespaces_as_well() -> None:
    red = apart(term("web", namespaceSelector={"matchLabels": {"team": "red"}}))
    there = node("n", pod("guard", **red), zone="x")
    assert refusals(pod("new", "web", namespace="other"), there, node("m", zone="x")) == {"n": EXISTING, "m": EXISTING}
    assert refusals(pod("new", "web"), there) == {}


def test_what_counts_for_spreading() -> None:
    taint = {"key": "k", "effect": "NoSchedule"}
    full, tainted = node("n", pod("a", "web"), zone="x"), node("t", zone="y", taints=[taint])
    new = pod("new", "web", topologySpreadConstraints=[spread("web")])
    assert refusals(new, full, tainted) == {"n": SPREAD}
    honest = pod("new", "web", topologySpreadConstraints=[spread("web", nodeTaintsPolicy="Honor")])
    assert refusals(honest, full, tainted) == {}
    selecting = {"nodeSelector": {"zone": "x"}}
    picky = pod("new", "web", topologySpreadConstraints=[spread("web")], **selecting)
    assert refusals(picky, full, node("m", zone="y")) == {}
    careless = [spread("web", nodeAffinityPolicy="Ignore")]
    assert refusals(pod("new", "web", topologySpreadConstraints=careless, **selecting), full, node("m", zone="y")) == {
        "n": SPREAD
    }


def test_pods_that_go_and_those_of_other_namespaces_do_not_count() -> None:
    full = node("n", pod("a", "web", going=True), pod("b", "web", namespace="other"), zone="x")
    assert refusals(pod("new", "web", topologySpreadConstraints=[spread("web")]), full, node("m", zone="y")) == {}


def test_too_few_domains_count_as_an_empty_one() -> None:
    new = pod("new", "web", topologySpreadConstraints=[spread("web", minDomains=3)])
    states = [node("n", pod("a", "web"), zone="x"), node("m", pod("b", "web"), zone="y")]
    assert refusals(new, *states) == {"n": SPREAD, "m": SPREAD}
    assert refusals(new, *states, node("o", zone="z")) == {"n": SPREAD, "m": SPREAD}
    assert refusals(new, *states, node("o", pod("c", "web"), zone="z")) == {}


def test_nodes_without_the_label_are_told_so_and_count_nowhere() -> None:
    new = pod("new", "web", topologySpreadConstraints=[spread("web"), spread("web", HOST)])
    found = refusals(new, node("n", pod("a", "web"), zone="x"), node("m"))
    assert found == {"m": f"{SPREAD} (missing required label)"}


# -- against a model

apps = st.sampled_from(["a", "b"])
keys = st.sampled_from([ZONE, HOST])
anti = st.lists(st.builds(term, apps, keys), max_size=2)
there = st.lists(st.tuples(apps, anti), max_size=3)
worlds = st.lists(st.tuples(st.sampled_from(["", "x", "y"]), there), min_size=1, max_size=4)
news = st.builds(
    lambda app, near_to, away, spreads: (app, near_to, away, spreads),
    apps,
    st.lists(st.builds(term, apps, keys), max_size=2),
    anti,
    st.lists(st.builds(spread, apps, keys, st.integers(1, 2)), max_size=2),
)


def build(world: list[tuple[str, list[tuple[str, list[Obj]]]]]) -> list[NodeState]:
    return [
        node(
            f"n{i}",
            *(pod(f"p{i}-{j}", app, **(apart(*terms) if terms else {})) for j, (app, terms) in enumerate(pods)),
            **({"zone": zone} if zone else {}),
        )
        for i, (zone, pods) in enumerate(world)
    ]


def app_of(info: PodInfo) -> str:
    return info.labels.get("app", "")


def model(new: PodInfo, states: list[NodeState], state: NodeState) -> bool:
    """Whether the node fits, counted in the plainest way."""
    spec = new.spec
    constraints = spec.get("topologySpreadConstraints") or []
    counted = [s for s in states if all(c["topologyKey"] in s.labels for c in constraints)]
    for each in constraints:
        key, app = each["topologyKey"], each["labelSelector"]["matchLabels"]["app"]
        if key not in state.labels:
            return False
        domains = {s.labels[key]: 0 for s in counted}
        for s in counted:
            domains[s.labels[key]] += sum(app_of(info) == app for info in s.pods.values())
        least = min(domains.values(), default=0)
        if domains.get(state.labels[key], 0) + (app_of(new) == app) - least > each["maxSkew"]:
            return False
    affinity = spec.get("affinity") or {}

    def wanted(term: Obj, info: PodInfo) -> bool:
        return bool(term["labelSelector"]["matchLabels"]["app"] == app_of(info))

    def together(term: Obj, s: NodeState) -> bool:
        key = term["topologyKey"]
        return key in s.labels and s.labels[key] == state.labels.get(key)

    terms = (affinity.get("podAffinity") or {}).get(REQUIRED) or []
    if terms:
        if any(t["topologyKey"] not in state.labels for t in terms):
            return False
        mates = [(s, info) for s in states for info in s.pods.values() if all(wanted(t, info) for t in terms)]
        joined = all(any(together(t, s) for s, _ in mates) for t in terms)
        placed = any(t["topologyKey"] in s.labels for s, _ in mates for t in terms)
        if not joined and (placed or not all(wanted(t, new) for t in terms)):
            return False
    for t in (affinity.get("podAntiAffinity") or {}).get(REQUIRED) or []:
        if any(together(t, s) and wanted(t, info) for s in states for info in s.pods.values()):
            return False
    for s in states:
        for info in s.pods.values():
            kept = ((info.spec.get("affinity") or {}).get("podAntiAffinity") or {}).get(REQUIRED) or []
            if any(together(t, s) and wanted(t, new) for t in kept):
                return False
    return True


def fits(cycle: Cycle, state: NodeState) -> bool:
    return topology.spread(cycle, state) is None and topology.pod_affinity(cycle, state) is None


@given(worlds, news, st.data())
def test_the_filters_agree_with_the_model_also_when_a_node_changes(
    world: list[Any], what: tuple[str, list[Obj], list[Obj], list[Obj]], data: st.DataObject
) -> None:
    app, near_to, away, spreads = what
    affinity: Obj = {}
    if near_to:
        affinity["podAffinity"] = {REQUIRED: near_to}
    if away:
        affinity["podAntiAffinity"] = {REQUIRED: away}
    new = pod("new", app, affinity=affinity, topologySpreadConstraints=spreads)
    states = build(world)
    cycle = cycle_of(new, states)
    for state in states:
        assert fits(cycle, state) == model(cycle.info, states, state)
    chosen = data.draw(st.sampled_from(states))
    trial = chosen.copy()
    for uid in data.draw(st.lists(st.sampled_from(sorted(chosen.pods)), unique=True)) if chosen.pods else ():
        trial.remove(uid)
    trial.put(PodInfo(pod("extra", data.draw(apps))))
    changed = [trial if state is chosen else state for state in states]
    for state in changed:
        assert fits(cycle.with_node(trial), state) == model(cycle.info, changed, state)
        assert fits(cycle_of(new, changed), state) == model(cycle.info, changed, state)
