"""EndpointSlices of Services with a selector: what golden endpointslices-01 to 10 pin down."""

from __future__ import annotations

from typing import Any

from tests.unit.pocketkube.controllers.world import NAMESPACE, ZONE, World, running

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.endpointslice import CONTROLLER
from pocketkube.objects import Obj

MANAGER = "endpointslice-controller.k8s.io"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
SELECTOR = {"app": "web"}


def set_service(world: World, name: str = "web", **fields: Any) -> Obj:
    return world.patch("services", name, lambda copy: copy["spec"].update(fields))


def conditions(world: World, pod: str) -> Obj | None:
    for endpoint in world.endpoints():
        if endpoint["targetRef"]["name"] == pod:
            found: Obj = endpoint["conditions"]
            return found
    return None


def sizes(world: World) -> list[int]:
    return sorted((len(found.get("endpoints") or ()) for found in world.slices()), reverse=True)


async def test_no_pods_still_make_one_empty_slice(world: World) -> None:
    service = world.service(selector=SELECTOR)
    world.service("bare")
    world.service("outside", type="ExternalName", externalName="example.com", selector=SELECTOR, ports=[])
    await world.until(lambda: len(world.slices()) == 1)
    (found,) = world.slices()
    meta = found["metadata"]
    assert meta["generateName"] == "web-"
    assert len(meta["name"]) == len("web-") + 5
    assert meta["labels"] == {"endpointslice.kubernetes.io/managed-by": MANAGER, "kubernetes.io/service-name": "web"}
    assert meta["annotations"] == {TRIGGER: service["metadata"]["creationTimestamp"]}
    assert meta["ownerReferences"] == [objects.owner_reference(service)]
    assert (found["addressType"], found["endpoints"], found["ports"]) == ("IPv4", None, None)
    await world.settle()
    assert world.slices("bare") == world.slices("outside") == []


