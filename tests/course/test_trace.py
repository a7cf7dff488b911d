"""`kindlab why`: for each way a Service can be broken it ends at the hop that is, and at no other."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from tests.course.command import Run

from kindlab import trace
from kindlab.api import Api, Obj
from kindlab.checks.live import LiveLab
from kindlab.errors import UsageProblem
from kindlab.trace.answer import Endpoint
from kindlab.trace.hops import Trace

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"


def deployment(name: str = "web", replicas: int = 2, *, port: int = 8080, **more: Any) -> Obj:
    container = {
        "name": "server",
        "image": AGNHOST,
        "args": ["netexec", f"--http-port={port}"],
        "ports": [{"name": "http", "containerPort": port}],
        **more,
    }
    labels = {"app": name, "tier": "front"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def service(name: str = "web", target: int | str = 8080, **spec: Any) -> Obj:
    whole = {"selector": {"app": name}, "ports": [{"name": "web", "port": 80, "targetPort": target}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": whole}


def put(live: LiveLab, *objects: Obj, ready: bool = True) -> None:
    """Create them; return once the Deployments' Pods are ready, or run without being so."""
    for obj in objects:
        live.api.create(obj, live.namespace)
    for obj in objects:
        if obj["kind"] == "Deployment" and ready:
            live.settled(obj["metadata"]["name"])
    selectors = [o["spec"]["selector"] for o in objects if o["kind"] == "Service" and o["spec"].get("selector")]
    pods = [p["metadata"]["labels"] for p in live.list("Pod")]
    if ready and any(selector.items() <= labels.items() for selector in selectors for labels in pods):
        assert live.eventually("EndpointSlice", _any_ready)


def _any_ready(slices: Iterable[Obj]) -> bool:
    return any((e.get("conditions") or {}).get("ready") for s in slices for e in s.get("endpoints") or ())


def why(live: LiveLab, target: str = "svc/web") -> Trace:
    return trace.trace(live.api, live.namespace, target)


def names(path: Trace) -> list[str]:
    return [hop.name for hop in path.hops]


def broken(path: Trace) -> tuple[str, str]:
    assert path.broken is not None, path.hops
    assert path.hops[-1] is path.broken, "nothing is looked at behind the first broken hop"
    assert path.broken.next
    return path.broken.name, path.broken.evidence


def test_a_healthy_service_has_no_broken_hop(live: LiveLab, kindlab: Run) -> None:
    put(live, service(), deployment())
    path = why(live)
    assert path.broken is None
    assert names(path) == ["Service", "Selector", "Ready Pods", "EndpointSlices", "DNS", "Answer"]
    done = kindlab("why", "svc/web", "-n", live.namespace)
    assert done.returncode == 0, done.stdout
    assert "Every hop is in order." in done.stdout
    assert done.stdout.count("✔") == 6
    data = json.loads(kindlab("why", "svc/web", "-n", live.namespace, "--json").stdout)
    assert data["broken"] is None
    assert data["hops"][-1].keys() == {"name", "ok", "evidence", "next"}


def test_no_service_names_the_near_one(live: LiveLab, kindlab: Run) -> None:
    put(live, service("web"), service("orders"))
    hop, evidence = broken(why(live, "svc/wbe"))
    assert hop == "Service"
    assert evidence == f"there is no Service wbe in namespace {live.namespace}; did you mean web?"
    assert "there are: orders, web" in broken(why(live, "svc/inventory"))[1]
    done = kindlab("why", "svc/wbe", "-n", live.namespace)
    assert done.returncode == 1
    assert "✘ Service: there is no Service wbe" in done.stdout
    assert f"Next: kubectl get services -n {live.namespace}" in done.stdout


def test_a_selector_that_matches_nothing_shows_the_nearest_labels(live: LiveLab) -> None:
    put(live, service(selector={"app": "wep"}), deployment(), deployment("orders"))
    hop, evidence = broken(why(live))
    assert hop == "Selector"
    assert evidence == "selector app=wep matches no Pod; the nearest Pods carry app=web,tier=front"


def test_a_selector_like_nobodys_labels_shows_none(live: LiveLab) -> None:
    put(live, service(selector={"colour": "blue"}), deployment())
    assert broken(why(live)) == ("Selector", "selector colour=blue matches no Pod")


def test_pods_that_are_not_ready(live: LiveLab) -> None:
    probe = {"exec": {"command": ["test", "-f", "/tmp/no"]}, "periodSeconds": 1}
    put(live, service(), deployment(readinessProbe=probe), ready=False)
    live.eventually("Pod", lambda pods: all(p["status"].get("phase") == "Running" for p in pods) and live.pods())
    hop, evidence = broken(why(live))
    assert hop == "Ready Pods"
    assert evidence.startswith("none of the 2 Pods is ready: container server of web-")
    assert evidence.endswith("runs but its readiness probe does not pass")


