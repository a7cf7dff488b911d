"""StatefulSets: names, order, claims, updates and revisions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pocketkube.controllers.world import NAMESPACE, World, pod_spec

from pocketkube import objects
from pocketkube.controllers import ownership
from pocketkube.controllers import statefulset_identity as identity
from pocketkube.controllers.statefulset_claims import Claims
from pocketkube.controllers.statefulset_history import data_hash
from pocketkube.objects import Obj

RETAIN = {"whenDeleted": "Retain", "whenScaled": "Retain"}


def statefulset(world: World, name: str = "web", replicas: int = 3, **spec: Any) -> Obj:
    labels = {"app": name}
    body = {
        "serviceName": "nginx",
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod_spec()},
        **spec,
    }
    return world.create("statefulsets", {"metadata": {"name": name}, "spec": body})


def with_claim(**retention: str) -> Obj:
    """A claim template nobody provisions for: the pods of these tests are bound by hand, to the node."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    return {
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        "persistentVolumeClaimRetentionPolicy": RETAIN | retention,
    }


def volumes(world: World, count: int) -> None:
    for number in range(count):
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"/data/{number}"},
            "persistentVolumeReclaimPolicy": "Retain",
        }
        world.create("persistentvolumes", {"metadata": {"name": f"pv-{number}"}, "spec": spec})


def status(world: World, name: str = "web") -> Obj:
    return objects.status(world.get("statefulsets", name))


def names(world: World, resource: str = "pods") -> list[str]:
    return [objects.name(found) for found in world.list(resource)]


def ready(world: World, count: int, name: str = "web") -> bool:
    found = status(world, name)
    generation = world.get("statefulsets", name)["metadata"]["generation"]
    return (
        found.get("observedGeneration") == generation
        and found["replicas"] == found.get("readyReplicas", 0) == count
        and found.get("updatedReplicas", 0) == count
    )


def change(world: World, name: str = "web", **spec: Any) -> None:
    world.patch("statefulsets", name, lambda copy: copy["spec"].update(spec))


def set_image(world: World, tag: str, name: str = "web") -> None:
    def update(copy: Obj) -> None:
        copy["spec"]["template"]["spec"]["containers"][0]["image"] = f"nginx:{tag}"

    world.patch("statefulsets", name, update)


def images(world: World) -> list[str]:
    return [pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in world.list("pods")]


def finish(world: World, name: str, phase: str) -> None:
    world.set_ready(name, ready=False, phase=phase)


async def test_pods_have_names_labels_and_a_host_name(world: World) -> None:
    owner = statefulset(world, replicas=2)
    await world.until(lambda: ready(world, 2))
    assert names(world) == ["web-0", "web-1"]
    revision = objects.name(world.list("controllerrevisions")[0])
    pod = world.get("pods", "web-1")
    expected = {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "web-1",
        "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": revision,
    }
    assert expected.items() <= objects.labels(pod).items()
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-1", "nginx")
    assert pod["metadata"]["generateName"] == "web-"
    assert pod["metadata"]["ownerReferences"] == [objects.owner_reference(owner)]
    assert world.events("web") == [
        "Create Pod web-0 in StatefulSet web successful",
        "Create Pod web-1 in StatefulSet web successful",
    ]
    assert status(world) == {
        "observedGeneration": 1,
        "replicas": 2,
        "readyReplicas": 2,
        "currentReplicas": 2,
        "updatedReplicas": 2,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
        "availableReplicas": 2,
    }


async def test_in_order_each_pod_waits_for_the_one_before(world: World) -> None:
    world.not_ready = {"web-1"}
    statefulset(world)
    await world.until(lambda: names(world) == ["web-0", "web-1"] and status(world).get("readyReplicas") == 1)
    await world.settle()
    assert names(world) == ["web-0", "web-1"]
    world.not_ready = set()
    world.set_ready("web-1", ready=True)
    await world.until(lambda: ready(world, 3))