async def test_three_ready_then_one_then_none(world: World) -> None:
    world.service(selector=SELECTOR)
    world.deployment(replicas=3)
    await world.until(lambda: len(world.ready()) == 3)
    (found,) = world.slices()
    assert found["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    for endpoint in found["endpoints"]:
        pod = world.get("pods", endpoint["targetRef"]["name"])
        node = world.get("nodes", pod["spec"]["nodeName"])
        assert endpoint == {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": objects.name(pod), "uid": objects.uid(pod)},
            "nodeName": objects.name(node),
            "zone": objects.labels(node)["topology.kubernetes.io/zone"],
        }
    world.patch("deployments", "web", lambda copy: copy["spec"].update(replicas=1))
    await world.until(lambda: len(world.endpoints()) == 1)
    world.patch("deployments", "web", lambda copy: copy["spec"].update(replicas=0))
    await world.until(lambda: world.endpoints() == [])
    assert [objects.name(s) for s in world.slices()] == [objects.name(found)]


async def test_ports_and_selector_of_the_service_change_the_same_slice(world: World) -> None:
    world.service(selector=SELECTOR)
    world.pod("p", SELECTOR)
    world.pod("q", {"app": "other"})
    await world.until(lambda: world.ready() == {"p"})
    (before,) = world.slices()
    ports = [
        {"name": "http", "port": 80, "targetPort": 8081, "protocol": "TCP"},
        {"name": "admin", "port": 81, "targetPort": 81, "protocol": "TCP"},
    ]
    set_service(world, ports=ports)
    await world.until(lambda: len(world.slices()[0]["ports"]) == 2)
    (after,) = world.slices()
    assert objects.name(after) == objects.name(before)
    assert {p["name"]: p["port"] for p in after["ports"]} == {"http": 8081, "admin": 81}
    assert TRIGGER not in objects.annotations(after)  # no time has changed
    set_service(world, selector={"app": "other"})
    await world.until(lambda: world.ready() == {"q"})


async def test_not_ready_pods_stay_listed(world: World) -> None:
    world.not_ready = {"p"}
    world.service(selector=SELECTOR)
    world.pod("p", SELECTOR)
    await world.until(lambda: conditions(world, "p") is not None)
    assert conditions(world, "p") == {"ready": False, "serving": False, "terminating": False}
    set_service(world, publishNotReadyAddresses=True)
    await world.until(lambda: world.ready() == {"p"})
    assert conditions(world, "p") == {"ready": True, "serving": False, "terminating": False}


async def test_terminating_pods_serve_but_are_not_ready(world: World) -> None:
    world.service(selector=SELECTOR)
    world.pod("slow", SELECTOR)
    world.pod("stay", SELECTOR)
    await world.until(lambda: world.ready() == {"slow", "stay"})
    world.stubborn = True
    world.delete("pods", "slow")
    await world.until(lambda: world.ready() == {"stay"})
    assert conditions(world, "slow") == {"ready": False, "serving": True, "terminating": True}
    world.bury("slow")
    await world.until(lambda: conditions(world, "slow") is None)


async def test_labels_take_a_pod_out_and_back_in(world: World) -> None:
    world.service(selector=SELECTOR)
    world.pod("p", SELECTOR)
    await world.until(lambda: world.ready() == {"p"})
    world.patch("pods", "p", lambda copy: copy["metadata"].update(labels={"app": "x"}))
    await world.until(lambda: world.endpoints() == [])
    world.patch("pods", "p", lambda copy: copy["metadata"].update(labels=SELECTOR))
    await world.until(lambda: world.ready() == {"p"})


async def test_a_finished_pod_is_left_out(world: World) -> None:
    world.service(selector=SELECTOR)
    world.pod("p", SELECTOR, restartPolicy="Never")
    await world.until(lambda: world.ready() == {"p"})
    world.set_ready("p", ready=False, phase="Succeeded")
    await world.until(lambda: world.endpoints() == [])


async def test_headless_service_and_hostnames(world: World) -> None:
    world.service(selector=SELECTOR, clusterIP="None")
    world.pod("p", SELECTOR, hostname="one", subdomain="web")
    world.pod("q", SELECTOR, hostname="two", subdomain="other")
    await world.until(lambda: world.ready() == {"p", "q"})
    hostnames = {e["targetRef"]["name"]: e.get("hostname") for e in world.endpoints()}
    assert hostnames == {"p": "one", "q": None}
    assert objects.labels(world.slices()[0])["service.kubernetes.io/headless"] == ""


async def test_named_target_ports_that_differ_make_slices_that_differ(world: World) -> None:
    def serving(port: int) -> list[Obj]:
        return [{"name": "c", "image": "i:1", "ports": [{"name": "web", "containerPort": port, "protocol": "TCP"}]}]

    world.service(selector=SELECTOR, ports=[{"name": "http", "port": 80, "targetPort": "web"}])
    world.pod("p", SELECTOR, containers=serving(8080))
    world.pod("q", SELECTOR, containers=serving(9090))
    world.pod("r", SELECTOR, containers=serving(9090))
    world.pod("s", SELECTOR)
    await world.until(lambda: world.ready() == {"p", "q", "r", "s"})
    found = {
        (port := (s["ports"] or [{"port": None}])[0]["port"]): {e["targetRef"]["name"] for e in s["endpoints"]}
        for s in world.slices()
    }
    assert port in found
    assert found == {8080: {"p"}, 9090: {"q", "r"}, None: {"s"}}


async def test_a_hundred_fill_a_slice(world: World) -> None:
    world.node("worker-c")
    world.service(selector=SELECTOR)
    world.deployment(replicas=100)
    await world.until(lambda: len(world.ready()) == 100)
    assert sizes(world) == [100]
    full = objects.name(world.slices()[0])
    world.patch("deployments", "web", lambda copy: copy["spec"].update(replicas=105))
    await world.until(lambda: len(world.ready()) == 105)
    assert sizes(world) == [100, 5]
    world.patch("deployments", "web", lambda copy: copy["spec"].update(replicas=95))
    await world.until(lambda: len(world.endpoints()) == 95)
    assert full in {objects.name(found) for found in world.slices()}


async def test_the_limit_is_a_setting() -> None:
    world = World()
    world.node("n")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    async with running(world, []):
        world.registry.zone = {**ZONE, "max_endpoints_per_slice": "3"}
        controller = CONTROLLER(Client(world.registry, CONTROLLER.name))
        world.service(selector=SELECTOR)
        for number in range(7):
            world.pod(f"p-{number}", SELECTOR)
        await world.until(lambda: all(objects.status(p).get("podIP") for p in world.list("pods")))
        list(controller.watches())
        await controller.reconcile((NAMESPACE, "web"))
        assert sizes(world) == [3, 3, 1]


async def test_edits_of_managed_slices_are_undone(world: World) -> None:
    world.service(selector=SELECTOR)
    world.pod("p", SELECTOR)
    await world.until(lambda: world.ready() == {"p"})
    (found,) = world.slices()
    name = objects.name(found)
    generation = found["metadata"]["generation"]
    world.patch("endpointslices", name, lambda copy: copy.update(endpoints=None))
    await world.until(lambda: world.ready() == {"p"})
    (restored,) = world.slices()
    assert objects.name(restored) == name
    assert restored["metadata"]["generation"] == generation + 2
    assert TRIGGER not in objects.annotations(restored)
    world.delete("endpointslices", name)
    await world.until(lambda: world.ready() == {"p"})
    (again,) = world.slices()
    assert objects.name(again) != name
    assert again["metadata"]["generation"] == 1


async def test_labels_of_the_service_are_copied(world: World) -> None:
    world.service(selector=SELECTOR)
    await world.until(lambda: len(world.slices()) == 1)

    def label(copy: Obj) -> None:
        copy["metadata"]["labels"] = {"team": "blue", "endpointslice.kubernetes.io/managed-by": "me"}

    world.patch("services", "web", label)
    await world.until(lambda: objects.labels(world.slices()[0]).get("team") == "blue")
    assert objects.labels(world.slices()[0])["endpointslice.kubernetes.io/managed-by"] == MANAGER


async def test_a_hand_made_slice_is_left_alone(world: World) -> None:
    world.service(selector=SELECTOR)
    labels = {"kubernetes.io/service-name": "web"}
    body = {
        "metadata": {"name": "mine", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"]}],
        "ports": [{"port": 80}],
    }
    mine = objects.copy(world.create("endpointslices", body))
    world.pod("p", SELECTOR)
    await world.until(lambda: len(world.slices()) == 2 and len(world.endpoints()) == 2)
    await world.settle()
    assert world.get("endpointslices", "mine") == mine


async def test_slices_go_with_the_service(world: World) -> None:
    world.service(selector=SELECTOR)
    world.pod("p", SELECTOR)
    await world.until(lambda: world.ready() == {"p"})
    world.delete("services", "web")
    await world.until(lambda: world.slices() == [] and world.find("endpoints", "web") is None)


async def test_traffic_distribution_gives_hints(world: World) -> None:
    world.service(selector=SELECTOR, trafficDistribution="PreferSameNode")
    world.pod("p", SELECTOR)
    await world.until(lambda: world.ready() == {"p"})
    (endpoint,) = world.endpoints()
    node, zone = endpoint["nodeName"], endpoint["zone"]
    assert endpoint["hints"] == {"forZones": [{"name": zone}], "forNodes": [{"name": node}]}
    world.patch("services", "web", lambda copy: copy["spec"].pop("trafficDistribution") and None)
    await world.until(lambda: "hints" not in world.endpoints()[0])


async def test_pods_on_a_missing_node_wait_for_it(world: World) -> None:
    world.service(selector=SELECTOR)
    world.pod("p", SELECTOR, nodeName="later")
    world.pod("q", SELECTOR)
    await world.until(lambda: world.ready() == {"q"})
    world.node("later")
    await world.until(lambda: world.ready() == {"p", "q"})


async def test_one_write_a_burst(world: World) -> None:
    """Pods that change together cost few writes of the slice, and nothing is written when nothing differs."""
    world.service(selector=SELECTOR)
    world.deployment(replicas=20)
    await world.until(lambda: len(world.ready()) == 20)
    await world.settle()
    before = world.slices()[0]["metadata"]["generation"]
    for pod in world.list("pods"):
        world.set_ready(objects.name(pod), ready=False)
    await world.until(lambda: world.ready() == set())
    await world.settle()
    assert world.slices()[0]["metadata"]["generation"] == before + 1
    for pod in world.list("pods"):
        world.patch("pods", objects.name(pod), lambda copy: copy["metadata"].update(annotations={"a": "b"}))
    await world.settle()
    assert world.slices()[0]["metadata"]["generation"] == before + 1


async def test_the_topology_annotation_shares_endpoints_out_and_says_so(world: World) -> None:
    mode = "service.kubernetes.io/topology-mode"
    for number in range(4):
        world.pod(f"p-{number}", SELECTOR, nodeName="worker-a" if number else "worker-b")
    world.create(
        "services",
        {
            "metadata": {"name": "web", "annotations": {mode: "Auto"}},
            "spec": {"selector": SELECTOR, "ports": [{"port": 80}]},
        },
    )

    def zones() -> list[str]:
        return sorted(e["hints"]["forZones"][0]["name"] for e in world.endpoints() if "hints" in e)

    await world.until(lambda: zones() == ["a", "a", "b", "b"])
    await world.settle()
    assert "Topology Aware Hints has been enabled, addressType: IPv4" in world.events("web")
    world.patch("services", "web", lambda copy: copy["metadata"]["annotations"].pop(mode) and None)
    await world.until(lambda: zones() == [])
    assert "Topology Aware Hints has been disabled, addressType: IPv4" in world.events("web")
