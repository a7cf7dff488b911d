"""The deprecated Endpoints object."""

from __future__ import annotations

from tests.unit.pocketkube.controllers.world import NAMESPACE, World

from pocketkube import objects
from pocketkube.controllers.endpoints import truncated
from pocketkube.controllers.subsets import repack
from pocketkube.objects import Obj

SELECTOR = {"app": "web"}


def subsets(world: World) -> list[Obj]:
    found = world.find("endpoints", "web")
    return (found or {}).get("subsets") or []


async def test_follows_the_pods(world: World) -> None:
    world.not_ready = {"q"}
    world.service(selector=SELECTOR)
    world.pod("p", SELECTOR)
    world.pod("q", SELECTOR)
    await world.until(lambda: bool(subsets(world)) and set(subsets(world)[0]) >= {"addresses", "notReadyAddresses"})
    p = world.get("pods", "p")
    target = {"kind": "Pod", "namespace": NAMESPACE, "name": "p", "uid": objects.uid(p)}
    (subset,) = subsets(world)
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    address = {"ip": p["status"]["podIP"], "nodeName": p["spec"]["nodeName"], "targetRef": target}
    assert subset["addresses"] == [address]
    assert [a["targetRef"]["name"] for a in subset["notReadyAddresses"]] == ["q"]
    labels = objects.labels(world.get("endpoints", "web"))
    assert labels == {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    world.delete("pods", "p")
    await world.until(lambda: "addresses" not in subsets(world)[0])
    world.set_ready("q", ready=True)
    await world.until(lambda: [a["targetRef"]["name"] for a in subsets(world)[0].get("addresses", ())] == ["q"])


async def test_no_pods(world: World) -> None:
    world.service(selector=SELECTOR, clusterIP="None")
    await world.until(lambda: world.find("endpoints", "web") is not None)
    found = world.get("endpoints", "web")
    assert not found.get("subsets")
    assert objects.labels(found)["service.kubernetes.io/headless"] == ""


async def test_goes_with_the_service(world: World) -> None:
    world.service(selector=SELECTOR)
    await world.until(lambda: world.find("endpoints", "web") is not None)
    world.delete("services", "web")
    await world.until(lambda: world.find("endpoints", "web") is None)


async def test_hand_made_endpoints_are_left_alone(world: World) -> None:
    world.service()
    body = {"metadata": {"name": "web"}, "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}]}
    made = objects.copy(world.create("endpoints", body))
    await world.until(lambda: len(world.slices()) == 1)
    assert world.get("endpoints", "web") == made


def test_repack_joins_what_has_the_same_ports() -> None:
    a, b = {"name": "a", "port": 1}, {"name": "b", "port": 2}
    loose = [
        {"addresses": [{"ip": "10.0.0.2"}], "ports": [b]},
        {"addresses": [{"ip": "10.0.0.1"}], "ports": [a]},
        {"addresses": [{"ip": "10.0.0.1"}], "ports": [b]},
        {"notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [a]},
        {"addresses": [{"ip": "10.0.0.2"}], "ports": [a]},
        {"addresses": [{"ip": "10.0.0.3"}]},
    ]
    assert repack(loose) == [
        {"addresses": [{"ip": "10.0.0.3"}]},
        {"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [a]},
        {"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [b]},
    ]


def test_truncation_keeps_ready_addresses_and_cuts_in_proportion() -> None:
    def many(count: int) -> list[Obj]:
        return [{"ip": f"10.0.0.{n}"} for n in range(count)]

    few = [{"addresses": many(3), "notReadyAddresses": many(3)}]
    assert truncated(few, 6) is few
    assert truncated(few, 5) == [{"addresses": many(3), "notReadyAddresses": many(2)}]
    assert truncated(few, 2) == [{"addresses": many(2)}]
    two = [{"addresses": many(6), "ports": []}, {"addresses": many(3), "ports": []}]
    assert [len(subset["addresses"]) for subset in truncated(two, 6)] == [4, 2]


async def test_endpoints_of_no_service_are_somebodys_own(world: World) -> None:
    world.create("endpoints", {"metadata": {"name": "mine"}, "subsets": [{"addresses": [{"ip": "10.0.0.24"}]}]})
    world.service("web", {"app": "web"})
    await world.until(lambda: world.find("endpoints", "web") is not None)
    await world.settle()
    world.patch("endpoints", "mine", lambda copy: copy["metadata"].update(labels={"a": "b"}))
    await world.settle()
    assert world.find("endpoints", "mine") is not None
