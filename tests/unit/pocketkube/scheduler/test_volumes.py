"""Where pods with volumes go, and what is said when they go nowhere: golden storage-07, -08 and -09 with more nodes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.pocketkube.controllers.world import World
from tests.unit.pocketkube.scheduler.placing import NOBODY, USELESS, node_of, said, scheduling
from tests.unit.pocketkube.scheduler.storing import (
    bind,
    bound,
    claim,
    csi,
    csi_node,
    selected,
    storage_class,
    user,
    volume,
)

from pocketkube import claims, objects
from pocketkube.objects import Obj


@pytest.fixture
def bare() -> World:
    """Two nodes in two zones."""
    world = World()
    world.node("worker-a", zone="a", cpu="4")
    world.node("worker-b", zone="b", cpu="4")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    return world


def refused(reason: str, preemption: str = USELESS, *, nodes: int = 2) -> str:
    text = f"0/{nodes} nodes are available: {nodes} {reason}. no new claims to deallocate, preemption: "
    return text + f"0/{nodes} nodes are available: {nodes} {preemption}."


def never(reason: str) -> str:
    return f"0/2 nodes are available: {reason}. not found"


# -- whatever the node


async def test_a_claim_that_is_not_there(bare: World) -> None:
    storage_class(bare)
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: said(bare, "p") == never('persistentvolumeclaim "data" not found'))
        claim(bare, "data")
        await bare.until(lambda: selected(bare, "data") != "")


async def test_an_ephemeral_volume_is_made_for_its_pod_only(bare: World) -> None:
    storage_class(bare)
    template = {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "later",
            "resources": {"requests": {"storage": "1Gi"}},
        }
    }
    async with scheduling(bare):
        pod = user(bare, "p", volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}])
        waits = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch"'
        await bare.until(lambda: said(bare, "p") == never(waits))
        claim(bare, "p-scratch")
        foreign = "PVC test/p-scratch was not created for pod test/p (pod is not owner)"
        await bare.until(lambda: said(bare, "p") == never(foreign))

        def own(copy: Obj) -> None:
            copy["metadata"]["ownerReferences"] = [objects.owner_reference(pod)]

        bare.patch("persistentvolumeclaims", "p-scratch", own)
        await bare.until(lambda: selected(bare, "p-scratch") != "")


async def test_a_claim_that_is_going_or_has_lost_its_volume(bare: World) -> None:
    bound(bare, "going")
    bound(bare, "lost")
    bare.patch("persistentvolumeclaims", "going", lambda c: c["metadata"].update(finalizers=["example.com/hold"]))
    bare.delete("persistentvolumeclaims", "going")
    bare.patch("persistentvolumeclaims", "lost", lambda c: c["status"].update(phase="Lost"), subresource="status")
    async with scheduling(bare):
        user(bare, "p", "going")
        user(bare, "q", "lost")
        await bare.until(lambda: said(bare, "p") == never('persistentvolumeclaim "going" is being deleted'))
        text = 'persistentvolumeclaim "lost" bound to non-existent persistentvolume "v-lost"'
        await bare.until(lambda: said(bare, "q") == never(text))


async def test_immediate_claims_are_waited_for(bare: World) -> None:
    storage_class(bare, "now", volumeBindingMode="Immediate")
    claim(bare, "now", cls="now")
    claim(bare, "classless", cls="")
    async with scheduling(bare):
        for name in ("now", "classless"):
            user(bare, name, name)
            text = never("pod has unbound immediate PersistentVolumeClaims")
            await bare.until(lambda name=name, text=text: said(bare, name) == text)
        volume(bare, "v", cls="now")
        bind(bare, "now", "v")
        await bare.until(lambda: node_of(bare, "now") != "")
        assert node_of(bare, "classless") == ""


async def test_a_class_that_comes_later(bare: World) -> None:
    claim(bare, "data")
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: said(bare, "p") == never("pod has unbound immediate PersistentVolumeClaims"))
        storage_class(bare)
        await bare.until(lambda: selected(bare, "data") != "")


async def test_a_bound_claim_whose_volume_is_gone(bare: World) -> None:
    claim(bare, "data")

    def settle(copy: Obj) -> None:
        copy["spec"]["volumeName"] = "v-gone"
        copy["metadata"]["annotations"] = {claims.BIND_COMPLETED: "yes"}

    bare.patch("persistentvolumeclaims", "data", settle)
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: said(bare, "p") == never('persistentvolume "v-gone" not found'))


# -- node by node


async def test_the_node_is_where_the_volume_can_be_used(bare: World) -> None:
    bound(bare, "here", node="worker-b")
    bound(bare, "far", node="elsewhere")
    async with scheduling(bare):
        user(bare, "p", "here")
        user(bare, "q", "far")
        await bare.until(lambda: node_of(bare, "p") == "worker-b")
        wrong = refused("node(s) didn't match PersistentVolume's node affinity")
        await bare.until(lambda: said(bare, "q") == wrong)
        bare.node("elsewhere")
        await bare.until(lambda: node_of(bare, "q") == "elsewhere")


async def test_the_zone_of_a_volume(bare: World) -> None:
    bound(bare, "here", labels={"topology.kubernetes.io/zone": "b"})
    bound(bare, "either", labels={"failure-domain.beta.kubernetes.io/zone": "x__b"})
    bound(bare, "far", labels={"topology.kubernetes.io/zone": "c"})
    async with scheduling(bare):
        for name in ("here", "either", "far"):
            user(bare, name, name)
        await bare.until(lambda: node_of(bare, "here") == node_of(bare, "either") == "worker-b")
        await bare.until(lambda: said(bare, "far") == refused("node(s) had no available volume zone"))


async def test_a_claim_for_one_pod_is_in_use(bare: World) -> None:
    bound(bare, "single", modes=("ReadWriteOncePod",))
    async with scheduling(bare):
        user(bare, "p", "single")
        await bare.until(lambda: node_of(bare, "p") != "")
        user(bare, "q", "single")
        taken = (
            "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
            "another pod"
        )
        await bare.until(lambda: said(bare, "q") == refused(taken, NOBODY))
        bare.delete("pods", "p", grace=0)
        await bare.until(lambda: node_of(bare, "q") != "")


async def test_a_disk_is_on_a_node_once_unless_all_only_read_it(bare: World) -> None:
    def disk(name: str, *, read_only: bool = False, node: str = "worker-a") -> None:
        source = {"pdName": "disk", "readOnly": read_only}
        user(bare, name, volumes=[{"name": "d", "gcePersistentDisk": source}], nodeName="" if name == "q" else node)

    async with scheduling(bare):
        disk("p")
        disk("r", read_only=True, node="worker-b")
        await bare.settle()
        disk("q")
        await bare.until(lambda: said(bare, "q") == refused("node(s) had no available disk", NOBODY))


# -- limits


def limited(world: World, count: int = 1) -> None:
    for node in ("worker-a", "worker-b"):
        csi_node(world, node, count)


async def test_a_node_takes_so_many_volumes_and_each_counts_once(bare: World) -> None:
    limited(bare)
    for name in ("one", "two", "three"):
        bound(bare, name, source=csi(name))
    async with scheduling(bare):
        user(bare, "p", "one")
        user(bare, "q", "two")
        await bare.until(lambda: {node_of(bare, "p"), node_of(bare, "q")} == {"worker-a", "worker-b"})
        user(bare, "r", "three")
        full = refused("node(s) exceed max volume count", NOBODY)
        await bare.until(lambda: said(bare, "r") == full)
        user(bare, "again", "one")
        await bare.until(lambda: node_of(bare, "again") == node_of(bare, "p"))
        bare.patch("csinodes", "worker-b", lambda n: n["spec"]["drivers"][0]["allocatable"].update(count=2))
        await bare.until(lambda: node_of(bare, "r") == "worker-b")


async def test_other_drivers_and_other_volumes_do_not_count(bare: World) -> None:
    limited(bare)
    bound(bare, "one", source=csi("one"))
    bound(bare, "other", source=csi("other", "other.example.com"))
    bound(bare, "path")
    async with scheduling(bare):
        user(bare, "p", "one", "other", "path")
        await bare.until(lambda: node_of(bare, "p") != "")


async def test_a_volume_that_will_be_made_counts_by_its_provisioner(bare: World) -> None:
    limited(bare, 0)
    storage_class(bare, provisioner="csi.example.com")
    claim(bare, "data")
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: said(bare, "p") == refused("node(s) exceed max volume count", NOBODY))
        assert selected(bare, "data") == ""


async def test_a_volume_that_is_still_attached_counts_until_it_is_detached(bare: World) -> None:
    limited(bare)
    bound(bare, "one", source=csi("one"))
    bound(bare, "two", source=csi("two"))
    for node in ("worker-a", "worker-b"):
        source = {"persistentVolumeName": "v-one"}
        spec = {"attacher": "csi.example.com", "nodeName": node, "source": source}
        bare.create("volumeattachments", {"metadata": {"name": f"on-{node}"}, "spec": spec})
    async with scheduling(bare):
        user(bare, "p", "two")
        await bare.until(lambda: said(bare, "p") == refused("node(s) exceed max volume count", NOBODY))
        bare.delete("volumeattachments", "on-worker-b")
        await bare.until(lambda: node_of(bare, "p") == "worker-b")


# -- claims that wait for a node


async def test_nothing_to_bind_until_a_volume_comes(bare: World) -> None:
    storage_class(bare, provisioner=claims.NO_PROVISIONER)
    claim(bare, "data")
    async with scheduling(bare):
        user(bare, "p", "data")
        nothing = refused("node(s) didn't find available persistent volumes to bind")
        await bare.until(lambda: said(bare, "p") == nothing)
        volume(bare, "v", node="worker-b")
        await bare.until(lambda: "claimRef" in objects.spec(bare.get("persistentvolumes", "v")))
        found = bare.get("persistentvolumes", "v")
        assert objects.spec(found)["claimRef"]["uid"] == objects.uid(bare.get("persistentvolumeclaims", "data"))
        assert objects.annotations(found)[claims.BOUND_BY_CONTROLLER] == "yes"
        await bare.settle()
        assert node_of(bare, "p") == ""  # the binder has not bound them yet
        bind(bare, "data", "v")
        await bare.until(lambda: node_of(bare, "p") == "worker-b")


async def test_the_smaller_claim_chooses_first(bare: World) -> None:
    storage_class(bare, provisioner=claims.NO_PROVISIONER)
    claim(bare, "large", size="5Gi")
    claim(bare, "small", size="1Gi")
    volume(bare, "v5", size="5Gi", node="worker-a")
    volume(bare, "v2", size="2Gi", node="worker-a")
    async with scheduling(bare):
        user(bare, "p", "large", "small")
        await bare.until(lambda: "claimRef" in objects.spec(bare.get("persistentvolumes", "v5")))
    given = {v: objects.spec(bare.get("persistentvolumes", v))["claimRef"]["name"] for v in ("v2", "v5")}
    assert given == {"v2": "small", "v5": "large"}


async def test_a_volume_is_promised_once(bare: World) -> None:
    storage_class(bare, provisioner=claims.NO_PROVISIONER)
    volume(bare, "v")
    claim(bare, "one")
    claim(bare, "two")
    async with scheduling(bare):
        user(bare, "p", "one")
        user(bare, "q", "two")
        nothing = refused("node(s) didn't find available persistent volumes to bind")
        await bare.until(lambda: said(bare, "q") == nothing)
        bind(bare, "one", "v")
        await bare.until(lambda: node_of(bare, "p") != "")
        assert node_of(bare, "q") == ""


async def test_a_volume_to_be_made_is_asked_for_on_the_chosen_node(bare: World) -> None:
    storage_class(bare)
    claim(bare, "data")
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: selected(bare, "data") != "")
        node = selected(bare, "data")
        await bare.settle()
        assert bare.events("p") == []
        assert objects.condition(bare.get("pods", "p"), "PodScheduled") is None
        user(bare, "bystander")
        await bare.until(lambda: node_of(bare, "bystander") != "")
        volume(bare, "v", node=node)
        bind(bare, "data", "v")
        await bare.until(lambda: node_of(bare, "p") == node)
        assert bare.events("p") == [f"Successfully assigned test/p to {node}"]


async def test_a_pod_that_waits_for_its_claims_holds_its_place(bare: World) -> None:
    storage_class(bare, allowedTopologies=[on("kubernetes.io/hostname", "worker-a")])
    claim(bare, "data")
    asks = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "3"}}}]}
    async with scheduling(bare):
        user(bare, "p", "data", **objects.copy(asks))
        await bare.until(lambda: selected(bare, "data") == "worker-a")
        user(bare, "q", **objects.copy(asks))
        await bare.until(lambda: node_of(bare, "q") == "worker-b")
        user(bare, "r", **objects.copy(asks))
        await bare.until(lambda: said(bare, "r") == refused("Insufficient cpu", NOBODY))
        bare.delete("pods", "p", grace=0)
        await bare.until(lambda: node_of(bare, "r") == "worker-a")


async def test_a_pod_that_is_deleted_while_it_waits_for_its_claims_gives_up_its_place(bare: World) -> None:
    """Also one that stays for its finalizer."""
    storage_class(bare)
    claim(bare, "data")
    large = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "3"}}}]}
    async with scheduling(bare):
        user(bare, "p", "data", **objects.copy(large))
        await bare.until(lambda: selected(bare, "data") != "")
        here = {"kubernetes.io/hostname": selected(bare, "data")}
        bare.patch("pods", "p", lambda p: p["metadata"].update(finalizers=["example.com/stay"]))
        user(bare, "q", nodeSelector=here, **objects.copy(large))
        await bare.until(lambda: "Insufficient cpu" in said(bare, "q"))
        bare.delete("pods", "p")
        await bare.until(lambda: node_of(bare, "q") != "")
        assert node_of(bare, "p") == ""


def on(key: str, *values: str) -> Obj:
    return {"matchLabelExpressions": [{"key": key, "values": list(values)}]}


@pytest.mark.parametrize(
    ("terms", "node"),
    [
        ([on("topology.kubernetes.io/zone", "b")], "worker-b"),
        ([on("topology.kubernetes.io/zone", "x"), on("topology.kubernetes.io/zone", "a", "c")], "worker-a"),
    ],
)
async def test_volumes_are_made_where_the_class_allows(bare: World, terms: list[Obj], node: str) -> None:
    storage_class(bare, allowedTopologies=terms)
    claim(bare, "data")
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: selected(bare, "data") == node)


async def test_no_node_is_where_the_class_allows(bare: World) -> None:
    storage_class(bare, allowedTopologies=[on("topology.kubernetes.io/zone", "mars")])
    claim(bare, "data")
    async with scheduling(bare):
        user(bare, "p", "data")
        nothing = refused("node(s) didn't find available persistent volumes to bind")
        await bare.until(lambda: said(bare, "p") == nothing)


async def test_space_counts_for_drivers_that_tell_of_it(bare: World) -> None:
    storage_class(bare, provisioner="csi.example.com")
    bare.create("csidrivers", {"metadata": {"name": "csi.example.com"}, "spec": {"storageCapacity": True}})
    claim(bare, "data", size="10Gi")

    def space(name: str, zone: str, **amounts: str) -> None:
        topology = {"matchLabels": {"topology.kubernetes.io/zone": zone}}
        body = {"metadata": {"name": name}, "storageClassName": "later", "nodeTopology": topology, **amounts}
        bare.create("csistoragecapacities", body)

    space("a", "a", capacity="5Gi")
    space("b", "b", capacity="50Gi", maximumVolumeSize="5Gi")
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: said(bare, "p") == refused("node(s) did not have enough free storage"))
        bare.patch("csistoragecapacities", "b", lambda c: c.update(maximumVolumeSize="20Gi"))
        await bare.until(lambda: selected(bare, "data") == "worker-b")


# -- when it goes wrong


def failed(text: str) -> str:
    return f'running PreBind plugin "VolumeBinding": {text}'


async def spoiled(world: World, spoil: Callable[[], None], text: str) -> None:
    """The pod `p` waits for its claim `data`; after `spoil` it says `text`."""
    storage_class(world)
    claim(world, "data")
    async with scheduling(world):
        user(world, "p", "data")
        await world.until(lambda: selected(world, "data") != "")
        spoil()
        await world.until(lambda: failed(text) in world.events("p", reason="FailedScheduling"))


async def test_a_provisioner_that_gives_up_has_the_pod_placed_anew(bare: World) -> None:
    def give_up() -> None:
        bare.patch("persistentvolumeclaims", "data", lambda c: c["metadata"].update(annotations={"other": "x"}))

    await spoiled(bare, give_up, 'binding volumes: provisioning failed for PVC "data"')
    condition = objects.condition(bare.get("pods", "p"), "PodScheduled")
    assert condition is not None
    assert condition["reason"] == "SchedulerError"


async def test_after_an_error_the_pod_is_tried_again_without_an_event() -> None:
    world = World(speed=50)
    world.node("worker-a")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    storage_class(world)
    claim(world, "data")
    async with scheduling(world):
        user(world, "p", "data")
        for _ in range(3):
            await world.until(lambda: selected(world, "data") == "worker-a")
            world.patch("persistentvolumeclaims", "data", lambda c: c["metadata"].update(annotations={"other": "x"}))
        await world.until(lambda: selected(world, "data") == "worker-a")


async def test_a_claim_deleted_meanwhile(bare: World) -> None:
    def delete() -> None:
        bare.patch("persistentvolumeclaims", "data", lambda c: c["metadata"].update(finalizers=[]))
        bare.delete("persistentvolumeclaims", "data")

    text = 'binding volumes: failed to check provisioning pvc: persistentvolumeclaims "test/data" not found'
    await spoiled(bare, delete, text)


async def test_a_volume_made_for_another_node(bare: World) -> None:
    def bind_elsewhere() -> None:
        volume(bare, "v", node="mars")
        bind(bare, "data", "v")

    def text() -> str:
        node = selected(bare, "data")
        what = f'pv "v" node affinity doesn\'t match node "{node}": no matching NodeSelectorTerms'
        return failed(f"binding volumes: {what}")

    storage_class(bare)
    claim(bare, "data")
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: selected(bare, "data") != "")
        bind_elsewhere()
        await bare.until(lambda: text() in bare.events("p", reason="FailedScheduling"))


async def test_claims_that_are_never_bound_end_the_wait() -> None:
    world = World(speed=2000)
    world.node("worker-a")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    await spoiled(world, lambda: None, "binding volumes: context deadline exceeded")


async def test_the_scheduler_takes_up_what_it_had_decided_before_a_restart(bare: World) -> None:
    storage_class(bare)
    claim(bare, "data")
    async with scheduling(bare):
        user(bare, "p", "data")
        await bare.until(lambda: selected(bare, "data") != "")
    node = selected(bare, "data")
    async with scheduling(bare):
        await bare.settle()
        volume(bare, "v", node=node)
        bind(bare, "data", "v")
        await bare.until(lambda: node_of(bare, "p") == node)
