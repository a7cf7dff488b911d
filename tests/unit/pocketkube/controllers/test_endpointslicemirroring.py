"""Hand-made Endpoints become slices: golden endpointslices-13."""

from __future__ import annotations

from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.objects import Obj

MANAGER = "endpointslicemirroring-controller.k8s.io"


def legacy(world: World) -> Obj:
    world.service("legacy")
    subset = {
        "addresses": [{"ip": "192.0.2.20"}, {"ip": "192.0.2.21", "hostname": "h"}],
        "notReadyAddresses": [{"ip": "192.0.2.22"}],
        "ports": [{"port": 9376}],
    }
    meta = {"name": "legacy", "labels": {"team": "blue"}, "annotations": {"note": "kept"}}
    return world.create("endpoints", {"metadata": meta, "subsets": [subset]})


async def test_mirrors_addresses_labels_and_annotations(world: World) -> None:
    made = legacy(world)
    await world.until(lambda: len(world.slices("legacy")) == 1)
    (found,) = world.slices("legacy")
    assert objects.labels(found) == {
        "endpointslice.kubernetes.io/managed-by": MANAGER,
        "kubernetes.io/service-name": "legacy",
        "team": "blue",
    }
    assert objects.annotations(found) == {"note": "kept"}
    assert found["metadata"]["generateName"] == "legacy-"
    assert found["metadata"]["ownerReferences"] == [objects.owner_reference(made)]
    assert found["addressType"] == "IPv4"
    assert found["endpoints"] == [
        {"addresses": ["192.0.2.20"], "conditions": {"ready": True}},
        {"addresses": ["192.0.2.21"], "conditions": {"ready": True}, "hostname": "h"},
        {"addresses": ["192.0.2.22"], "conditions": {"ready": False}},
    ]
    assert found["ports"] == [{"name": "", "protocol": "TCP", "port": 9376}]
    await world.settle()
    assert found["metadata"]["generation"] == 1


async def test_one_slice_for_each_family_then_none(world: World) -> None:
    legacy(world)
    await world.until(lambda: len(world.slices("legacy")) == 1)
    (first,) = map(objects.name, world.slices("legacy"))
    subsets = [
        {"addresses": [{"ip": "192.0.2.30"}], "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
        {"addresses": [{"ip": "2001:db8::5"}], "ports": [{"name": "c", "port": 3}]},
    ]
    world.patch("endpoints", "legacy", lambda copy: copy.update(subsets=subsets))
    await world.until(lambda: len(world.slices("legacy")) == 2)
    found = {s["addressType"]: s for s in world.slices("legacy")}
    assert objects.name(found["IPv4"]) == first  # recycled
    assert {p["name"]: p["port"] for p in found["IPv4"]["ports"]} == {"a": 1, "b": 2}
    assert found["IPv6"]["endpoints"] == [{"addresses": ["2001:db8::5"], "conditions": {"ready": True}}]

    skip = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    world.patch("endpoints", "legacy", lambda copy: copy["metadata"]["labels"].update(skip))
    await world.until(lambda: world.slices("legacy") == [])


async def test_a_selector_ends_the_mirroring(world: World) -> None:
    legacy(world)
    await world.until(lambda: len(world.slices("legacy")) == 1)
    world.patch("services", "legacy", lambda copy: copy["spec"].update(selector={"app": "x"}))

    def managers() -> list[str]:
        return [objects.labels(s)["endpointslice.kubernetes.io/managed-by"] for s in world.slices("legacy")]

    await world.until(lambda: managers() == ["endpointslice-controller.k8s.io"])


async def test_edits_of_mirrored_slices_are_undone(world: World) -> None:
    legacy(world)
    await world.until(lambda: len(world.slices("legacy")) == 1)
    name = objects.name(world.slices("legacy")[0])
    world.patch("endpointslices", name, lambda copy: copy.update(endpoints=None))
    await world.until(lambda: len(world.endpoints("legacy")) == 3)
    world.delete("endpoints", "legacy")
    await world.until(lambda: world.slices("legacy") == [])