async def test_in_parallel_nobody_waits(world: World) -> None:
    world.not_ready = {"web-0"}
    statefulset(world, replicas=25, podManagementPolicy="Parallel")
    await world.until(lambda: status(world).get("readyReplicas") == 24)
    assert status(world)["replicas"] == 25


async def test_scaling_down_takes_the_highest_first(world: World) -> None:
    statefulset(world)
    await world.until(lambda: ready(world, 3))
    world.stubborn = True
    change(world, replicas=1)
    await world.until(lambda: objects.is_terminating(world.get("pods", "web-2")))
    await world.settle()
    assert not objects.is_terminating(world.get("pods", "web-1"))
    world.bury("web-2")
    await world.until(lambda: objects.is_terminating(world.get("pods", "web-1")))
    world.bury("web-1")
    await world.until(lambda: ready(world, 1))
    assert world.events("web", reason="SuccessfulDelete") == [
        "Delete Pod web-2 in StatefulSet web successful",
        "Delete Pod web-1 in StatefulSet web successful",
    ]


async def test_scaling_down_waits_until_the_others_are_well(world: World) -> None:
    statefulset(world)
    await world.until(lambda: ready(world, 3))
    world.set_ready("web-0", ready=False)
    await world.until(lambda: status(world).get("readyReplicas") == 2)
    change(world, replicas=1)
    await world.settle()
    assert names(world) == ["web-0", "web-1", "web-2"]
    world.set_ready("web-0", ready=True)
    await world.until(lambda: ready(world, 1))


async def test_a_deleted_pod_comes_back_under_its_name_once_it_is_gone(world: World) -> None:
    statefulset(world, replicas=2)
    await world.until(lambda: ready(world, 2))
    before = objects.uid(world.get("pods", "web-0"))
    world.stubborn = True
    world.delete("pods", "web-0")
    await world.settle()
    assert objects.is_terminating(world.get("pods", "web-0"))
    world.stubborn = False
    world.bury("web-0")
    await world.until(lambda: ready(world, 2) and objects.uid(world.get("pods", "web-0")) != before)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_finished_pod_is_made_again(world: World, phase: str) -> None:
    statefulset(world, replicas=1)
    await world.until(lambda: ready(world, 1))
    before = objects.uid(world.get("pods", "web-0"))
    finish(world, "web-0", phase)
    await world.until(
        lambda: (pod := world.find("pods", "web-0")) is not None and objects.uid(pod) != before and ready(world, 1)
    )


async def test_a_pod_that_always_ends_does_not_keep_everybody_busy(world: World) -> None:
    statefulset(world, replicas=1)
    await world.until(lambda: ready(world, 1))
    seen = {objects.uid(world.get("pods", "web-0"))}
    finish(world, "web-0", "Failed")
    await world.until(lambda: world.find("pods", "web-0") is not None and ready(world, 1) and another(world, seen))
    seen.add(objects.uid(world.get("pods", "web-0")))
    finish(world, "web-0", "Failed")
    await world.settle()
    assert not another(world, seen)
    await world.until(lambda: another(world, seen))


def another(world: World, seen: set[str]) -> bool:
    pod = world.find("pods", "web-0")
    return pod is not None and objects.uid(pod) not in seen


async def test_ordinals_may_start_elsewhere(world: World) -> None:
    statefulset(world, replicas=2, ordinals={"start": 5})
    await world.until(lambda: ready(world, 2))
    assert names(world) == ["web-5", "web-6"]
    change(world, ordinals={"start": 6})
    await world.until(lambda: ready(world, 2) and names(world) == ["web-6", "web-7"])


async def test_a_pod_counts_as_available_after_min_ready_seconds() -> None:
    from tests.unit.pocketkube.controllers.world import running

    fast = World(speed=20)
    fast.node("a")
    async with running(fast) as world:
        await world.until(lambda: world.find("serviceaccounts", "default") is not None)
        statefulset(world, replicas=2, minReadySeconds=4)
        await world.until(lambda: status(world).get("readyReplicas") == 1)
        assert (status(world)["availableReplicas"], names(world)) == (0, ["web-0"])
        await world.until(lambda: status(world)["availableReplicas"] == 2)


