from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pocketkube.controllers.world import NAMESPACE, ZONE, World, running

from pocketkube import objects
from pocketkube.controllers.addresspool import AddressPool
from pocketkube.objects import Obj

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


def with_pool(text: str, speed: float = 1.0) -> World:
    world = World(speed=speed)
    zone: Mapping[str, str] = {**ZONE, "load_balancer_pool": text}
    world.registry.zone = zone
    return world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A cluster whose pool has two addresses."""
    async with running(with_pool("172.18.255.200-172.18.255.201")) as it:
        yield it


def given_to(world: World, name: str = "web") -> list[str]:
    found = world.find("services", name)
    ingress = objects.dig(found or {}, "status", "loadBalancer", "ingress", default=None) or []
    return [entry["ip"] for entry in ingress]


def published(world: World, name: str = "web", **spec: object) -> Obj:
    return world.service(name, type="LoadBalancer", **spec)


async def test_a_service_gets_the_lowest_free_address_a_finalizer_and_the_events(world: World) -> None:
    published(world)
    await world.until(lambda: bool(given_to(world)))
    await world.settle()
    found = world.get("services", "web")
    assert found["status"]["loadBalancer"] == {"ingress": [{"ip": "172.18.255.200", "ipMode": "VIP"}]}
    assert found["metadata"]["finalizers"] == [FINALIZER]
    assert world.events("web") == ["Ensuring load balancer", "Ensured load balancer"]


async def test_deleting_it_removes_the_finalizer_and_frees_the_address(world: World) -> None:
    published(world)
    await world.until(lambda: bool(given_to(world)))
    world.delete("services", "web")
    await world.until(lambda: world.find("services", "web") is None)
    await world.settle()
    assert world.events("web")[-2:] == ["Deleting load balancer", "Deleted load balancer"]
    published(world, "other")
    await world.until(lambda: given_to(world, "other") == ["172.18.255.200"])


async def test_another_type_gives_the_address_back_and_clears_the_status(world: World) -> None:
    published(world)
    await world.until(lambda: bool(given_to(world)))
    world.patch("services", "web", lambda s: s["spec"].update(type="ClusterIP"))
    await world.until(lambda: not world.get("services", "web")["metadata"].get("finalizers"))
    await world.settle()
    assert world.get("services", "web")["status"]["loadBalancer"] == {}
    assert world.events("web")[-2:] == ["Deleting load balancer", "Deleted load balancer"]
    world.patch("services", "web", lambda s: s["spec"].update(type="LoadBalancer"))
    await world.until(lambda: given_to(world) == ["172.18.255.200"])


async def test_an_empty_pool_is_told_and_the_first_address_given_back_goes_to_who_waits(world: World) -> None:
    for name in ("a", "b"):
        published(world, name)
        await world.until(lambda name=name: bool(given_to(world, name)))
    published(world, "c")
    await world.until(lambda: bool(world.events("c", reason="SyncLoadBalancerFailed")))
    (text,) = world.events("c", reason="SyncLoadBalancerFailed")
    assert text.startswith(
        "Error syncing load balancer: failed to ensure load balancer: no IPv4 address is left in the"
    )
    assert given_to(world, "c") == []
    world.delete("services", "a")
    await world.until(lambda: given_to(world, "c") == ["172.18.255.200"])
    await world.settle()
    assert world.events("c")[-1] == "Ensured load balancer"
    assert len(world.events("c", reason="SyncLoadBalancerFailed")) == 1


async def test_a_requested_address_is_given_if_it_can_be(world: World) -> None:
    published(world, "a", loadBalancerIP="172.18.255.201")
    await world.until(lambda: given_to(world, "a") == ["172.18.255.201"])
    for name, asked, why in (
        ("b", "172.18.255.201", "is in use by Service test/a"),
        ("c", "192.0.2.1", "is not in the address pool 172.18.255.200-172.18.255.201"),
    ):
        published(world, name, loadBalancerIP=asked)
        await world.until(lambda name=name: bool(world.events(name, reason="SyncLoadBalancerFailed")))
        assert why in world.events(name, reason="SyncLoadBalancerFailed")[0]
    world.patch("services", "c", lambda s: s["spec"].update(loadBalancerIP="172.18.255.200"))
    await world.until(lambda: given_to(world, "c") == ["172.18.255.200"])


async def test_a_class_is_somebody_elses(world: World) -> None:
    published(world, loadBalancerClass="example.com/other")
    await world.settle()
    assert given_to(world) == []
    assert world.events("web") == []
    assert "finalizers" not in world.get("services", "web")["metadata"]


async def test_changes_that_concern_no_load_balancer_are_not_told(world: World) -> None:
    published(world)
    await world.until(lambda: bool(given_to(world)))
    await world.settle()
    world.patch("services", "web", lambda s: s["spec"].update(selector={"app": "other"}))
    await world.settle()
    assert len(world.events("web")) == 2
    world.patch("services", "web", lambda s: s["spec"].update(externalTrafficPolicy="Local"))
    await world.until(lambda: any(e["count"] == 2 for e in world.client.list("events", NAMESPACE)))
    assert given_to(world) == ["172.18.255.200"]


async def test_node_ports_are_left_out_when_asked(world: World) -> None:
    published(world, allocateLoadBalancerNodePorts=False)
    await world.until(lambda: bool(given_to(world)))
    assert "nodePort" not in world.get("services", "web")["spec"]["ports"][0]


async def test_addresses_outlive_a_restart() -> None:
    world = with_pool("172.18.255.200-172.18.255.210")
    async with running(world):
        for name in ("a", "b", "c"):
            published(world, name)
        await world.until(lambda: all(given_to(world, name) for name in "abc"))
        world.delete("services", "a")
        await world.until(lambda: world.find("services", "a") is None)
        before = [given_to(world, name) for name in "bc"]
    async with running(world):
        published(world, "d")
        await world.until(lambda: bool(given_to(world, "d")))
        assert [given_to(world, name) for name in "bc"] == before
        assert given_to(world, "d")[0] not in [address for given in before for address in given]


async def test_without_a_pool_nothing_happens() -> None:
    async with running(with_pool("")) as world:
        published(world)
        await world.settle()
        assert world.events("web") == []
        assert "finalizers" not in world.get("services", "web")["metadata"]


@given(st.integers(0, 200), st.integers(0, 30), st.data())
def test_the_pool_gives_the_lowest_address_nobody_has(low: int, size: int, data: st.DataObject) -> None:
    addresses = [f"10.0.0.{low + n}" for n in range(size + 1)]
    pool = AddressPool(f"{addresses[0]}-{addresses[-1]}, fd00::1")
    taken = data.draw(st.sets(st.sampled_from(addresses)))
    left = [address for address in addresses if address not in taken]
    assert pool.free("IPv4", taken) == (left[0] if left else None)
    assert all(address in pool for address in addresses)
    assert f"10.0.0.{low + size + 1}" not in pool
    assert pool.free("IPv6", taken) == "fd00::1"


@pytest.mark.parametrize("text", ["a-b", "10.0.0.2-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.1/24"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        AddressPool(text)
