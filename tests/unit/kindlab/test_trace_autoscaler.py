"""`kindlab why hpa/NAME`: for each way an autoscaler can be stuck it ends at the hop that is broken, and at no other.
The API is one that says what a test wants; tests/course has a live one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from kindlab.api import ApiError, Obj, Served
from kindlab.trace import autoscaler
from kindlab.trace.hops import Trace
from kindlab.trace.usage import API

SPACE = "shop"
KINDS = {
    "HorizontalPodAutoscaler": Served("/apis/autoscaling/v2", "hpa", True, "HorizontalPodAutoscaler", "autoscaling"),
    "Deployment.apps": Served("/apis/apps/v1", "deployments", True, "Deployment", "apps"),
    "DaemonSet.apps": Served("/apis/apps/v1", "daemonsets", True, "DaemonSet", "apps"),
    "v1/Pod": Served("/api/v1", "pods", True, "Pod", ""),
    "APIService.apiregistration.k8s.io": Served("/apis/r/v1", "apiservices", False, "APIService", "r"),
}
HALF = {"type": "Utilization", "averageUtilization": 50}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": HALF}}
READY = {"type": "Ready", "status": "True"}
ABLE = {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"}
ACTIVE = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}
WITHIN = {"type": "ScalingLimited", "status": "False", "reason": "DesiredWithinRange"}


class Fake:
    """The verbs of kindlab.api.Api over dicts."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Obj]] = {kind: [] for kind in KINDS}
        self.replicas = 1
        self.metrics: list[str] | ApiError = ["web-1"]

    def served(self, kind: str) -> Served:
        if kind not in KINDS:
            raise ApiError(404, "NotFound", f'the cluster serves no kind "{kind}"')
        return KINDS[kind]

    def path(self, kind: str, namespace: str | None = None, name: str = "") -> str:
        return f"/{kind}/{name}"

    def get(self, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        return next((o for o in self.list(kind) if o["metadata"]["name"] == name), None)

    def list(self, kind: str, namespace: str | None = None, *, labels: str = "") -> list[Obj]:
        assert labels in ("", "app=web")
        return self.objects[kind]

    def request(self, method: str, path: str) -> Any:
        assert method == "GET"
        if path == "/Deployment.apps/web/scale":
            return {"spec": {"replicas": self.replicas}, "status": {"replicas": self.replicas, "selector": "app=web"}}
        if path.startswith(API):
            if isinstance(self.metrics, ApiError):
                raise self.metrics
            assert path == API or urlsplit(path).query == "labelSelector=app%3Dweb"
            return {"items": [{"metadata": {"name": name}} for name in self.metrics]}
        raise ApiError(404, "NotFound", "the server could not find the requested resource")


@pytest.fixture
def api() -> Fake:
    """A Deployment with one Pod at 40% of its request, and an autoscaler that is content."""
    made = Fake()
    made.objects["Deployment.apps"] = [named("web")]
    made.objects["v1/Pod"] = [pod()]
    made.objects["HorizontalPodAutoscaler"] = [hpa()]
    return made


def named(name: str, **more: Any) -> Obj:
    return {"metadata": {"name": name, "uid": name}, **more}


def pod(name: str = "web-1", requests: Obj | None = None, conditions: tuple[Obj, ...] = (READY,)) -> Obj:
    asked = {"cpu": "100m"} if requests is None else requests
    spec = {"containers": [{"name": "c", "resources": {"requests": asked}}]}
    return named(name, spec=spec, status={"phase": "Running", "conditions": list(conditions)})


def hpa(name: str = "web", conditions: tuple[Obj, ...] = (ABLE, ACTIVE, WITHIN), **spec: Any) -> Obj:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    current = {"averageUtilization": 40, "averageValue": "40m"}
    status = {"conditions": list(conditions), "currentMetrics": [{"resource": {"name": "cpu", "current": current}}]}
    whole = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3, "metrics": [CPU], **spec}
    return named(name, spec=whole, status=status)


def why(api: Fake, name: str = "web") -> Trace:
    return autoscaler.trace(api, SPACE, name)  # type: ignore[arg-type]


def broken(api: Fake) -> tuple[str, str, str]:
    path = why(api)
    assert path.broken is not None, path.hops
    assert path.hops[-1] is path.broken, "nothing is looked at behind the first broken hop"
    return path.broken.name, path.broken.evidence, path.broken.next