def test_an_image_that_cannot_be_pulled(live: LiveLab) -> None:
    put(live, service(), deployment(replicas=1, image="registry.k8s.io/no-such-image:1"), ready=False)

    def waits(pods: Iterable[Obj]) -> bool:
        states = [c["state"].get("waiting") or {} for p in pods for c in p["status"].get("containerStatuses", ())]
        return any(state.get("reason") in ("ErrImagePull", "ImagePullBackOff") for state in states)

    assert live.eventually("Pod", waits)
    hop, evidence = broken(why(live))
    assert hop == "Ready Pods"
    assert "waits: ErrImagePull" in evidence or "waits: ImagePullBackOff" in evidence


def test_a_pod_that_fits_on_no_node(live: LiveLab) -> None:
    put(live, service(), deployment(replicas=1, resources={"requests": {"cpu": "1000"}}), ready=False)
    live.eventually("Pod", lambda pods: any("message" in c for p in pods for c in p["status"].get("conditions", ())))
    hop, evidence = broken(why(live))
    assert hop == "Ready Pods"
    assert "is not scheduled: 0/3 nodes are available" in evidence
    assert "Insufficient cpu" in evidence


def test_a_named_target_port_that_no_container_has(live: LiveLab) -> None:
    put(live, service(target="htpp"), deployment())
    hop, evidence = broken(why(live))
    assert hop == "EndpointSlices"
    assert evidence == "no container port of the Pods is named 'htpp', the Service's targetPort"


def test_a_wrong_target_port_is_refused(live: LiveLab) -> None:
    put(live, service(target=9), deployment())
    hop, evidence = broken(why(live))
    assert hop == "Answer"
    assert "connections to web:80 failed: connection refused" in evidence
    assert "the Service sends them to targetPort 9, and nothing listens there" in evidence


def test_a_port_the_service_does_not_have(live: LiveLab) -> None:
    put(live, service(), deployment())
    hop, evidence = broken(why(live, "http://web:8080/"))
    assert (hop, evidence) == ("Service port", "Service web has no port 8080; it listens on 80")


@pytest.mark.parametrize(
    "url", ["http://web", "http://web:80/hostname", "http://web.{ns}/", "http://web.{ns}.svc.cluster.local:80"]
)
def test_addresses_are_followed_too(live: LiveLab, url: str) -> None:
    put(live, service(), deployment())
    assert why(live, url.format(ns=live.namespace)).broken is None
    other = trace.trace(live.api, "default", f"http://web.{live.namespace}/")
    assert (other.namespace, other.broken) == (live.namespace, None)


def test_one_port_of_several_is_told_as_such(live: LiveLab) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "metrics", "port": 9090, "targetPort": 9}]
    put(live, service(ports=ports), deployment())
    path = why(live)
    assert path.broken is None
    told = next(h.evidence for h in path.hops if h.name == "Service port")
    assert told == f"80 (http), the first of 2; another: kindlab why svc/web:9090 -n {live.namespace}"
    other = why(live, "svc/web:9090")
    assert "Service port" not in names(other)
    assert broken(other)[0] == "Answer"


def test_a_redirect_is_told_with_where_it_leads(live: LiveLab) -> None:
    conf = "server { listen 8080; return 301 https://example.org/new; }"
    start = f"echo '{conf}' > /etc/nginx/conf.d/default.conf; exec nginx -g 'daemon off;'"
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    put(live, service(), deployment(image="nginx:1.27", args=["sh", "-c", start], readinessProbe=probe))
    path = why(live, "http://web/old")
    assert path.broken is None
    to = "https://example.org/new"
    assert path.hops[-1].evidence.endswith(f"requests; a redirect to {to}: kindlab why {to} -n {live.namespace}")


def test_an_external_name_is_an_alias(live: LiveLab) -> None:
    alias = {"type": "ExternalName", "externalName": "example.org"}
    put(live, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": alias})
    path = why(live)
    assert path.broken is None
    assert "alias (CNAME) of example.org" in path.hops[-1].evidence


def test_a_headless_service_answers_on_the_pods_own_port(live: LiveLab) -> None:
    put(live, service(clusterIP="None"), deployment())
    path = why(live)
    assert path.broken is None
    assert "headless" in path.hops[0].evidence
    dns = next(h for h in path.hops if h.name == "DNS").evidence
    assert all(address in dns for address in live.pods("app=web").addresses)
    assert path.hops[-1].evidence.startswith("port 8080 answered")


def test_a_headless_service_with_a_named_port(live: LiveLab) -> None:
    put(live, service(target="http", clusterIP="None"), deployment())
    path = why(live)
    assert path.broken is None
    assert path.hops[-1].evidence.startswith("port 8080 answered")


def test_a_headless_service_is_asked_on_the_port_of_its_pods(live: LiveLab) -> None:
    put(live, service(clusterIP="None"), deployment())
    hop, evidence = broken(why(live, "http://web/"))  # port 80, as for any other Service: here it is wrong
    assert hop == "Answer"
    assert "connection refused; a headless Service's name leads to the Pods themselves, and nothing listens" in evidence
    assert why(live, "http://web:8080/").broken is None


def test_a_headless_service_without_ports(live: LiveLab) -> None:
    put(live, service(clusterIP="None", ports=[]), deployment())
    path = why(live)
    assert path.broken is None
    assert path.hops[-1].evidence == "the Service names no port: not tried"
    assert why(live, "http://web:8080/").broken is None


def test_a_service_without_selector_lives_off_slices_made_by_hand(live: LiveLab) -> None:
    put(live, deployment("elsewhere"))
    spec = {"ports": [{"name": "web", "port": 80, "targetPort": 8080}]}
    put(live, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    hop, evidence = broken(why(live))
    label = "kubernetes.io/service-name=web"
    assert (hop, evidence) == ("EndpointSlices", f"there is none: no EndpointSlice carries the label {label}")
    live.api.create(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-by-hand", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "web", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": sorted(live.pods().addresses)[:1], "conditions": {"ready": True}}],
        },
        live.namespace,
    )
    path = why(live)
    assert path.broken is None
    assert path.hops[1].evidence == "there is none: endpoints come from EndpointSlices made by hand"


