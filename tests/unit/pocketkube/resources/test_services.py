"""Service addresses and node ports: what is taken follows what is stored."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import ZONE, namespace

from pocketkube.clock import Clock
from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.store import Store


@pytest.fixture
def held() -> Registry:
    found = Registry(Store(None), Clock(), ZONE)
    namespace(found, "shop")
    return found


def service(name: str, **spec: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": [{"port": 80}], **spec}}


def wanted() -> list[Obj]:
    return [{"port": 80, "nodePort": 30123}]


def test_an_address_is_free_again_once_its_service_is_gone(held: Registry) -> None:
    held.create("services", service("a", clusterIP="10.96.7.7"))
    with pytest.raises(Invalid, match="provided IP is already allocated"):
        held.create("services", service("b", clusterIP="10.96.7.7"))
    held.delete("services", "shop", "a")
    assert held.create("services", service("b", clusterIP="10.96.7.7"))["spec"]["clusterIPs"] == ["10.96.7.7"]


def test_a_dry_run_takes_nothing(held: Registry) -> None:
    held.create("services", service("a", clusterIP="10.96.7.7"), dry_run=True)
    held.create("services", service("a", type="NodePort", ports=wanted()), dry_run=True)
    held.create("services", service("b", type="NodePort", clusterIP="10.96.7.7", ports=wanted()))


def test_a_refused_service_takes_nothing(held: Registry) -> None:
    with pytest.raises(Invalid, match="sessionAffinity"):
        held.create("services", service("a", clusterIP="10.96.7.7", sessionAffinity="Sometimes"))
    held.create("services", service("b", clusterIP="10.96.7.7"))


def test_a_registry_on_an_old_store_knows_what_is_taken(held: Registry) -> None:
    held.create("services", service("a", type="NodePort", clusterIP="10.96.7.7", ports=wanted()))
    again = Registry(held.store, Clock(), ZONE)
    with pytest.raises(Invalid, match="already allocated"):
        again.create("services", service("b", clusterIP="10.96.7.7"))
    with pytest.raises(Invalid, match="provided port is already allocated"):
        again.create("services", service("b", type="NodePort", ports=wanted()))


def test_tcp_and_udp_of_one_port_share_a_node_port(held: Registry) -> None:
    ports = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}, {"name": "x", "port": 80}]
    found = held.create("services", service("dns", type="NodePort", ports=ports))["spec"]["ports"]
    assert found[0]["nodePort"] == found[1]["nodePort"] != found[2]["nodePort"]


def test_a_node_port_is_given_back_by_a_change_of_type(held: Registry) -> None:
    held.create("services", service("a", type="NodePort", ports=wanted()))
    changed = held.patch("services", "shop", "a", lambda s: s["spec"].update(type="ClusterIP"))
    assert "nodePort" not in changed["spec"]["ports"][0]
    held.create("services", service("b", type="NodePort", ports=wanted()))


def test_writing_a_service_as_it_was_first_written_keeps_what_it_got(held: Registry) -> None:
    first = held.create("services", service("a", type="NodePort"))
    second = held.update("services", service("a", type="NodePort", ports=[{"port": 80, "targetPort": 8080}]))
    assert second["spec"]["clusterIP"] == first["spec"]["clusterIP"]
    assert second["spec"]["ports"][0]["nodePort"] == first["spec"]["ports"][0]["nodePort"]


def test_a_health_check_port_comes_and_goes_with_the_local_policy(held: Registry) -> None:
    made = held.create("services", service("a", type="LoadBalancer", externalTrafficPolicy="Local"))
    port = made["spec"]["healthCheckNodePort"]
    assert 30000 <= port <= 32767
    changed = held.patch("services", "shop", "a", lambda s: s["spec"].update(externalTrafficPolicy="Cluster"))
    assert "healthCheckNodePort" not in changed["spec"]
    held.create("services", service("b", type="NodePort", ports=[{"port": 80, "nodePort": port}]))


def test_an_external_name_has_no_address_and_gets_one_with_a_type(held: Registry) -> None:
    made = held.create("services", service("a", type="ExternalName", externalName="example.com"))
    assert not {"clusterIP", "clusterIPs", "internalTrafficPolicy", "ipFamilies"} & set(made["spec"])

    def become_internal(obj: Obj) -> None:
        obj["spec"].pop("externalName")
        obj["spec"]["type"] = "ClusterIP"

    changed = held.patch("services", "shop", "a", become_internal)
    assert changed["spec"]["clusterIPs"] == [changed["spec"]["clusterIP"]]
    assert changed["spec"]["ipFamilies"] == ["IPv4"]


def test_load_balancer_status_needs_a_load_balancer(held: Registry) -> None:
    held.create("services", service("a"))
    status = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}
    with pytest.raises(Invalid, match=r"may only be used when `spec\.type` is 'LoadBalancer'"):
        held.patch("services", "shop", "a", lambda s: s.update(status=status), subresource="status")
    held.create("services", service("b", type="LoadBalancer"))
    done = held.patch("services", "shop", "b", lambda s: s.update(status=status), subresource="status")
    assert done["status"]["loadBalancer"]["ingress"] == [{"ip": "10.0.0.1", "ipMode": "VIP"}]
