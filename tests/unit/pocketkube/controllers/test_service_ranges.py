"""IPAddresses follow what Services hold; ServiceCIDRs are made ready, widen the choice, stay while needed."""

from __future__ import annotations

import pytest
from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.errors import Invalid
from pocketkube.resources.ipaddresses import FAMILY, MANAGED_BY


def names(world: World) -> set[str]:
    return {objects.name(address) for address in world.list("ipaddresses")}


def ready(world: World, name: str) -> str | None:
    return objects.condition_status(world.get("servicecidrs", name), "Ready")


async def test_a_service_has_an_ipaddress_for_each_of_its_addresses(world: World) -> None:
    ip = world.service("web")["spec"]["clusterIP"]
    await world.until(lambda: ip in names(world))
    found = world.get("ipaddresses", ip)
    assert found["spec"] == {"parentRef": {"resource": "services", "namespace": "test", "name": "web"}}
    assert found["metadata"]["labels"] == {FAMILY: "IPv4", MANAGED_BY: "ipallocator.k8s.io"}


async def test_it_goes_with_the_service_and_with_its_type(world: World) -> None:
    one, two = (world.service(name)["spec"]["clusterIP"] for name in ("one", "two"))
    await world.until(lambda: {one, two} <= names(world))
    world.delete("services", "one")

    def external(copy: objects.Obj) -> None:
        copy["spec"] |= {"type": "ExternalName", "externalName": "example.com"}

    world.patch("services", "two", external)
    await world.until(lambda: not names(world) & {one, two})


async def test_one_that_is_taken_away_is_put_back(world: World) -> None:
    ip = world.service("web")["spec"]["clusterIP"]
    await world.until(lambda: ip in names(world))
    uid = world.get("ipaddresses", ip)["metadata"]["uid"]
    world.delete("ipaddresses", ip)
    await world.until(lambda: ip in names(world) and world.get("ipaddresses", ip)["metadata"]["uid"] != uid)


async def test_headless_services_have_none(world: World) -> None:
    world.service("headless", clusterIP="None")
    ip = world.service("web")["spec"]["clusterIP"]
    await world.until(lambda: ip in names(world))
    assert names(world) == {ip}


async def test_an_address_somebody_holds_by_hand_is_not_given_to_a_service(world: World) -> None:
    parent = {"group": "example.com", "resource": "things", "name": "mine"}
    world.create("ipaddresses", {"metadata": {"name": "10.96.0.77"}, "spec": {"parentRef": parent}})
    with pytest.raises(Invalid, match="provided IP is already allocated"):
        world.service("web", clusterIP="10.96.0.77")
    world.delete("ipaddresses", "10.96.0.77")
    assert world.service("web", clusterIP="10.96.0.77")["spec"]["clusterIP"] == "10.96.0.77"


async def test_services_may_ask_for_addresses_of_a_ready_range(world: World) -> None:
    with pytest.raises(Invalid, match="does not match the current range"):
        world.service("web", clusterIP="203.0.113.10")
    world.create("servicecidrs", {"metadata": {"name": "more"}, "spec": {"cidrs": ["203.0.113.0/24"]}})
    await world.until(lambda: ready(world, "more") == "True")
    assert world.service("web", clusterIP="203.0.113.10")["spec"]["clusterIP"] == "203.0.113.10"
    with pytest.raises(Invalid, match="provided IP is already allocated"):
        world.service("again", clusterIP="203.0.113.10")


async def test_a_range_stays_while_a_service_has_an_address_of_it(world: World) -> None:
    world.create("servicecidrs", {"metadata": {"name": "more"}, "spec": {"cidrs": ["203.0.113.0/24"]}})
    await world.until(lambda: ready(world, "more") == "True")
    world.service("web", clusterIP="203.0.113.10")
    await world.until(lambda: "203.0.113.10" in names(world))
    world.delete("servicecidrs", "more")
    await world.until(lambda: ready(world, "more") == "False")
    with pytest.raises(Invalid, match="does not match the current range"):
        world.service("other", clusterIP="203.0.113.11")
    world.delete("services", "web")
    await world.until(lambda: world.find("servicecidrs", "more") is None)


async def test_a_range_within_another_may_go_at_once(world: World) -> None:
    for name, cidr in (("wide", "203.0.113.0/24"), ("narrow", "203.0.113.0/28")):
        world.create("servicecidrs", {"metadata": {"name": name}, "spec": {"cidrs": [cidr]}})
    await world.until(lambda: ready(world, "wide") == ready(world, "narrow") == "True")
    world.service("web", clusterIP="203.0.113.10")
    await world.until(lambda: "203.0.113.10" in names(world))
    world.delete("servicecidrs", "narrow")
    await world.until(lambda: world.find("servicecidrs", "narrow") is None)