def test_a_slice_made_by_hand_says_itself_which_port(live: LiveLab) -> None:
    put(live, deployment("elsewhere"))
    spec = {"ports": [{"name": "web", "port": 80, "targetPort": 8080}]}
    put(live, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    made = {"metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4"}
    listens = {"ports": [{"name": "web", "port": 9}], "endpoints": [{"addresses": sorted(live.pods().addresses)[:1]}]}
    put(live, {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", **made, **listens})
    hop, evidence = broken(why(live))
    assert hop == "Answer"
    assert evidence.endswith("its EndpointSlices say which port, and nothing listens there")


def test_a_slice_made_by_hand_whose_port_has_another_name(live: LiveLab) -> None:
    spec = {"ports": [{"name": "web", "port": 80, "targetPort": 8080}]}
    put(live, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    made = {"metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4"}
    listens = {"ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.244.9.9"]}]}
    put(live, {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", **made, **listens})
    hop, evidence = broken(why(live))
    assert hop == "EndpointSlices"
    assert evidence.endswith("named as the Service's: that is web, theirs: without a name")


def test_a_load_balancer_that_nobody_serves_is_pending(live: LiveLab) -> None:
    put(live, service(type="LoadBalancer", loadBalancerClass="example.org/mine"), deployment())
    path = why(live)
    assert path.broken is None
    assert path.hops[0].evidence.endswith("pending: nobody has served class example.org/mine yet")


def test_an_alias_of_a_service_that_is_not_there(live: LiveLab) -> None:
    alias = {"type": "ExternalName", "externalName": f"wbe.{live.namespace}.svc.cluster.local"}
    put(live, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": alias})
    hop, evidence = broken(why(live))
    assert hop == "DNS"
    assert f"there is no Service wbe in namespace {live.namespace}" in evidence
    put(live, service("wbe"))
    assert f"kindlab why svc/wbe -n {live.namespace}" in why(live).hops[-1].evidence


def test_a_namespace_that_is_not_there(live: LiveLab) -> None:
    hop, evidence = broken(trace.trace(live.api, "nowhere-at-all", "svc/web"))
    assert (hop, evidence) == ("Service", "there is no Service web: nor is there a namespace nowhere-at-all")


@pytest.mark.parametrize(
    ("address", "port", "shown"), [("10.0.0.1", 80, "10.0.0.1:80"), ("fd00::1", 80, "[fd00::1]:80"), ("::1", 0, "::1")]
)
def test_an_endpoint_is_shown_as_in_a_url(address: str, port: int, shown: str) -> None:
    assert str(Endpoint(address, port)) == shown


def test_a_service_scaled_to_nothing(live: LiveLab) -> None:
    put(live, service(), deployment(replicas=0))
    assert broken(why(live))[0] == "Selector"


def test_what_cannot_be_followed(live: LiveLab) -> None:
    for target in ("web", "cm/web", "http:///path", "svc/", "svc"):
        with pytest.raises(UsageProblem):
            why(live, target)


# -- DNS: last in this file, for it takes the cluster's away for a while


@pytest.fixture
def without_dns(api: Api) -> Iterator[None]:
    before = api.get("Deployment", "coredns", "kube-system")
    assert before is not None
    dns = LiveLab(api, "kube-system")
    api.patch("Deployment", "coredns", "kube-system", {"spec": {"replicas": 0}})
    assert dns.eventually("Pod", lambda pods: not list(pods), labels="k8s-app=kube-dns") is not None
    yield
    api.patch("Deployment", "coredns", "kube-system", {"spec": {"replicas": before["spec"]["replicas"]}})
    dns.settled("coredns")


def test_a_cluster_without_dns(live: LiveLab, without_dns: None) -> None:
    put(live, service(), deployment())
    hop, evidence = broken(why(live))
    assert hop == "DNS"
    assert "does not resolve" in evidence or "no answer" in evidence


def test_dns_is_back(live: LiveLab) -> None:
    put(live, service(), deployment())
    assert why(live).broken is None
