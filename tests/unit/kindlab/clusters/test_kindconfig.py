"""cluster-config/kind.yaml as kind is given it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from kindlab.clusters import kindconfig
from kindlab.clusters.kindconfig import Listening
from kindlab.errors import UsageProblem


@pytest.fixture
def config() -> dict[str, Any]:
    return kindconfig.read()


def test_the_courses_cluster_has_three_nodes_in_two_zones_and_listens_to_this_machine_only(
    config: dict[str, Any],
) -> None:
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    zones = [node.get("labels", {}).get("topology.kubernetes.io/zone") for node in config["nodes"]]
    assert zones == [None, "zone-a", "zone-b"]
    assert kindconfig.mapped(config) == {30080: Listening("127.0.0.1", 8080), 30443: Listening("127.0.0.1", 8443)}
    assert config["networking"] == {"apiServerAddress": "127.0.0.1", "kubeProxyMode": "iptables"}
    (image,) = kindconfig.images(config)
    assert re.fullmatch(r"kindest/node:v1\.36\.\d+@sha256:[0-9a-f]{64}", image)


def test_what_is_not_asked_for_stays(config: dict[str, Any]) -> None:
    assert kindconfig.wanted(config) == config
    assert yaml.safe_load(kindconfig.text(config)) == config


def test_other_ports_and_none(config: dict[str, Any]) -> None:
    other = kindconfig.wanted(config, http_port=9080, https_port=0)
    assert kindconfig.mapped(other) == {30080: Listening("127.0.0.1", 9080)}
    none = kindconfig.wanted(config, http_port=0, https_port=0)
    assert not any("extraPortMappings" in node for node in none["nodes"])
    assert kindconfig.mapped(config)[30080].port == 8080, "the file's own is not touched"


def test_ipv6_alone_is_reached_at_its_own_address(config: dict[str, Any]) -> None:
    assert kindconfig.mapped(kindconfig.wanted(config, ip_family="ipv6"))[30080] == Listening("::1", 8080)
    dual = kindconfig.wanted(config, ip_family="dual")
    assert dual["networking"]["ipFamily"] == "dual"
    assert kindconfig.mapped(dual) == kindconfig.mapped(config)


def test_one_port_for_both_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UsageProblem, match="Port 8443 cannot lead to two places"):
        kindconfig.wanted(config, http_port=8443)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (
            "127.0.0.1:8080->30080/tcp, 127.0.0.1:8443->30443/tcp",
            {30080: Listening("127.0.0.1", 8080), 30443: Listening("127.0.0.1", 8443)},
        ),
        ("0.0.0.0:80->30080/tcp", {30080: Listening("0.0.0.0", 80)}),
        ("[::1]:8080->30080/tcp", {30080: Listening("::1", 8080)}),
        (":::80->30080/tcp", {30080: Listening("::", 80)}),
        ("6443/tcp, 127.0.0.1:53->53/udp", {}),
        ("", {}),
    ],
)
def test_ports_as_engines_show_them(column: str, found: dict[int, Listening]) -> None:
    assert kindconfig.published(column) == found


def test_what_a_cluster_made_otherwise_lacks(config: dict[str, Any]) -> None:
    assert kindconfig.differences(config, 3, kindconfig.mapped(config)) == []
    nodes, http, https = kindconfig.differences(config, 1, {30443: Listening("0.0.0.0", 443)})
    assert nodes.startswith("It has 1 node where cluster-config/kind.yaml asks for 3")
    assert http.startswith("No port of this machine leads to its node port 30080")
    assert https.startswith("HTTPS to its Ingress is port 443 of this machine, not 8443")
    assert kindconfig.differences(config, 3, {30443: Listening("0.0.0.0", 443)}, ["https"]) == [https]
    assert kindconfig.differences(config, 3, {}, []) == [], "nobody has asked for a port"


@pytest.mark.parametrize("name", ["kindlab", "a", "my-class.2", "a" * 49])
def test_names_that_are_names(name: str) -> None:
    kindconfig.check_name(name)


@pytest.mark.parametrize("name", ["", "My", "-a", "a-", "a b", "../x", "a" * 50])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageProblem):
        kindconfig.check_name(name)