async def test_orphans_of_a_fitting_name_are_adopted_and_strangers_released(world: World) -> None:
    orphan = world.pod("web-0", {"app": "web"})
    world.pod("other", {"app": "web"})
    owner = statefulset(world, replicas=2)
    await world.until(lambda: ready_count(world) == 2)
    adopted = world.get("pods", "web-0")
    assert objects.uid(adopted) == objects.uid(orphan)
    assert objects.controller_ref(adopted) == objects.owner_reference(owner)
    assert objects.labels(adopted)["statefulset.kubernetes.io/pod-name"] == "web-0"
    assert objects.controller_ref(world.get("pods", "other")) is None
    world.patch("pods", "web-1", lambda copy: copy["metadata"].update(labels={"app": "else"}))
    await world.until(lambda: objects.controller_ref(world.get("pods", "web-1")) is None)


def ready_count(world: World) -> int:
    return int(status(world).get("readyReplicas", 0))


async def test_a_refused_pod_is_told_and_tried_again(world: World) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {**pod_spec(), "serviceAccountName": "nobody"}}
    statefulset(world, replicas=1, template=template)
    await world.until(lambda: bool(world.events("web", reason="FailedCreate")))
    text = 'pods "web-0" is forbidden: error looking up service account test/nobody: serviceaccount "nobody" not found'
    assert world.events("web", reason="FailedCreate")[0] == (
        f"Create Pod web-0 in StatefulSet web failed error: {text}"
    )
    await world.until(lambda: status(world).get("observedGeneration") == 1)
    world.create("serviceaccounts", {"metadata": {"name": "nobody"}})
    await world.until(lambda: ready(world, 1))


# -- updates


async def test_an_update_goes_from_the_highest_ordinal_down(world: World) -> None:
    statefulset(world)
    await world.until(lambda: ready(world, 3))
    old = status(world)["currentRevision"]
    world.not_ready = {"web-2"}
    set_image(world, "1.28")
    await world.until(lambda: status(world).get("updatedReplicas") == 1 and status(world).get("readyReplicas") == 2)
    await world.settle()
    assert images(world)[2] == "1.28"
    assert "1.28" not in images(world)[:2]
    assert status(world)["currentRevision"] == old != status(world)["updateRevision"]
    world.not_ready = set()
    world.set_ready("web-2", ready=True)
    await world.until(lambda: ready(world, 3) and images(world) == ["1.28"] * 3)
    await world.until(lambda: status(world)["currentRevision"] == status(world)["updateRevision"])
    assert status(world)["currentReplicas"] == 3


