"""ipam.py: who gets which number."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import ipam


def test_service_addresses_leave_the_lower_band_alone() -> None:
    allocator = ipam.Allocator("10.96.0.0/16", random.Random(1))
    taken = [allocator.allocate() for _ in range(2000)]
    assert len(set(taken)) == 2000
    assert all(IPv4Address("10.96.1.1") <= IPv4Address(address) <= IPv4Address("10.96.255.254") for address in taken)


def test_small_range_falls_back_into_the_band_then_is_full() -> None:
    allocator = ipam.Allocator("10.0.0.0/27", random.Random(1))  # 30 usable, band of 16
    upper = {allocator.allocate() for _ in range(14)}
    assert min(map(IPv4Address, upper)) == IPv4Address("10.0.0.17")
    lower = {allocator.allocate() for _ in range(16)}
    assert lower == {f"10.0.0.{host}" for host in range(1, 17)}
    with pytest.raises(ipam.Full, match="range is full"):
        allocator.allocate()
    allocator.release("10.0.0.3")
    assert allocator.allocate() == "10.0.0.3"


def test_reserved_addresses() -> None:
    allocator = ipam.Allocator("10.96.0.0/16", random.Random(1))
    allocator.reserve("10.96.0.10")
    assert "10.96.0.10" in allocator
    with pytest.raises(ipam.AlreadyAllocated, match=r"^provided IP is already allocated$"):
        allocator.reserve("10.96.0.10")
    for outside in ("10.97.0.1", "10.96.0.0", "10.96.255.255", "::1", "nonsense"):
        with pytest.raises(ipam.NotInRange) as refused:
            allocator.reserve(outside)
        assert str(refused.value) == (
            f"the provided IP ({outside}) is not in the valid range. The range of valid IPs is 10.96.0.0/16"
        )
        assert outside not in allocator
        allocator.release(outside)
    allocator.release("10.96.0.10")
    allocator.release("10.96.0.10")
    assert len(allocator) == 0


def test_the_same_seed_gives_the_same_addresses() -> None:
    first, second = (ipam.Allocator(rng=random.Random(7)) for _ in range(2))
    assert [first.allocate() for _ in range(20)] == [second.allocate() for _ in range(20)]


def test_node_ports() -> None:
    allocator = ipam.PortAllocator(rng=random.Random(1))
    ports = [allocator.allocate() for _ in range(500)]
    assert len(set(ports)) == 500
    assert all(30086 <= port <= 32767 for port in ports)  # 2768 ports: a band of 86
    with pytest.raises(ipam.AlreadyAllocated, match=r"^provided port is already allocated$"):
        allocator.reserve(ports[0])
    for outside in (8080, 29999, 32768):
        with pytest.raises(ipam.NotInRange) as refused:
            allocator.reserve(outside)
        assert str(refused.value) == (
            "provided port is not in the valid range. The range of valid ports is 30000-32767"
        )
    allocator.reserve(30000)
    assert 30000 in allocator
    allocator.release(30000)
    assert 30000 not in allocator


def test_every_node_port_can_be_had_once() -> None:
    allocator = ipam.PortAllocator(range(30000, 30100), random.Random(1))
    assert {allocator.allocate() for _ in range(100)} == set(range(30000, 30100))
    with pytest.raises(ipam.Full):
        allocator.allocate()


def test_pod_addresses_go_round() -> None:
    addresses = ipam.PodAddresses("10.244.1.0/29")  # .2 to .6
    assert addresses.gateway == "10.244.1.1"
    assert [addresses.allocate() for _ in range(3)] == ["10.244.1.2", "10.244.1.3", "10.244.1.4"]
    addresses.release("10.244.1.2")
    assert [addresses.allocate() for _ in range(3)] == ["10.244.1.5", "10.244.1.6", "10.244.1.2"]
    with pytest.raises(ipam.Full, match=r"no IP addresses available in range set: 10\.244\.1\.1-10\.244\.1\.6"):
        addresses.allocate()
    addresses.release("10.244.1.4")
    addresses.reserve("10.244.1.4")
    with pytest.raises(ipam.AlreadyAllocated):
        addresses.reserve("10.244.1.4")
    with pytest.raises(ipam.NotInRange):
        addresses.reserve("10.244.2.4")


@given(st.lists(st.sampled_from(["take", "give", "reserve"]), max_size=120), st.randoms(use_true_random=False))
def test_nobody_shares(actions: list[str], rng: random.Random) -> None:
    allocator = ipam.Allocator("10.0.0.0/27", rng)
    held: set[str] = set()
    for action in actions:
        if action == "give" and held:
            address = rng.choice(sorted(held))
            held.discard(address)
            allocator.release(address)
        elif action == "reserve":
            address = f"10.0.0.{rng.randint(1, 30)}"
            if address in held:
                with pytest.raises(ipam.AlreadyAllocated):
                    allocator.reserve(address)
            else:
                allocator.reserve(address)
                held.add(address)
        elif len(held) == 30:
            with pytest.raises(ipam.Full):
                allocator.allocate()
        else:
            address = allocator.allocate()
            assert address not in held
            held.add(address)
        assert len(allocator) == len(held)


RANGES = st.sampled_from(
    ["10.96.0.0/16", "10.0.0.0/24", "10.0.0.0/28", "fd00:10:96::/112", "fd00::/120", "fd00::/124", "2001:db8::/64"]
)


@given(cidr=RANGES, seed=st.integers(), requests=st.lists(st.one_of(st.none(), st.integers(0, 20)), max_size=60))
def test_no_service_address_is_held_twice(cidr: str, seed: int, requests: list[int | None]) -> None:
    """Of either family: what is given lies in the range, is canonical, and is nobody else's until it is released."""
    allocator, network = ipam.Allocator(cidr, random.Random(seed)), ip_network(cidr)
    held: list[str] = []
    for request in requests:
        if request is not None and held:
            allocator.release(held.pop(request % len(held)))
            continue
        try:
            address = allocator.allocate()
        except ipam.Full:
            assert len(held) == network.num_addresses - (2 if network.version == 4 else 1)
            continue
        assert address not in held
        assert address == str(ip_address(address))
        assert ip_address(address) in network
        assert address != str(network.network_address)
        held.append(address)
    assert len(allocator) == len(held)
    assert all(address in allocator for address in held)