def test_one_that_is_content(api: Fake) -> None:
    path = why(api)
    assert path.broken is None, path.broken
    assert [(hop.name, hop.evidence) for hop in path.hops] == [
        ("HorizontalPodAutoscaler", "1 to 3 Pods for Deployment/web, by cpu at 50% of what they request"),
        ("Target", "Deployment web asks for 1 and has 1"),
        ("Requests", "every container says how much cpu it requests"),
        ("Metrics API", "metrics.k8s.io answers"),
        ("Metrics", "1 of 1 Pods are measured"),
        ("Load", "cpu 40m a Pod (40% of requests)"),
        ("Decision", "1 Pod is what the load asks for (within a tenth of the target nothing changes)"),
    ]


def test_none_of_that_name(api: Fake) -> None:
    path = why(api, "wbe")
    assert path.broken is not None
    assert path.broken.evidence == "there is no HorizontalPodAutoscaler wbe in namespace shop; did you mean web?"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"name": "wbe"}, "there is no Deployment wbe in namespace shop; did you mean web?"),
        ({"apiVersion": "v1"}, "the cluster serves no kind Deployment in v1: look at scaleTargetRef"),
        ({"kind": "DaemonSet", "name": "agent"}, "a DaemonSet cannot be scaled (the server could not find the"),
    ],
)
def test_nothing_to_scale(api: Fake, target: Obj, said: str) -> None:
    api.objects["DaemonSet.apps"] = [named("agent")]
    api.objects["HorizontalPodAutoscaler"][0]["spec"]["scaleTargetRef"] |= target
    hop, evidence, _ = broken(api)
    assert evidence.startswith(said)
    assert hop in ("Target", "Deployment")


def test_switched_off(api: Fake) -> None:
    api.replicas = 0
    hop, evidence, then = broken(api)
    assert (hop, then) == ("Target", "kubectl scale deployments web --replicas=1 -n shop")
    assert "scaled to 0" in evidence


def test_another_one_has_its_pods(api: Fake) -> None:
    api.objects["HorizontalPodAutoscaler"].append(hpa("web-2"))
    hop, evidence, then = broken(api)
    assert (hop, evidence) == ("Pods", "the Pods app=web are those of hpa/web-2, too: neither scales them")
    assert "kubectl delete hpa web-2 -n shop" in then


def test_another_one_has_them_by_its_labels(api: Fake) -> None:
    said = {"type": "ScalingActive", "status": "False", "reason": "AmbiguousSelector", "message": "by two"}
    api.objects["HorizontalPodAutoscaler"] = [hpa(conditions=(ABLE, said))]
    assert broken(api)[1] == "the Pods app=web are those of another autoscaler, too: neither scales them (by two)"


def test_no_pods_yet(api: Fake) -> None:
    api.objects["v1/Pod"] = []
    assert broken(api)[0] == "Pods"


def test_a_container_requests_nothing(api: Fake) -> None:
    api.objects["v1/Pod"] = [pod(requests={"memory": "1Mi"})]
    assert broken(api) == (
        "Requests",
        "container c of Pod web-1 requests no cpu, and 50% of nothing cannot be told",
        "kubectl set resources deployment/web -c c --requests=cpu=100m -n shop",
    )


def test_an_amount_needs_no_request(api: Fake) -> None:
    api.objects["v1/Pod"] = [pod(requests={})]
    target = {"type": "AverageValue", "averageValue": "100m"}
    api.objects["HorizontalPodAutoscaler"] = [
        hpa(metrics=[{"type": "Resource", "resource": {"name": "cpu", "target": target}}])
    ]
    path = why(api)
    assert path.broken is None
    assert path.hops[0].evidence == "1 to 3 Pods for Deployment/web, by cpu at 100m a Pod"


def test_a_container_that_is_not_there(api: Fake) -> None:
    metric = {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "d", "target": HALF}}
    api.objects["HorizontalPodAutoscaler"] = [hpa(metrics=[metric])]
    assert broken(api)[1] == "the metric is of container d, and Pod web-1 has none of that name; it has: c"


@pytest.mark.parametrize(("type_", "group"), [("Pods", "custom"), ("Object", "custom"), ("External", "external")])
def test_a_metric_that_nobody_serves(api: Fake, type_: str, group: str) -> None:
    api.objects["HorizontalPodAutoscaler"] = [hpa(metrics=[CPU, {"type": type_}])]
    hop, evidence, _ = broken(api)
    assert hop == "Metrics API"
    assert evidence.startswith(f"a metric of type {type_} needs a server for {group}.metrics.k8s.io")


def test_nobody_measures(api: Fake) -> None:
    api.metrics = ApiError(404, "NotFound", "404 page not found")
    hop, evidence, then = broken(api)
    assert hop == "Metrics API"
    assert "the cluster has no metrics API" in evidence
    assert "kubectl get apiservices" in then


