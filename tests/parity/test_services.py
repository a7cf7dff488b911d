"""What a Service does with traffic: the facts lab 02 is built on, as any Kubernetes shows them."""

import pytest

from kindlab.api import ApiError, Obj
from kindlab.checks.live import LiveLab

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
SLICES = "kubernetes.io/service-name={}"


def deployment(name: str, replicas: int = 2, port: int = 8080, *, probe: Obj | None = None, **labels: str) -> Obj:
    labels = labels or {"app": name}
    container: Obj = {
        "name": "server",
        "image": IMAGE,
        "args": ["netexec", f"--http-port={port}"],
        "ports": [{"name": "http", "containerPort": port}],
    }
    container["readinessProbe"] = probe or {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 1}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def service(name: str, target: int | str = 8080, **spec: object) -> Obj:
    whole = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": target}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": whole}


def put(live: LiveLab, *objects: Obj) -> None:
    for obj in objects:
        live.api.create(obj, live.namespace)
    for obj in objects:
        if obj["kind"] == "Deployment":
            live.settled(obj["metadata"]["name"])


def until_endpoints(live: LiveLab, name: str, count: int) -> set[str]:
    """Wait until Service `name` has exactly that many ready endpoints; their Pods."""

    def ready(slices: object) -> set[str] | None:
        found = {
            e["targetRef"]["name"]
            for s in slices  # type: ignore[attr-defined]
            for e in s.get("endpoints") or ()
            if (e.get("conditions") or {}).get("ready")
        }
        return found | {""} if len(found) == count else None

    found = live.eventually("EndpointSlice", ready, labels=SLICES.format(name), timeout=60)
    assert found is not None, f"{name} never had {count} ready endpoints"
    return found - {""}


def test_requests_reach_every_pod(live: LiveLab) -> None:
    put(live, service("web"), deployment("web"))
    pods = until_endpoints(live, "web", 2)
    replies = live.probe.get_many("http://web/hostname", count=30)
    assert replies.ok
    assert replies.bodies == pods


def test_a_selector_that_matches_nothing_refuses_connections(live: LiveLab) -> None:
    put(live, service("web"))
    reply = live.probe.get("http://web/")
    assert reply.exit == 7
    assert live.probe.addresses("web") != []


def test_a_name_that_does_not_exist_does_not_resolve(live: LiveLab) -> None:
    assert live.probe.get("http://nobody/").exit == 6
    assert live.probe.addresses("nobody") == []


@pytest.mark.parametrize("name", ["web", "web.{ns}", "web.{ns}.svc", "web.{ns}.svc.cluster.local"])
def test_short_and_long_names_resolve_to_the_cluster_ip(live: LiveLab, name: str) -> None:
    put(live, service("web"))
    address = live.require("Service", "web")["spec"]["clusterIP"]
    assert live.probe.addresses(name.format(ns=live.namespace)) == [address]


def test_a_wrong_target_port_is_refused(live: LiveLab) -> None:
    put(live, service("web", target=9), deployment("web"))
    until_endpoints(live, "web", 2)
    assert live.probe.get("http://web/").exit == 7


def test_named_target_ports_may_differ_from_pod_to_pod(live: LiveLab) -> None:
    old, new = deployment("old", 1, 8080, app="web", v="1"), deployment("new", 1, 9090, app="web", v="2")
    put(live, service("web", target="http"), old, new)
    pods = until_endpoints(live, "web", 2)
    slices = live.list("EndpointSlice", SLICES.format("web"))
    assert sorted(p["port"] for s in slices for p in s["ports"]) == [8080, 9090]
    assert live.probe.get_many("http://web/hostname", count=30).bodies == pods


def test_an_unready_pod_gets_no_request_and_stays_in_the_slice(live: LiveLab) -> None:
    probe = {"exec": {"command": ["test", "-f", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    live.api.create(service("web"), live.namespace)
    live.api.create(deployment("web", probe=probe), live.namespace)
    running = live.eventually(
        "Pod",
        lambda pods: [p for p in pods if p["status"].get("phase") == "Running"][:2] if len(list(pods)) == 2 else None,
    )
    assert running is not None
    live.eventually("Pod", lambda pods: all(p["status"].get("phase") == "Running" for p in pods))
    chosen = sorted(live.pods("app=web").names)[0]
    assert live.host(chosen).run("touch /tmp/ready").rc == 0
    assert until_endpoints(live, "web", 1) == {chosen}
    assert live.probe.get_many("http://web/hostname", count=10).bodies == {chosen}
    conditions = [e["conditions"] for s in live.list("EndpointSlice", SLICES.format("web")) for e in s["endpoints"]]
    assert sorted(c["ready"] for c in conditions) == [False, True]


def test_a_deleted_pod_is_replaced_and_the_name_goes_on(live: LiveLab) -> None:
    put(live, service("web"), deployment("web"))
    before = until_endpoints(live, "web", 2)
    gone = sorted(before)[0]
    live.delete_pod(gone)
    after = live.eventually(
        "EndpointSlice",
        lambda slices: (
            names
            if len(
                names := {e["targetRef"]["name"] for s in slices for e in s["endpoints"] if e["conditions"]["ready"]}
            )
            == 2
            and gone not in names
            else None
        ),
        labels=SLICES.format("web"),
    )
    assert after is not None
    replies = live.probe.get_many("http://web/hostname", count=30)
    assert replies.ok
    assert replies.bodies == after


def test_scaling_shows_behind_the_same_address(live: LiveLab) -> None:
    put(live, service("web"), deployment("web"))
    until_endpoints(live, "web", 2)
    address = live.require("Service", "web")["spec"]["clusterIP"]
    live.api.patch("deployments", "web", live.namespace, {"spec": {"replicas": 4}})
    pods = until_endpoints(live, "web", 4)
    assert live.require("Service", "web")["spec"]["clusterIP"] == address
    assert live.probe.get_many("http://web/hostname", count=80).bodies == pods


def test_a_headless_service_resolves_to_its_pods(live: LiveLab) -> None:
    put(live, service("web", clusterIP="None"), deployment("web"))
    until_endpoints(live, "web", 2)
    found = live.eventually("Pod", lambda pods: True) and live.probe.addresses("web")
    assert set(found) == live.pods("app=web").addresses


def test_client_ip_affinity_sticks(live: LiveLab) -> None:
    put(live, service("web", sessionAffinity="ClientIP"), deployment("web", 3))
    until_endpoints(live, "web", 3)
    assert len(live.probe.get_many("http://web/hostname", count=20).bodies) == 1


def test_the_container_sees_the_client_pods_own_address(live: LiveLab) -> None:
    put(live, service("web"), deployment("web"))
    until_endpoints(live, "web", 2)
    body = live.probe.get("http://web/clientip").body
    assert body.rpartition(":")[0] == live.require("Pod", "kindlab-probe")["status"]["podIP"]


def test_the_service_type_cannot_lose_its_ports(live: LiveLab) -> None:
    put(live, service("web"))
    with pytest.raises(ApiError, match=r"spec.ports: Required value") as refused:
        live.api.patch("services", "web", live.namespace, {"spec": {"ports": []}})
    assert refused.value.code == 422


def test_two_services_cannot_have_one_node_port(live: LiveLab) -> None:
    put(live, service("one", type="NodePort"))
    port = live.require("Service", "one")["spec"]["ports"][0]["nodePort"]
    ports = [{"port": 80, "nodePort": port}]
    with pytest.raises(ApiError, match="provided port is already allocated"):
        live.api.create(service("two", type="NodePort", ports=ports), live.namespace)
