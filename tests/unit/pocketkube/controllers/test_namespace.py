"""Terminating namespaces, and what every namespace gets."""

from __future__ import annotations

import pytest
from tests.unit.pocketkube.controllers.world import NAMESPACE, ZONE, World

from pocketkube import objects
from pocketkube.errors import Forbidden


def conditions(world: World) -> dict[str, tuple[str, str, str]]:
    found = objects.status(world.get("namespaces", NAMESPACE)).get("conditions") or ()
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}


async def test_everything_in_it_goes_then_the_namespace(world: World) -> None:
    world.service(selector={"app": "web"})
    world.deployment(replicas=10)
    world.create("configmaps", {"metadata": {"name": "c"}, "data": {"a": "b"}})
    await world.until(lambda: len(world.ready()) == 10)
    world.delete("namespaces", NAMESPACE)
    await world.until(lambda: world.find("namespaces", NAMESPACE) is None)
    left = {r for r, kind in world.client.kinds() if kind.namespaced and world.client.list(r, NAMESPACE)}
    assert left == set()


async def test_pods_go_first_with_their_grace(world: World) -> None:
    world.pod("p")
    await world.until(lambda: objects.status(world.get("pods", "p")).get("phase") == "Running")
    world.stubborn = True
    world.delete("namespaces", NAMESPACE)
    await world.until(lambda: "NamespaceContentRemaining" in conditions(world))
    assert world.get("pods", "p")["metadata"]["deletionGracePeriodSeconds"] == 30
    text = "Some resources are remaining: pods. has 1 resource instances"
    assert conditions(world)["NamespaceContentRemaining"] == ("True", "SomeResourcesRemain", text)
    assert conditions(world)["NamespaceDeletionContentFailure"][0] == "False"
    assert world.find("configmaps", "kube-root-ca.crt") is not None
    with pytest.raises(Forbidden, match="because it is being terminated"):
        world.pod("late")
    world.bury("p")
    await world.until(lambda: world.find("namespaces", NAMESPACE) is None)


async def test_finalizers_hold_it_and_are_named(world: World) -> None:
    world.create("configmaps", {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    world.delete("namespaces", NAMESPACE)
    await world.until(lambda: conditions(world).get("NamespaceFinalizersRemaining", ("",))[0] == "True")
    expected = "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    assert conditions(world)["NamespaceFinalizersRemaining"] == ("True", "SomeFinalizersRemain", expected)
    world.patch("configmaps", "held", lambda copy: copy["metadata"].pop("finalizers") and None)
    await world.until(lambda: world.find("namespaces", NAMESPACE) is None)


async def test_default_service_account_and_root_ca_are_put_back(world: World) -> None:
    await world.until(lambda: world.find("configmaps", "kube-root-ca.crt") is not None)
    found = world.get("configmaps", "kube-root-ca.crt")
    assert found["data"] == {"ca.crt": ZONE["ca_crt"]}
    assert objects.annotations(found)["kubernetes.io/description"].startswith("Contains a CA bundle")
    account = world.get("serviceaccounts", "default")
    world.delete("serviceaccounts", "default")
    await world.until(lambda: world.find("serviceaccounts", "default") is not None)
    assert objects.uid(world.get("serviceaccounts", "default")) != objects.uid(account)
    world.patch("configmaps", "kube-root-ca.crt", lambda copy: copy.update(data={}))
    await world.until(lambda: world.get("configmaps", "kube-root-ca.crt").get("data") == found["data"])
    world.delete("configmaps", "kube-root-ca.crt")
    await world.until(lambda: world.find("configmaps", "kube-root-ca.crt") is not None)


async def test_a_server_nobody_reaches_holds_it(world: World) -> None:
    service = {"namespace": NAMESPACE, "name": "back"}
    spec = {"group": "example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}
    world.create("apiservices", {"metadata": {"name": "v1.example.com"}, "spec": {**spec, "service": service}})
    world.create("configmaps", {"metadata": {"name": "c"}})
    world.delete("namespaces", NAMESPACE)
    await world.until(lambda: conditions(world).get("NamespaceDeletionDiscoveryFailure", ("",))[0] == "True")
    text = (
        "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: "
        "example.com/v1: stale GroupVersion discovery: example.com/v1"
    )
    assert conditions(world)["NamespaceDeletionDiscoveryFailure"] == ("True", "DiscoveryFailed", text)
    assert world.find("configmaps", "c") is None, "what is known goes"
    world.delete("apiservices", "v1.example.com")
    await world.until(lambda: world.find("namespaces", NAMESPACE) is None)
