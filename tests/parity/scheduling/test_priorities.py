"""Which of the nodes that fit is preferred. After upstream's e2e tests (test/e2e/scheduling/priorities.go)."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.parity.network.support import START, Place
from tests.parity.scheduling.support import (
    PREFERRED,
    REQUIRED,
    Nodes,
    among,
    expression,
    node_of,
    pausing,
    replicaset,
    run,
)

KEY = "example.com/e2e-priority"


@pytest.fixture
def two(nodes: Nodes) -> list[str]:
    """Two nodes that differ in the label KEY, and no pods that prefer one of them."""
    if len(nodes.names) < 2:
        pytest.skip("the cluster has one node only")
    for name in nodes.names[:2]:
        nodes.label(name, KEY, name)
    return nodes.names[:2]


def test_away_from_pods_one_does_not_like(here: Place, two: list[str]) -> None:
    both = among(expression(KEY, "In", *two))
    run(here, pausing("security-s1", labels={"security": "S1"}, affinity=both))
    expressions = [
        expression("security", "In", "S1", "value2"),
        expression("security", "NotIn", "S2"),
        expression("security", "Exists"),
    ]
    term = {"labelSelector": {"matchExpressions": expressions}, "topologyKey": KEY, "namespaces": [here.namespace]}
    apart = {"podAntiAffinity": {PREFERRED: [{"weight": 100, "podAffinityTerm": term}]}}
    run(here, pausing("away", affinity={**both, **apart}))
    assert node_of(here, "away") != node_of(here, "security-s1")


def test_near_to_pods_in_namespaces_by_label(here: Place, two: list[str]) -> None:
    run(here, pausing("friend", labels={"app": "friend"}, affinity=among(expression(KEY, "In", two[1]))))
    selector = {"matchLabels": {"kubernetes.io/metadata.name": here.namespace}}
    term = {
        "labelSelector": {"matchLabels": {"app": "friend"}},
        "topologyKey": KEY,
        "namespaceSelector": selector,
    }
    run(here, pausing("near", affinity={"podAffinity": {REQUIRED: [term]}}))
    assert node_of(here, "near") == two[1]


def test_to_nodes_whose_taints_are_tolerated(here: Place, nodes: Nodes, two: list[str]) -> None:
    tolerations = []
    for index in range(10):
        taint = nodes.taint(two[0], f"example.com/e2e-taint-{index}", "PreferNoSchedule", "x")
        tolerations.append({**taint, "operator": "Equal"})
        for other in two[1:]:
            nodes.taint(other, f"example.com/e2e-other-{index}", "PreferNoSchedule", "x")
    run(here, pausing("tolerant", tolerations=tolerations, affinity=among(expression(KEY, "In", *two))))
    assert node_of(here, "tolerant") == two[0]


def test_to_where_fewer_of_the_same_are(here: Place, two: list[str]) -> None:
    """Four on the first node, and then one that would like to be spread."""
    first, both = among(expression(KEY, "In", two[0])), among(expression(KEY, "In", *two))
    here.put(replicaset("web", 4, affinity=first))
    here.wait("ReplicaSet", "web", lambda rs: rs["status"].get("availableReplicas") == 4, timeout=START)
    constraint = {
        "maxSkew": 1,
        "topologyKey": KEY,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"name": "web"}},
    }
    run(here, pausing("soft", affinity=both, topologySpreadConstraints=[constraint]))
    assert node_of(here, "soft") == two[1]


def test_the_pods_of_a_set_are_spread_without_being_told(here: Place, two: list[str]) -> None:
    here.put(replicaset("web", 6, affinity=among(expression(KEY, "In", *two))))
    here.wait("ReplicaSet", "web", lambda rs: rs["status"].get("availableReplicas") == 6, timeout=START)
    found = Counter(pod["spec"]["nodeName"] for pod in here.list("Pod"))
    assert found.keys() == set(two)
    assert max(found.values()) <= 4