async def test_a_partition_holds_the_lower_ordinals(world: World) -> None:
    statefulset(world, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    await world.until(lambda: ready(world, 3))
    set_image(world, "1.28")
    await world.until(lambda: images(world)[2:] == ["1.28"] and ready_count(world) == 3)
    await world.settle()
    assert images(world)[:2].count("1.28") == 0
    assert (status(world)["currentReplicas"], status(world)["updatedReplicas"]) == (2, 1)
    world.delete("pods", "web-0")  # below the partition it comes back as it was
    await world.until(lambda: len(names(world)) == 3 and ready_count(world) == 3)
    assert images(world)[0] != "1.28"
    change(world, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    await world.until(lambda: ready(world, 3) and images(world) == ["1.28"] * 3)


async def test_on_delete_waits_for_somebody_to_delete(world: World) -> None:
    statefulset(world, replicas=2, updateStrategy={"type": "OnDelete"})
    await world.until(lambda: ready(world, 2))
    set_image(world, "1.28")
    await world.settle()
    assert "1.28" not in images(world)
    world.delete("pods", "web-0")
    await world.until(lambda: len(names(world)) == 2 and images(world)[0] == "1.28" and ready_count(world) == 2)
    assert images(world)[1] != "1.28"


# -- revisions


async def test_a_template_that_returns_has_its_revision_again(world: World) -> None:
    statefulset(world, replicas=1)
    await world.until(lambda: ready(world, 1))
    first = status(world)["updateRevision"]
    original = objects.copy(world.get("statefulsets", "web")["spec"]["template"])
    set_image(world, "1.28")
    await world.until(lambda: ready(world, 1) and status(world)["updateRevision"] != first)
    assert len(world.list("controllerrevisions")) == 2
    change(world, template=original)
    await world.until(lambda: ready(world, 1) and status(world)["updateRevision"] == first)
    assert {objects.name(r): r["revision"] for r in world.list("controllerrevisions")}[first] == 3
    assert len(world.list("controllerrevisions")) == 2


async def test_only_so_many_old_revisions_are_kept(world: World) -> None:
    statefulset(world, replicas=1, revisionHistoryLimit=1)
    for tag in ("1", "2", "3", "4"):
        set_image(world, tag)
        await world.until(lambda tag=tag: ready(world, 1) and images(world) == [tag])
    await world.until(lambda: len(world.list("controllerrevisions")) == 2)
    assert sorted(r["revision"] for r in world.list("controllerrevisions")) == [3, 4]


async def test_a_revision_whose_name_is_taken_gets_another(world: World) -> None:
    statefulset(world, replicas=1)
    await world.until(lambda: ready(world, 1))
    made = world.list("controllerrevisions")[0]
    world.delete("statefulsets", "web")
    await world.until(lambda: not world.list("pods") and not world.list("controllerrevisions"))
    taken = {"metadata": {"name": objects.name(made)}, "data": {"spec": {}}, "revision": 1}
    world.create("controllerrevisions", taken)
    statefulset(world, replicas=1)
    await world.until(lambda: ready(world, 1))
    assert status(world)["collisionCount"] == 1
    assert status(world)["updateRevision"] != objects.name(made)


def test_revisions_are_named_as_a_real_cluster_names_them() -> None:
    """A revision seen on a real cluster (v1.24, which still wrote the empty creationTimestamp)."""
    container = {
        "name": "nginx",
        "image": "nginx",
        "imagePullPolicy": "Always",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    spec = {
        "containers": [container],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    meta = {"labels": {"app": "nginx-sts"}, "creationTimestamp": None}
    data = {"spec": {"template": {"metadata": meta, "spec": spec, "$patch": "replace"}}}
    assert data_hash(data, 0) == "6798d68dcd"
    assert data_hash(data, 1) != "6798d68dcd"


# -- claims


async def test_each_pod_has_its_claims_and_finds_them_again(world: World) -> None:
    volumes(world, 2)
    statefulset(world, replicas=2, **with_claim())
    await world.until(lambda: ready(world, 2))
    assert names(world, "persistentvolumeclaims") == ["data-web-0", "data-web-1"]
    claim = world.get("persistentvolumeclaims", "data-web-0")
    assert objects.labels(claim) == {"app": "web"}
    assert "ownerReferences" not in claim["metadata"]
    held = objects.by_name(world.get("pods", "web-0")["spec"]["volumes"])
    assert held["data"]["persistentVolumeClaim"] == {"claimName": "data-web-0"}
    assert world.events("web")[:2] == [
        "Create Claim data-web-0 Pod web-0 in StatefulSet web success",
        "Create Pod web-0 in StatefulSet web successful",
    ]
    world.delete("pods", "web-0")
    await world.until(lambda: len(names(world)) == 2 and ready_count(world) == 2)
    assert objects.uid(world.get("persistentvolumeclaims", "data-web-0")) == objects.uid(claim)


async def test_claims_stay_when_the_set_goes(world: World) -> None:
    volumes(world, 2)
    statefulset(world, replicas=2, **with_claim())
    await world.until(lambda: ready(world, 2))
    world.delete("statefulsets", "web")
    await world.until(lambda: not names(world))
    await world.settle()
    assert names(world, "persistentvolumeclaims") == ["data-web-0", "data-web-1"]


async def test_claims_go_with_the_set_where_asked(world: World) -> None:
    volumes(world, 2)
    owner = statefulset(world, replicas=2, **with_claim(whenDeleted="Delete"))
    await world.until(lambda: ready(world, 2))
    for claim in world.list("persistentvolumeclaims"):
        assert claim["metadata"]["ownerReferences"] == [objects.owner_reference(owner)]
    change(world, replicas=1)
    await world.until(lambda: ready(world, 1))
    await world.settle()
    assert names(world, "persistentvolumeclaims") == ["data-web-0", "data-web-1"]
    world.delete("statefulsets", "web")
    await world.until(lambda: not names(world, "persistentvolumeclaims"))


async def test_claims_go_with_scaled_down_pods_where_asked(world: World) -> None:
    volumes(world, 2)
    statefulset(world, replicas=2, **with_claim(whenScaled="Delete"))
    await world.until(lambda: ready(world, 2))
    change(world, replicas=1)
    await world.until(lambda: names(world, "persistentvolumeclaims") == ["data-web-0"])
    world.delete("statefulsets", "web")
    await world.until(lambda: not names(world))
    await world.settle()
    assert names(world, "persistentvolumeclaims") == ["data-web-0"]


async def test_a_changed_retention_policy_is_written_to_the_claims(world: World) -> None:
    volumes(world, 1)
    owner = statefulset(world, replicas=1, **with_claim())
    await world.until(lambda: ready(world, 1))

    def references() -> list[Obj]:
        found: list[Obj] = world.get("persistentvolumeclaims", "data-web-0")["metadata"].get("ownerReferences", [])
        return found

    change(world, persistentVolumeClaimRetentionPolicy=RETAIN | {"whenDeleted": "Delete"})
    await world.until(lambda: references() == [objects.owner_reference(owner)])
    change(world, persistentVolumeClaimRetentionPolicy=RETAIN)
    await world.until(lambda: not references())


async def test_a_claim_that_somebody_else_manages_is_left_to_them(world: World) -> None:
    volumes(world, 1)
    other = world.create("configmaps", {"metadata": {"name": "manager"}})
    template = with_claim()["volumeClaimTemplates"][0]["spec"]
    meta = {"name": "data-web-0", "ownerReferences": [objects.owner_reference(other)]}
    world.create("persistentvolumeclaims", {"metadata": meta, "spec": objects.copy(template)})
    statefulset(world, replicas=1, **with_claim(whenDeleted="Delete"))
    await world.until(lambda: ready(world, 1))
    claim = world.get("persistentvolumeclaims", "data-web-0")
    assert claim["metadata"]["ownerReferences"] == [objects.owner_reference(other)]
    assert world.events("web", reason="ConflictingController")


async def test_a_pod_waits_until_the_claim_of_its_name_is_gone(world: World) -> None:
    volumes(world, 2)
    statefulset(world, replicas=1, **with_claim())
    await world.until(lambda: ready(world, 1))
    world.patch("persistentvolumeclaims", "data-web-0", lambda copy: copy["metadata"]["finalizers"].append("test/hold"))
    before = objects.uid(world.get("persistentvolumeclaims", "data-web-0"))
    world.delete("persistentvolumeclaims", "data-web-0")
    world.delete("pods", "web-0")
    await world.until(lambda: bool(world.events("web", reason="FailedCreate")))
    assert world.events("web", reason="FailedCreate")[0] == (
        "Create Pod web-0 in StatefulSet web failed error: pvc data-web-0 is being deleted"
    )

    def let_go(copy: Obj) -> None:
        copy["metadata"]["finalizers"].remove("test/hold")

    world.patch("persistentvolumeclaims", "data-web-0", let_go)
    await world.until(lambda: names(world) == ["web-0"])
    assert objects.uid(world.get("persistentvolumeclaims", "data-web-0")) != before


async def test_a_namespace_goes_with_its_sets(world: World) -> None:
    volumes(world, 2)
    statefulset(world, replicas=2, **with_claim())
    await world.until(lambda: ready(world, 2))
    world.delete("namespaces", NAMESPACE)
    async with asyncio.timeout(10):
        await world.until(lambda: world.find("namespaces", NAMESPACE) is None)


@pytest.mark.parametrize(
    ("name", "parent", "ordinal"),
    [
        ("web-0", "web", 0),
        ("my-web-12", "my-web", 12),
        ("web", "", -1),
        ("web-", "", -1),
        ("web-0x", "", -1),
        ("web-99999999999", "web", -1),
    ],
)
def test_ordinals_are_read_from_names(name: str, parent: str, ordinal: int) -> None:
    assert identity.parent_and_ordinal(name) == (parent, ordinal)


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True), st.integers(0, 2**31 - 1))
def test_the_name_of_a_pod_says_whose_it_is(name: str, number: int) -> None:
    assert identity.parent_and_ordinal(f"{name}-{number}") == (name, number)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _JSON, max_size=5), st.integers(0, 5))
