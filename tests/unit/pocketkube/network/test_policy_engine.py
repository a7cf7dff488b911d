"""Whose address is whose, when that changes, and what the engine makes of a policy."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.network.policy_engine import PolicyEngine
from pocketkube.objects import Obj

from .conftest import World

CLOSED: Obj = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.fixture
def engine(world: World) -> PolicyEngine:
    for name in ("lab", "other"):
        world.apply("namespaces", {"metadata": {"name": name, "labels": {"team": name}}})
    return PolicyEngine(world.client)


def pod(world: World, name: str, *addresses: str, namespace: str = "lab", phase: str = "Running", **spec: Any) -> Obj:
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    status = {"phase": phase, "podIPs": [{"ip": address} for address in addresses]}
    return world.apply("pods", {"metadata": meta, "spec": {"containers": [], **spec}, "status": status})


def policy(world: World, name: str, spec: Obj, namespace: str = "lab") -> None:
    world.apply("networkpolicies", {"metadata": {"name": name, "namespace": namespace}, "spec": spec})


def reaches(engine: PolicyEngine, source: str, destination: str, port: int = 80, protocol: str = "TCP") -> bool:
    return engine.egress(source, destination, port, protocol) and engine.ingress(source, destination, port, protocol)


def test_a_policy_isolates_from_the_moment_it_is_written_until_it_is_deleted(
    world: World, engine: PolicyEngine
) -> None:
    pod(world, "web", "10.244.1.2")
    assert reaches(engine, "10.244.1.9", "10.244.1.2")
    policy(world, "closed", CLOSED)
    assert not reaches(engine, "10.244.1.9", "10.244.1.2")
    assert not reaches(engine, "10.244.1.2", "192.0.2.1")
    world.delete("networkpolicies", "lab", "closed")
    assert reaches(engine, "10.244.1.9", "10.244.1.2")


def test_what_exists_before_the_engine_is_known_to_it(world: World) -> None:
    pod(world, "web", "10.244.1.2")
    policy(world, "closed", CLOSED)
    assert not reaches(PolicyEngine(world.client), "10.244.1.9", "10.244.1.2")


def test_policies_of_another_namespace_select_nothing_here(world: World, engine: PolicyEngine) -> None:
    pod(world, "web", "10.244.1.2")
    policy(world, "closed", CLOSED, namespace="other")
    assert reaches(engine, "10.244.1.9", "10.244.1.2")


def test_a_pod_with_two_addresses_is_isolated_at_both(world: World, engine: PolicyEngine) -> None:
    pod(world, "web", "10.244.1.2", "fd00:10:244:1::2")
    policy(world, "closed", CLOSED)
    assert not reaches(engine, "10.244.1.9", "10.244.1.2")
    assert not reaches(engine, "fd00:10:244:1::9", "fd00:10:244:1::2")


def test_host_network_pods_are_their_node(world: World, engine: PolicyEngine) -> None:
    pod(world, "agent", "172.18.0.3", hostNetwork=True)
    pod(world, "web", "10.244.1.2")
    policy(world, "closed", {**CLOSED, "podSelector": {"matchLabels": {"app": "agent"}}})
    assert reaches(engine, "10.244.1.2", "172.18.0.3")
    rule = {"from": [{"podSelector": {"matchLabels": {"app": "agent"}}}]}
    policy(
        world, "web", {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [rule]}
    )
    assert not reaches(engine, "172.18.0.3", "10.244.1.2")  # a selector means pods; the node is an address


def test_a_terminating_pod_is_isolated_as_long_as_it_runs(world: World, engine: PolicyEngine) -> None:
    web = pod(world, "web", "10.244.1.2")
    policy(world, "closed", CLOSED)
    web = world.apply("pods", {**web, "metadata": {**web["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert not reaches(engine, "10.244.1.9", "10.244.1.2")
    world.delete("pods", "lab", "web")
    assert reaches(engine, "10.244.1.9", "10.244.1.2")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_has_lost_its_address(world: World, engine: PolicyEngine, phase: str) -> None:
    policy(world, "closed", CLOSED)
    pod(world, "job", "10.244.1.2")
    assert not reaches(engine, "10.244.1.2", "10.244.1.9")
    pod(world, "job", "10.244.1.2", phase=phase)
    assert reaches(engine, "10.244.1.2", "10.244.1.9")


def test_an_address_belongs_to_the_pod_that_has_it_now(world: World, engine: PolicyEngine) -> None:
    policy(world, "closed", {**CLOSED, "podSelector": {"matchLabels": {"app": "new"}}})
    pod(world, "old", "10.244.1.2")
    pod(world, "new", "10.244.1.2")
    world.delete("pods", "lab", "old")
    assert not reaches(engine, "10.244.1.9", "10.244.1.2")


def test_a_pod_is_isolated_before_its_status_tells_its_address(world: World, engine: PolicyEngine) -> None:
    policy(world, "closed", CLOSED)
    started = pod(world, "web", phase="Pending")
    assert reaches(engine, "10.244.1.2", "10.244.1.9")
    engine.attached(started, ("10.244.1.2",))
    assert not reaches(engine, "10.244.1.2", "10.244.1.9")
    pod(world, "web", phase="Pending")  # another write that does not tell it yet
    assert not reaches(engine, "10.244.1.2", "10.244.1.9")
    world.delete("pods", "lab", "web")
    assert reaches(engine, "10.244.1.2", "10.244.1.9")


def test_a_namespace_is_selected_by_the_labels_it_has_now(world: World, engine: PolicyEngine) -> None:
    pod(world, "web", "10.244.1.2")
    pod(world, "client", "10.244.1.3", namespace="other")
    peer = {"namespaceSelector": {"matchLabels": {"team": "new"}}}
    policy(world, "web", {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [peer]}]})
    assert not reaches(engine, "10.244.1.3", "10.244.1.2")
    world.apply("namespaces", {"metadata": {"name": "other", "labels": {"team": "new"}}})
    assert reaches(engine, "10.244.1.3", "10.244.1.2")


def test_an_echo_request_has_no_port_so_only_rules_without_ports_let_it_through(
    world: World, engine: PolicyEngine
) -> None:
    pod(world, "web", "10.244.1.2")
    ported = {"ports": [{"protocol": "TCP"}]}
    policy(world, "web", {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [ported]})
    assert reaches(engine, "10.244.1.9", "10.244.1.2", 80)
    assert not reaches(engine, "10.244.1.9", "10.244.1.2", 0, "ICMP")
    policy(world, "more", {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]})
    assert reaches(engine, "10.244.1.9", "10.244.1.2", 0, "ICMP")


def test_a_port_is_named_by_the_pod_it_is_asked_of(world: World, engine: PolicyEngine) -> None:
    for name, address, number in (("a", "10.244.1.2", 8080), ("b", "10.244.1.3", 9090)):
        port = {"name": "http", "containerPort": number, "protocol": "TCP"}
        pod(world, name, address, containers=[{"name": "c", "ports": [port]}])
    rule = {"ports": [{"protocol": "TCP", "port": "http"}]}
    policy(
        world, "named", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [rule], "egress": [rule]}
    )
    assert reaches(engine, "10.244.1.2", "10.244.1.3", 9090)
    assert not reaches(engine, "10.244.1.2", "10.244.1.3", 8080)
    assert not reaches(engine, "10.244.1.2", "192.0.2.1", 8080)  # what is no pod names no ports


def test_answers_are_kept_within_bounds(world: World, engine: PolicyEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pocketkube.network.policy_engine.MOST_ANSWERS", 10)
    pod(world, "web", "10.244.1.2")
    policy(world, "closed", CLOSED)
    assert not any(reaches(engine, f"192.0.2.{n}", "10.244.1.2") for n in range(100))
    assert len(engine._answers) <= 10
