"""Why a pod that claims devices is not started."""

from __future__ import annotations

from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.kubelet import devices

RESULT = {"request": "gpu", "driver": "gpu.example.com", "pool": "a", "device": "gpu-0"}


def test_a_pod_is_started_when_all_its_claims_are_its_own_and_need_no_driver() -> None:
    world = World()
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    names = [{"name": "one", "resourceClaimTemplateName": "t"}, {"name": "two", "resourceClaimName": "mine"}]
    pod = world.pod("p", resourceClaims=names, nodeName="n")

    def why() -> str | None:
        return devices.problem(world.client, world.get("pods", "p"))

    assert why() == 'pod "test/p": ResourceClaim not created yet'
    statuses = [{"name": "one"}]  # none is needed
    world.patch("pods", "p", lambda obj: obj["status"].update(resourceClaimStatuses=statuses), subresource="status")
    assert why() == 'fetch ResourceClaim mine: resourceclaims.resource.k8s.io "mine" not found'
    requests = [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]
    claim = world.create("resourceclaims", {"metadata": {"name": "mine"}, "spec": {"devices": {"requests": requests}}})
    uid = objects.uid(pod)
    assert why() == f"pod p ({uid}) is not allowed to use ResourceClaim mine ({objects.uid(claim)})"
    status = {
        "allocation": {"devices": {"results": [RESULT]}},
        "reservedFor": [{"resource": "pods", "name": "p", "uid": uid}],
    }
    world.client.update_status("resourceclaims", {**objects.copy(claim), "status": status})
    assert why() == "DRA driver gpu.example.com is not registered"
    assert devices.problem(world.client, world.pod("q")) is None