def test_a_revision_s_name_does_not_depend_on_the_order_of_fields(data: Obj, collisions: int) -> None:
    assert data_hash(dict(reversed(data.items())), collisions) == data_hash(data, collisions)


def quiet() -> World:
    """Where no controller runs."""
    world = World()
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    return world


@pytest.mark.parametrize("scaled_down", [True, False])
@pytest.mark.parametrize("deleted", ["Retain", "Delete"])
@pytest.mark.parametrize("scaled", ["Retain", "Delete"])
def test_who_owns_a_claim(scaled: str, deleted: str, scaled_down: bool) -> None:
    """Whoever did before; and what is right once stays."""
    world = quiet()
    policy = {"whenScaled": scaled, "whenDeleted": deleted}
    found = statefulset(world, replicas=1, **with_claim(**policy))
    number = 1 if scaled_down else 0
    pod = world.pod(f"web-{number}", {"app": "web"})
    claims = Claims(world.client, found)
    claims.create_missing(pod)
    expected = {
        ("Retain", "Retain"): None,
        ("Retain", "Delete"): found,
        ("Delete", "Retain"): pod if scaled_down else None,
        ("Delete", "Delete"): pod if scaled_down else found,
    }[scaled, deleted]
    wanted = [] if expected is None else [objects.owner_reference(expected)]
    stranger = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}
    mine = [objects.owner_reference(owner) for owner in (found, pod)]
    not_in_charge = [objects.owner_reference(found, controller=False)]
    for before in ([], [stranger], mine[:1], mine[1:], not_in_charge):
        name = f"data-web-{number}"
        world.patch("persistentvolumeclaims", name, lambda copy, refs=before: ownership.set_references(copy, refs))
        claims.own_as_asked(pod)
        after = world.get("persistentvolumeclaims", name)["metadata"].get("ownerReferences") or []
        assert after == ([stranger] if stranger in before else []) + wanted
        assert claims.are_owned_as_asked(pod)


def test_a_claim_of_an_earlier_pod_is_left_alone() -> None:
    world = quiet()
    found = statefulset(world, replicas=1, **with_claim(whenScaled="Delete"))
    pod = world.pod("web-0", {"app": "web"})
    claims = Claims(world.client, found)
    claims.create_missing(pod)
    earlier = {**objects.owner_reference(pod), "uid": "earlier"}
    world.patch("persistentvolumeclaims", "data-web-0", lambda copy: ownership.set_references(copy, [earlier]))
    assert claims.are_stale(pod)
    claims.own_as_asked(pod)
    assert world.get("persistentvolumeclaims", "data-web-0")["metadata"]["ownerReferences"] == [earlier]