@given(cidr=st.sampled_from(["10.244.1.0/24", "10.244.1.0/28", "fd00:10:244:1::/64", "fd00:10:244:1::/124"]))
def test_pod_addresses_follow_each_other_and_rest_before_they_are_given_again(cidr: str) -> None:
    addresses, network = ipam.PodAddresses(cidr), ip_network(cidr)
    assert addresses.gateway == str(network.network_address + 1)
    first = addresses.allocate()
    assert first == str(network.network_address + 2)
    addresses.release(first)
    assert addresses.allocate() == str(network.network_address + 3)
    with pytest.raises(ipam.AlreadyAllocated):
        addresses.reserve(str(network.network_address + 3))
    for outside in (network.network_address, network.network_address + 1, "192.0.2.1", "2001:db8::1"):
        with pytest.raises(ipam.NotInRange):
            addresses.reserve(str(outside))


def test_a_tiny_ipv6_range_uses_its_last_address() -> None:
    """IPv6 has no broadcast address."""
    allocator = ipam.Allocator("fd00::/126", random.Random(1))
    assert {allocator.allocate() for _ in range(3)} == {"fd00::1", "fd00::2", "fd00::3"}
    pods = ipam.PodAddresses("fd00::/126")
    assert [pods.allocate(), pods.allocate()] == ["fd00::2", "fd00::3"]
    with pytest.raises(ipam.Full, match="fd00::1-fd00::3"):
        pods.allocate()
