"""addressing.py: ranges and addresses by family, and a choice that is settled when a cluster is made."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.addressing import FAMILIES, NODES, PODS, Addressing, OtherFamily, of_cluster


@given(family=st.sampled_from(sorted(FAMILIES)), numbers=st.sets(st.integers(0, 200), min_size=2))
def test_nodes_have_addresses_and_ranges_of_their_own(family: str, numbers: set[int]) -> None:
    addressing = Addressing(FAMILIES[family])
    nodes = [addressing.node(number) for number in numbers]
    for addresses, ranges in nodes:
        assert [ip_address(a).version for a in addresses] == list(addressing.versions)
        assert all(ip_address(a) in ip_network(NODES[v]) for a, v in zip(addresses, addressing.versions, strict=True))
        for text, version in zip(ranges, addressing.versions, strict=True):
            (own,) = [
                n for n in ip_network(PODS[version]).subnets(new_prefix=64 if version == 6 else 24) if str(n) == text
            ]
            assert own.version == version
    assert len({a for addresses, _ in nodes for a in addresses}) == len(nodes) * len(addressing.versions)
    assert len({r for _, ranges in nodes for r in ranges}) == len(nodes) * len(addressing.versions)


def test_they_are_those_of_kind() -> None:
    dual = Addressing(FAMILIES["dual"])
    assert (dual.service_cidr, dual.pod_cidr) == ("10.96.0.0/16,fd00:10:96::/112", "10.244.0.0/16,fd00:10:244::/56")
    assert dual.node(1) == (
        ("172.18.0.3", "fc00:f853:ccd:e793::3"),
        ("10.244.1.0/24", "fd00:10:244:1::/64"),
    )
    assert [Addressing(FAMILIES[f]).dns_ip for f in ("ipv4", "dual", "ipv6")] == [
        "10.96.0.10", "10.96.0.10", "fd00:10:96::a",
    ]  # fmt: skip


def test_the_choice_is_settled_when_the_cluster_is_made(tmp_path: Path) -> None:
    assert of_cluster(tmp_path, "dual").versions == (4, 6)
    assert of_cluster(tmp_path, None).versions == (4, 6)
    with pytest.raises(OtherFamily) as caught:
        of_cluster(tmp_path, "ipv6")
    assert (caught.value.made, caught.value.asked) == ("dual", "ipv6")
    assert of_cluster(tmp_path, "dual").versions == (4, 6)


def test_a_cluster_from_before_there_was_a_choice_has_ipv4(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    with pytest.raises(OtherFamily):
        of_cluster(tmp_path, "dual")
    assert of_cluster(tmp_path, None).versions == (4,)