def test_who_measures_does_not_answer(api: Fake) -> None:
    api.metrics = ApiError(503, "ServiceUnavailable", "service unavailable")
    condition = {"type": "Available", "status": "False", "message": "endpoints have no addresses"}
    api.objects["APIService.apiregistration.k8s.io"] = [
        named("v1beta1.metrics.k8s.io", status={"conditions": [condition]})
    ]
    hop, evidence, then = broken(api)
    assert (hop, evidence) == (
        "Metrics API",
        "the metrics API is there but does not answer: endpoints have no addresses",
    )
    assert "k8s-app=metrics-server" in then
    api.objects["APIService.apiregistration.k8s.io"] = []
    assert broken(api)[1].endswith("does not answer: service unavailable")


def test_not_measured_yet(api: Fake) -> None:
    api.metrics = ["other-1"]
    hop, evidence, then = broken(api)
    assert hop == "Metrics"
    assert "none of the 1 Pods has been measured yet" in evidence
    assert then == "wait, then: kubectl top pods -l app=web -n shop"


def test_none_is_ready(api: Fake) -> None:
    api.objects["v1/Pod"] = [pod(conditions=())]
    assert broken(api) == (
        "Ready",
        "none of the Pods app=web is Ready, and the CPU of a Pod that is not Ready does not count",
        "kubectl describe pod web-1 -n shop",
    )


@pytest.mark.parametrize(
    ("conditions", "spec", "said", "then"),
    [
        ((), {}, "no controller has looked at it yet", "kubectl describe hpa web -n shop"),
        (
            ({**ABLE, "status": "False", "reason": "FailedUpdateScale", "message": "no"}, ACTIVE),
            {},
            "FailedUpdateScale: no",
            "kubectl describe hpa web",
        ),
        (
            (ABLE, {**ACTIVE, "status": "False", "reason": "FailedGetResourceMetric", "message": "what"}),
            {},
            "FailedGetResourceMetric: what",
            "kubectl describe hpa web",
        ),
        (
            (ABLE, ACTIVE, {**WITHIN, "status": "True", "reason": "TooManyReplicas"}),
            {},
            "the load asks for more Pods than maxReplicas (3) allows",
            'kubectl patch hpa web -n shop --type=merge -p \'{"spec":{"maxReplicas":6}}\'',
        ),
        (
            ({**ABLE, "reason": "ScaleDownStabilized"}, ACTIVE, WITHIN),
            {},
            "fewer Pods would do by now; it waits until that has been so for 300 seconds",
            "wait, or shorten the window: kubectl patch hpa web -n shop --type=merge -p ",
        ),
        (
            ({**ABLE, "reason": "ScaleUpStabilized"}, ACTIVE, WITHIN),
            {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 60}}},
            "more Pods would do by now; it waits until that has been so for 60 seconds",
            "wait, or shorten the window: ",
        ),
        (
            (ABLE, ACTIVE, {**WITHIN, "status": "True", "reason": "ScaleDownLimit"}),
            {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}},
            "it would change the number of Pods, but behavior.scaleDown.selectPolicy is Disabled",
            "kubectl edit hpa web -n shop",
        ),
    ],
)
def test_what_keeps_it_from_what_it_wants(
    api: Fake, conditions: tuple[Obj, ...], spec: Obj, said: str, then: str
) -> None:
    api.replicas = 2
    api.objects["HorizontalPodAutoscaler"] = [hpa(conditions=conditions, **spec)]
    hop, evidence, following = broken(api)
    assert hop == "Decision"
    assert evidence.startswith(said)
    assert following.startswith(then)
    if "'" in following:
        json.loads(following.split("'")[1])


@pytest.mark.parametrize(
    ("able", "reason", "said"),
    [
        ("ReadyForNewScale", "TooFewReplicas", "the load asks for fewer Pods, but minReplicas is 1"),
        ("ScaleDownStabilized", "DesiredWithinRange", "the load asks for fewer Pods, but minReplicas is 1"),
        (
            "ReadyForNewScale",
            "ScaleUpLimit",
            "it is on its way from 1: a step may only be so large, the next one follows",
        ),
    ],
)
def test_what_is_in_order_though_limited(api: Fake, able: str, reason: str, said: str) -> None:
    limited = {**WITHIN, "status": "True", "reason": reason}
    api.objects["HorizontalPodAutoscaler"] = [hpa(conditions=({**ABLE, "reason": able}, ACTIVE, limited))]
    path = why(api)
    assert path.broken is None
    assert path.hops[-1].evidence == said
