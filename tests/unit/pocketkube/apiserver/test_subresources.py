from __future__ import annotations

import json

from tests.unit.pocketkube.apiserver.world import NAMESPACE, PODS, World

from pocketkube import objects

DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
WEB = {
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]},
        },
    },
}
MERGE = "application/merge-patch+json"


async def test_scale_is_read_put_and_patched(world: World) -> None:
    _, made = await world.post(DEPLOYMENTS, WEB)
    code, scale = await world.get(f"{DEPLOYMENTS}/web/scale")
    assert code == 200
    meta = {key: made["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    assert scale == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": 2},
        "status": {"replicas": 0, "selector": "app=web"},
    }
    wanted = {"metadata": {"name": "web", "namespace": NAMESPACE}, "spec": {"replicas": 3}}
    code, scale = await world.ask("PUT", f"{DEPLOYMENTS}/web/scale", wanted)
    assert (code, scale["spec"]) == (200, {"replicas": 3})
    patch = json.dumps({"spec": {"replicas": 0}})
    code, scale = await world.ask("PATCH", f"{DEPLOYMENTS}/web/scale", patch, content_type=MERGE)
    assert (code, scale["spec"]) == (200, {})
    stored = world.registry.get("deployments", NAMESPACE, "web")
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (0, 3)


async def test_a_scale_that_cannot_be(world: World) -> None:
    await world.post(DEPLOYMENTS, WEB)
    patch = json.dumps({"spec": {"replicas": -1}})
    code, body = await world.ask("PATCH", f"{DEPLOYMENTS}/web/scale", patch, content_type=MERGE)
    text = 'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    assert (code, body["message"]) == (422, text)
    stale = {"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 1}}
    code, body = await world.ask("PUT", f"{DEPLOYMENTS}/web/scale", stale)
    assert (code, body["reason"]) == (409, "Conflict")
    code, body = await world.get(f"{DEPLOYMENTS}/ghost/scale")
    assert (code, body["message"]) == (404, 'deployments.apps "ghost" not found')


async def test_status_is_written_apart(world: World) -> None:
    world.pod("p")
    _, pod = await world.get(f"{PODS}/p/status")
    pod["status"]["phase"] = "Running"
    pod["metadata"]["labels"] = {"a": "b"}
    code, body = await world.ask("PUT", f"{PODS}/p/status", pod)
    assert (code, body["status"]["phase"]) == (200, "Running")
    patch = json.dumps({"status": {"phase": "Failed"}})
    code, body = await world.ask("PATCH", f"{PODS}/p", patch, content_type=MERGE)
    assert (code, body["status"]["phase"]) == (200, "Running")


async def test_binding_puts_a_pod_on_a_node_once(world: World) -> None:
    world.pod("p", node="")
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "node-1"}}
    code, body = await world.post(f"{PODS}/p/binding", binding)
    assert (code, body["status"]) == (201, "Success")
    pod = world.registry.get("pods", NAMESPACE, "p")
    assert pod["spec"]["nodeName"] == "node-1"
    assert objects.condition_status(pod, "PodScheduled") == "True"
    code, body = await world.post(f"/api/v1/namespaces/{NAMESPACE}/bindings", binding)
    assert code == 409
    assert body["message"].endswith('pod p is already assigned to node "node-1"')


async def test_eviction_deletes(world: World) -> None:
    world.pod("p", node="")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": NAMESPACE}}
    code, body = await world.post(f"{PODS}/p/eviction?dryRun=All", eviction)
    assert code == 201
    assert world.registry.find("pods", NAMESPACE, "p") is not None
    code, body = await world.post(f"{PODS}/p/eviction", eviction)
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    assert (code, body) == (201, success)
    assert world.registry.find("pods", NAMESPACE, "p") is None
    code, body = await world.post(f"{PODS}/p/eviction", eviction)
    assert (code, body["message"]) == (404, 'pods "p" not found')
    code, body = await world.post(f"{PODS}/q/eviction", eviction)
    assert (code, body["message"]) == (400, "name in URL does not match name in Eviction object")


async def test_finalize_empties_a_namespace_out(world: World) -> None:
    world.registry.create("namespaces", {"metadata": {"name": "gone"}})
    code, body = await world.ask("DELETE", "/api/v1/namespaces/gone")
    assert (code, body["status"]["phase"]) == (200, "Terminating")
    body["spec"]["finalizers"] = []
    code, _ = await world.ask("PUT", "/api/v1/namespaces/gone/finalize", body)
    assert code == 200
    assert world.registry.find("namespaces", "", "gone") is None


async def test_verbs_a_subresource_does_not_have(world: World) -> None:
    code, body = await world.ask("DELETE", f"{DEPLOYMENTS}/web/scale")
    assert (code, body["reason"]) == (405, "MethodNotAllowed")
